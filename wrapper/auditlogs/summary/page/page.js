"use strict";
(function () {
  var root = document.documentElement;
  var table = document.getElementById("table");
  var search = document.getElementById("search");
  var chips = document.getElementById("filters");
  var count = document.getElementById("count");
  var bodies = Array.prototype.slice.call(table.tBodies);
  var bars = Array.prototype.slice.call(document.querySelectorAll("button[data-chart]"));
  var chosen = new Map(); // by chart: the button that is pressed
  var texts = null; // of the entries, in lower case, made at the first search
  root.classList.add("scripted");

  function textOf(i) {
    if (!texts) {
      texts = bodies.map(function (body) { return body.textContent.toLowerCase(); });
    }
    return texts[i];
  }

  // apply hides the entries that do not match what is chosen and searched for.
  function apply() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    bodies.forEach(function (body, i) {
      var match = true;
      chosen.forEach(function (bar) {
        match = match && body.dataset.keys.indexOf(" " + bar.dataset.chart + "=" + bar.dataset.key + " ") >= 0;
      });
      match = match && words.every(function (word) { return textOf(i).indexOf(word) >= 0; });
      body.hidden = !match;
      shown += match ? 1 : 0;
    });
    count.textContent = shown + " of the " + bodies.length + " entries of this page; the window has " + table.dataset.total;
    chips.textContent = "";
    chosen.forEach(function (bar) {
      var chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = bar.dataset.label + " ✕";
      chip.setAttribute("aria-label", "Remove the filter " + bar.dataset.label);
      chip.addEventListener("click", function () { choose(bar); search.focus(); });
      chips.appendChild(chip);
    });
    if (chosen.size > 1 || (chosen.size && words.length)) {
      var all = document.createElement("button");
      all.type = "button";
      all.textContent = "Remove all filters";
      all.addEventListener("click", function () { clear(); search.focus(); });
      chips.appendChild(all);
    }
  }

  function choose(bar) {
    var before = chosen.get(bar.dataset.chart);
    if (before) {
      before.setAttribute("aria-pressed", "false");
      chosen.delete(bar.dataset.chart);
    }
    if (before !== bar) {
      bar.setAttribute("aria-pressed", "true");
      chosen.set(bar.dataset.chart, bar);
    }
    apply();
  }

  function clear() {
    chosen.forEach(function (bar) { bar.setAttribute("aria-pressed", "false"); });
    chosen.clear();
    search.value = "";
    apply();
  }

  bars.forEach(function (bar) {
    bar.addEventListener("click", function () { choose(bar); });
  });

  // A chart of many bars is one stop of the Tab key, and arrow keys move within it.
  document.querySelectorAll("[data-roving]").forEach(function (chart) {
    var own = Array.prototype.slice.call(chart.querySelectorAll("button"));
    var wide = chart.tagName === "TABLE" ? 24 : own.length;
    own.forEach(function (button, i) { button.tabIndex = i ? -1 : 0; });
    chart.addEventListener("keydown", function (event) {
      var at = own.indexOf(document.activeElement);
      var to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - wide, ArrowDown: at + wide, Home: 0, End: own.length - 1 }[event.key];
      if (at < 0 || to === undefined) { return; }
      event.preventDefault();
      if (!own[to]) { return; }
      own[at].tabIndex = -1;
      own[to].tabIndex = 0;
      own[to].focus();
    });
  });

  function unfold(body, open) {
    body.classList.toggle("open", open);
    body.querySelector(".unfold").setAttribute("aria-expanded", String(open));
  }

  table.addEventListener("click", function (event) {
    var button = event.target.closest(".unfold");
    if (button) {
      var body = button.closest("tbody");
      unfold(body, !body.classList.contains("open"));
    }
  });

  // A link to an entry shows it, whatever the filters hide.
  document.addEventListener("click", function (event) {
    var link = event.target.closest('a[href^="#e"]');
    var body = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!body || body.tagName !== "TBODY") { return; }
    event.preventDefault();
    if (body.hidden) { clear(); }
    unfold(body, true);
    body.scrollIntoView({ block: "center" });
    body.querySelector(".unfold").focus({ preventScroll: true });
  });

  // A click on a heading sorts by its column, and a second one the other way.
  table.querySelectorAll("thead th").forEach(function (heading) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.textContent = "";
    heading.appendChild(button);
    button.addEventListener("click", function () {
      var column = Number(heading.dataset.column);
      var ascending = heading.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("thead th").forEach(function (other) { other.removeAttribute("aria-sort"); });
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      var key = function (body) {
        var cell = body.rows[0].cells[column];
        return cell.dataset.sort === undefined ? cell.textContent : cell.dataset.sort;
      };
      var order = bodies.map(function (body, i) { return { body: body, key: key(body), i: i }; });
      order.sort(function (a, b) {
        var by = a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
        return (ascending ? by : -by) || a.i - b.i;
      });
      order.forEach(function (item) { table.appendChild(item.body); });
    });
  });

  var waiting = 0;
  search.addEventListener("input", function () {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 120);
  });
  search.addEventListener("keydown", function (event) {
    if (event.key === "Escape") { search.value = ""; apply(); }
  });
  apply();
})();
