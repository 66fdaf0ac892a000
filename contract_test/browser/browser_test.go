package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cfaudit.example/wrapper/auditlogs/summary"
)

// program is the command, built by TestMain.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "cfaudit-browser")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		program = filepath.Join(folder, "cfaudit")
		build := exec.Command("go", "build", "-o", program, "./cmd/cfaudit")
		build.Dir = filepath.Join("..", "..") // The program's dependencies are those of the root module.
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%s", build, err, output)
			return 1
		}
		return m.Run()
	}())
}

// browser returns the path of a Chromium.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no chromium")
	return ""
}

// A tab is a page in the browser, and all that it did since it was opened.
type tab struct {
	context.Context
	t *testing.T

	mu        sync.Mutex
	requests  []string
	complaint []string // of the console, and scripts' errors
	dialogs   int
}

// A viewport is how a page is looked at.
type viewport struct {
	width  int64
	scheme string // light or dark
}

var wide = viewport{1280, "light"}

// open writes html to a file and opens it.
func open(t *testing.T, html []byte, at viewport) *tab {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(browser(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	o := &tab{Context: ctx, t: t}
	if err := chromedp.Listen(ctx, o.heard); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(name, html, 0o600); err != nil {
		t.Fatal(err)
	}
	o.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{})
		_, err2 := cdp.Call(ctx, t, runtime.Enable, cdp.Empty{})
		_, err3 := cdp.Call(ctx, t, cdplog.Enable, cdp.Empty{})
		_, err4 := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: at.scheme}},
		})
		return errors.Join(err, err2, err3, err4)
	}), chromedp.EmulateViewport(at.width, 900), chromedp.Navigate("file://"+filepath.ToSlash(name)))
	return o
}

func (o *tab) heard(event any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		o.requests = append(o.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		o.complaint = append(o.complaint, fmt.Sprintf("console.%s %v", e.Type, e.Args))
	case *runtime.EventExceptionThrown:
		o.complaint = append(o.complaint, e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		o.complaint = append(o.complaint, string(e.Entry.Level)+" "+e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		o.dialogs++
	}
}

// patience is how long a step may take.
const patience = time.Minute

func (o *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	o.t.Helper()
	if err := chromedp.Do(o, steps...); err != nil {
		o.t.Fatal(err)
	}
}

// eval runs a script in the page and returns its result.
func eval[T any](o *tab, script string) T {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		o.t.Fatal(err)
	}
	return result
}

// js runs a script in the page.
func (o *tab) js(script string) {
	o.t.Helper()
	eval[any](o, script+"; true")
}

// click clicks the first element of a selector, as a mouse does.
func (o *tab) click(selector string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		o.t.Fatalf("%s: %v", selector, err)
	}
}

// search types a text into the search field.
func (o *tab) search(text string) {
	o.t.Helper()
	o.js(`search.value = ""; search.dispatchEvent(new Event("input")); search.focus()`)
	o.do(chromedp.KeyEvent(text), chromedp.Sleep(300*time.Millisecond))
}

// quiet fails if the page has sent a request, run a script of somebody else, or complained.
func (o *tab) quiet() {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.requests) != 1 || !strings.HasPrefix(o.requests[0], "file://") {
		o.t.Errorf("the page sent requests: %q", o.requests)
	}
	if len(o.complaint) > 0 || o.dialogs > 0 {
		o.t.Errorf("the page has opened %d dialogs and complained: %q", o.dialogs, o.complaint)
	}
}

// run runs the command and returns what it prints.
func run(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, errs.String())
	}
	return out
}

// demo runs a command on the demo, twice: as a page and as data, in the same window.
func demo[T any](t *testing.T, args ...string) (html []byte, data T) {
	t.Helper()
	html = run(t, nil, append(args, "--format", "html")...)
	if err := json.Unmarshal(run(t, nil, append(args, "--format", "json")...), &data); err != nil {
		t.Fatal(err)
	}
	return html, data
}

// window are flags of a fixed window: the last 29 whole days.
func window(days int) []string {
	today := time.Now().UTC().Truncate(24 * time.Hour)
	return []string{"--demo", "--since", today.AddDate(0, 0, -days).Format(time.DateOnly), "--before", today.Format(time.DateOnly)}
}

// A shownBar is a bar as the page has it.
type shownBar struct {
	Chart, Key, Name string
	Entries          int64
	Height           float64 // on the screen, or its width where it lies
	Red              float64
}

const barsScript = `Array.from(document.querySelectorAll("button[data-entries]")).map(b => {
	const svg = b.querySelector("svg") || b.closest("tr").querySelector("svg");
	const size = r => !r ? 0 : b.dataset.chart[0] === "g" ? r.getBoundingClientRect().width / svg.getBoundingClientRect().width : r.getBoundingClientRect().height / svg.getBoundingClientRect().height;
	return {Chart: b.dataset.chart, Key: b.dataset.key, Name: (b.innerText || b.textContent).trim(), Entries: Number(b.dataset.entries),
		Height: size(svg.querySelector("rect.ok")), Red: size(svg.querySelector("rect.bad"))};
})`

func TestChartsHaveTheRightBars(t *testing.T) {
	html, data := demo[summary.Summary](t, append([]string{"summary", "--by", "action.type,resource.product"}, window(29)...)...)
	o := open(t, html, wide)
	charts := map[string][]shownBar{}
	for _, b := range eval[[]shownBar](o, barsScript) {
		charts[b.Chart] = append(charts[b.Chart], b)
	}
	near := func(got, want float64) bool { return got > want-0.015 && got < want+0.015 }
	if len(charts["time"]) != len(data.Timeline.Periods) || len(data.Timeline.Periods) != 29 {
		t.Fatalf("%d bars for %d days", len(charts["time"]), len(data.Timeline.Periods))
	}
	var most int64
	for _, p := range data.Timeline.Periods {
		most = max(most, p.Entries)
	}
	for i, p := range data.Timeline.Periods {
		b := charts["time"][i]
		want := fmt.Sprintf("%s: %d entries", p.Start.Format("Mon 2006-01-02"), p.Entries)
		if p.Failed > 0 {
			want += fmt.Sprintf(", %d failed", p.Failed)
		}
		if b.Entries != p.Entries || b.Name != want || !near(b.Height, float64(p.Entries)/float64(most)) || !near(b.Red, float64(p.Failed)/float64(most)) {
			t.Errorf("bar %d is %+v, want %q", i, b, want)
		}
	}
	if len(charts["week"]) != 7*24 {
		t.Fatalf("the heat map has %d cells", len(charts["week"]))
	}
	for i, b := range charts["week"] {
		if want := data.Week[i/24][i%24]; b.Entries != want || b.Key != fmt.Sprint(i/24, "-", i%24) || !strings.HasSuffix(b.Name, fmt.Sprintf("%02d:59: %d entries", i%24, want)) && want != 1 {
			t.Errorf("cell %d is %+v, want %d", i, b, want)
		}
	}
	for i, g := range data.Groups {
		bars := charts[fmt.Sprint("g", i)]
		if len(bars) != len(g.Values) || len(bars) == 0 {
			t.Errorf("%s has %d bars, want %d", g.Name, len(bars), len(g.Values))
			continue
		}
		for j, v := range g.Values {
			if b := bars[j]; b.Entries != v.Entries || !near(b.Height, float64(v.Entries)/float64(g.Values[0].Entries)) {
				t.Errorf("%s: bar %d is %+v, want %+v", g.Name, j, b, v)
			}
		}
	}
	totals := eval[map[string]string](o, `Object.fromEntries(Array.from(document.querySelectorAll("[data-total]:not(table)")).map(d => [d.dataset.total, d.textContent]))`)
	if want := map[string]int64{"entries": data.Entries, "success": data.Success, "failure": data.Failure, "unknown": data.Unknown}; fmt.Sprint(totals) != fmt.Sprint(want) {
		t.Errorf("the totals are %v, want %v", totals, want)
	}
	o.quiet()
}

// visible counts the entries that are shown, and those of them that have some text.
func (o *tab) visible(text string) (rows, with int64) {
	return o.rows(text, "b.getClientRects().length")
}

// allRows counts all entries of the page in the same way.
func (o *tab) allRows(text string) (rows, with int64) { return o.rows(text, "true") }

func (o *tab) rows(text, condition string) (rows, with int64) {
	counts := eval[[]int64](o, fmt.Sprintf(`(() => {
		const rows = Array.from(document.querySelectorAll("#table tbody")).filter(b => `+condition+`);
		return [rows.length, rows.filter(b => b.textContent.includes(%q)).length];
	})()`, text))
	return counts[0], counts[1]
}

func (o *tab) count() string {
	return eval[string](o, `document.getElementById("count").textContent`)
}

func TestFilterSearchAndSort(t *testing.T) {
	html, data := demo[summary.Summary](t, append([]string{"summary"}, window(29)...)...)
	o := open(t, html, wide)
	all, _ := o.visible("")
	if all != 2000 || o.count() != fmt.Sprintf("2000 of the 2000 entries of this page; the window has %d", data.Entries) {
		t.Errorf("%d entries, %q", all, o.count())
	}

	// A bar filters, a second one of another chart too, and a click on it again removes it.
	agent := slices.IndexFunc(data.Groups[3].Values, func(v summary.Value) bool { return strings.HasPrefix(v.Text, "python-requests/") })
	if data.Groups[3].Name != "user agents" || agent < 0 {
		t.Fatal("the incident is not among the user agents")
	}
	_, right := o.allRows("python-requests/")
	bar := fmt.Sprintf(`button[data-chart="g3"][data-key="%d"]`, agent)
	o.click(bar)
	rows, with := o.visible("python-requests/")
	if rows != right || with != rows || rows < 9 {
		t.Errorf("%d entries after a click on a bar, %d of them right, want %d", rows, with, right)
	}
	if pressed := eval[string](o, `Array.from(document.querySelectorAll('[aria-pressed="true"]')).map(b => b.dataset.key).join()`); pressed != fmt.Sprint(agent) {
		t.Errorf("the bars %q are pressed", pressed)
	}
	o.search("min_tls_version")
	if rows, with = o.visible("min_tls_version"); rows != 3 || with != 3 || !strings.HasPrefix(o.count(), "3 of the 2000 ") {
		t.Errorf("%d entries after a search, %d of them right, %q", rows, with, o.count())
	}
	o.click(bar)
	o.search("")
	if rows, _ = o.visible(""); rows != all {
		t.Errorf("%d entries after all filters are gone, want %d", rows, all)
	}

	// A day and an hour show entries of that time only; so does a hint.
	o.click(`.timeline button:last-child`)
	day := data.Timeline.Periods[len(data.Timeline.Periods)-1]
	if rows, with = o.visible(day.Start.Format(time.DateOnly)); rows == 0 || rows > day.Entries || with != rows {
		t.Errorf("%d entries of a day with %d, %d of them right", rows, day.Entries, with)
	}
	o.js(`document.querySelector("#filters button").click()`)
	if rows, _ = o.visible(""); rows != all {
		t.Errorf("%d entries after the filter is removed, want %d", rows, all)
	}
	o.js(`document.querySelector('[data-chart="hint"][data-key="security-weakened"]').click()`)
	if rows, with = o.visible("settings/"); rows != 9 || with != 9 {
		t.Errorf("%d entries of a hint, %d of them right: want 9", rows, with)
	}
	o.js(`document.querySelector('[data-chart="hint"][data-key="bulk-deletion"]').click()`)
	if rows, with = o.visible("Delete DNS record"); rows != 24 || with != 24 {
		t.Errorf("%d entries of a burst, %d of them right: want 24", rows, with)
	}
	o.js(`document.querySelector("#filters button").click()`)

	// Headings sort.
	column := func(n int) []string {
		return eval[[]string](o, fmt.Sprintf(`Array.from(document.querySelectorAll("#table tbody")).map(b => b.rows[0].cells[%d].textContent)`, n))
	}
	for _, n := range []int{1, 0} {
		for _, order := range []string{"ascending", "descending"} {
			o.js(fmt.Sprintf(`document.querySelectorAll("#table thead button")[%d].click()`, n))
			texts := column(n)
			for i := 1; i < len(texts); i++ {
				if order == "ascending" && texts[i] < texts[i-1] || order == "descending" && texts[i] > texts[i-1] {
					t.Errorf("column %d is not %s: %q before %q", n, order, texts[i-1], texts[i])
					break
				}
			}
			if sorted := eval[string](o, `document.querySelector("[aria-sort]").dataset.column + document.querySelector("[aria-sort]").getAttribute("aria-sort")`); sorted != fmt.Sprint(n)+order {
				t.Errorf("aria-sort says %s, want %d%s", sorted, n, order)
			}
		}
	}

	// An entry unfolds, and a hint leads to its entry, whatever the filters hide.
	o.click(`#e0 .unfold`)
	if text := eval[string](o, `document.querySelector("#d0").innerText`); !strings.Contains(text, "Actor") || !strings.Contains(text, "resource.request") {
		t.Errorf("the entry unfolds to %q", text)
	}
	o.search("nothing has this text")
	o.js(`document.querySelector(".hint").open = true; document.querySelector('.hint a').click()`)
	if unfolded := eval[bool](o, `(() => { const a = document.querySelector('.hint a'); const b = document.querySelector(a.getAttribute("href"));
		return b.contains(document.activeElement) && b.querySelector(".details").getClientRects().length > 0; })()`); !unfolded {
		t.Error("a hint's link does not show its entry")
	}
	o.quiet()
}

// hostile are entries whose texts try to become something else. Each has a mark in the window, and
// the page must not.
var hostile = []string{
	`<script>window.pwned=1;alert(1)</script>`, `"><img src=x onerror="window.pwned=1">`, `javascript:window.pwned=1`, `'-window.pwned=1-'`,
	`</script><script>window.pwned=1</script>`, `</style><script>window.pwned=1</script>`, `<svg onload=window.pwned=1>`, `{{.Script}}`, "\u202egnp.exe\u2066", "\x00\x1b[31m\u200b",
	`<a href="http://evil.example/">x</a><link rel=stylesheet href=http://evil.example/x.css><iframe src=http://evil.example/></iframe>`, `--><meta http-equiv=refresh content="0;url=http://evil.example/">`,
	strings.Repeat("A<b>", 128<<10),
}

// serve answers every request with the same entries.
func serve(t *testing.T, entries []any) []string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"success": true, "errors": []any{}, "result": entries, "result_info": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return []string{"CLOUDFLARE_API_TOKEN=token-of-the-test", "CLOUDFLARE_ACCOUNT_ID=4bb334f7c94c4a29a045f03944f072e5", "CLOUDFLARE_BASE_URL=" + server.URL}
}

func TestHostileTextStaysText(t *testing.T) {
	var entries []any
	for i, text := range hostile {
		agent := text
		if i == len(hostile)-1 {
			text = "long"
		}
		entries = append(entries, map[string]any{
			"id": fmt.Sprint(i, text), "action": map[string]any{"time": time.Now().Add(-time.Hour).UTC(), "type": "create", "description": text, "result": text},
			"actor": map[string]any{"email": text, "token_name": text, "ip_address": text, text: text}, "raw": map[string]any{"user_agent": agent, "uri": text, "method": text},
			"resource": map[string]any{"id": text, "product": "tokens", "type": text, "request": map[string]any{text: text}, "response": text},
			"zone":     map[string]any{"name": text}, text: map[string]any{"x": text},
		})
	}
	env := serve(t, entries)
	for _, args := range [][]string{
		{"summary", "--since", "2d", "--top", "50", "--by", "resource.request,actor.email", "--actor-email", hostile[0], "--not-actor-email", hostile[1]},
		{"new", "--since", "1d", "--baseline", "1h"},
	} {
		html := run(t, env, append(args, "--format", "html")...)
		if len(html) > 4<<20 {
			t.Errorf("%s: the page has %d bytes", args[0], len(html))
		}
		o := open(t, html, wide)
		o.js(`document.querySelectorAll("details").forEach(d => d.open = true); document.querySelectorAll(".unfold").forEach(b => b.click());
			document.querySelectorAll("button[data-chart]").forEach(b => { b.click(); b.click(); })`)
		o.do(chromedp.Sleep(500 * time.Millisecond))
		if eval[bool](o, `"pwned" in window`) {
			t.Errorf("%s: a script of an entry has run", args[0])
		}
		for element, want := range map[string]int{"script": 1, "style": 1, "link": 0, "iframe": 0, "img": 0, "b": 0, "object": 0, `meta[http-equiv="refresh"]`: 0, "[onerror], [onload], [style]": 0} {
			if n := eval[int](o, fmt.Sprintf(`document.querySelectorAll(%q).length`, element)); n != want {
				t.Errorf("%s: the page has %d of %s, want %d", args[0], n, element, want)
			}
		}
		if links := eval[string](o, `Array.from(document.querySelectorAll("a")).map(a => a.getAttribute("href")).filter(h => !/^#[a-z0-9]+$/.test(h)).join()`); links != "" {
			t.Errorf("%s: the page links to %s", args[0], links)
		}
		text := eval[string](o, `document.body.textContent`)
		for _, want := range []string{hostile[0], hostile[4], `\u202egnp.exe\u2066`, `\u0000\u001b[31m\u200b`} {
			if args[0] == "summary" && !strings.Contains(text, want) {
				t.Errorf("the page does not show %q", want)
			}
		}
		for _, r := range "\u202e\u2066\x1b\u200b" {
			if strings.ContainsRune(string(html), r) {
				t.Errorf("%s: the page has %U", args[0], r)
			}
		}
		o.quiet()
	}
}

// contrast finds texts whose colour is less than 4.5 to 1 from what is under them.
const contrast = `(() => {
	const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1}; };
	const light = c => { const f = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); }; return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b); };
	const under = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a > 0) return c; } return {r: 255, g: 255, b: 255}; };
	const bad = new Set();
	for (const e of document.querySelectorAll("body *")) {
		if (e.closest("tbody[id]") && Number(e.closest("tbody[id]").id.slice(1)) > 20) continue;
		if (!Array.from(e.childNodes).some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length || e.closest("script, style, .unseen")) continue;
		const a = light(parse(getComputedStyle(e).color)), b = light(under(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
	}
	return Array.from(bad);
})()`

func TestAccessible(t *testing.T) {
	html, _ := demo[summary.Summary](t, append([]string{"summary"}, window(29)...)...)
	news := run(t, nil, append([]string{"new", "--baseline", "20d", "--format", "html"}, window(9)...)...)
	for name, html := range map[string][]byte{"summary": html, "new": news} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 400} {
				where := fmt.Sprintf("%s, %s, %d", name, scheme, width)
				o := open(t, html, viewport{width, scheme})
				o.js(`(b => b && b.click())(document.querySelector(".unfold")); (b => b && b.click())(document.querySelector(".timeline button:last-child")); (d => d && (d.open = true))(document.querySelector("details"))`)
				o.picture(strings.NewReplacer(", ", "-").Replace(where), width)
				o.js(`document.querySelectorAll("details").forEach(d => d.open = true)`)
				if bad := eval[[]string](o, contrast); len(bad) > 0 {
					t.Errorf("%s: too little contrast: %q", where, bad)
				}
				if wide := eval[int64](o, `document.documentElement.scrollWidth`); wide > width {
					t.Errorf("%s: the page is %d wide", where, wide)
				}
				o.names(where)
				o.quiet()
			}
		}
	}
}

// picture saves screenshots of the page, from top to end, where CFAUDIT_SCREENSHOTS names a folder.
func (o *tab) picture(name string, width int64) {
	folder := os.Getenv("CFAUDIT_SCREENSHOTS")
	if folder == "" {
		return
	}
	height := eval[float64](o, `document.documentElement.scrollHeight`)
	for i, top := 0, 0.0; top < min(height, 8000); i, top = i+1, top+1000 {
		png, err := chromedp.Run(o, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
			shot, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{
				CaptureBeyondViewport: new(true), Clip: &page.Viewport{Y: top, Width: float64(width), Height: 1000, Scale: 1},
			})
			return shot.Data, err
		})
		if err != nil {
			o.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d.png", name, i)), png, 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
}

// names checks that everything that can be used has a name, that headings are in order, and that
// tables have headings.
func (o *tab) names(where string) {
	o.t.Helper()
	problems := eval[[]string](o, `(() => {
		const bad = [];
		const name = e => (e.getAttribute("aria-label") || (e.labels && e.labels[0] && e.labels[0].textContent) || e.textContent).trim();
		document.querySelectorAll("button, a, input, summary, [role=group]").forEach(e => { if (!name(e)) bad.push("no name: " + e.outerHTML.slice(0, 100)); });
		document.querySelectorAll("svg").forEach(e => { if (e.getAttribute("aria-hidden") !== "true") bad.push("a picture that is read: " + e.outerHTML.slice(0, 100)); });
		let level = 0;
		document.querySelectorAll("h1, h2, h3").forEach(h => { const n = Number(h.tagName[1]); if (n > level + 1) bad.push("heading " + h.textContent); level = n; });
		document.querySelectorAll("th").forEach(h => { if (!h.scope) bad.push("a heading without scope: " + h.outerHTML.slice(0, 100)); });
		document.querySelectorAll("[aria-labelledby], [aria-controls]").forEach(e => { for (const a of ["aria-labelledby", "aria-controls"]) { const id = e.getAttribute(a); if (id && !document.getElementById(id)) bad.push("no " + id); } });
		const ids = Array.from(document.querySelectorAll("[id]")).map(e => e.id);
		if (new Set(ids).size !== ids.length) bad.push("an id twice");
		if (!document.documentElement.lang || !document.title) bad.push("no language or title");
		if (document.getElementById("count").getAttribute("aria-live") !== "polite") bad.push("the count is not announced");
		return bad;
	})()`)
	if len(problems) > 0 {
		o.t.Errorf("%s: %q", where, problems[:min(len(problems), 10)])
	}
}

// TestPrinted looks at the page as it is printed: light, without what only works on a screen, and
// with all of what is unfolded.
func TestPrinted(t *testing.T) {
	o := open(t, run(t, nil, append([]string{"summary", "--format", "html"}, window(29)...)...), viewport{720, "dark"})
	o.js(`document.querySelector(".unfold").click(); document.querySelector("details").open = true`)
	o.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		return err
	}))
	for what, script := range map[string]string{
		"the paper is white":               `getComputedStyle(document.body).backgroundColor === "rgb(255, 255, 255)"`,
		"there is no search":               `!document.getElementById("search").getClientRects().length`,
		"the unfolded entry is there":      `document.getElementById("d0").getClientRects().length > 0`,
		"a folded entry is not":            `!document.getElementById("d1").getClientRects().length`,
		"nothing is cut off":               `Array.from(document.querySelectorAll(".hint > ul, .bodies pre")).every(e => e.scrollHeight <= e.clientHeight + 1)`,
		"the colours of bars are printed":  `getComputedStyle(document.querySelector("rect.ok")).printColorAdjust === "exact"`,
		"no cell runs into the next one":   `Array.from(document.querySelectorAll("#table tbody")).slice(0, 50).every(b => Array.from(b.rows[0].cells).every(c => c.scrollWidth <= c.clientWidth + 1))`,
		"the table is as wide as the page": `document.documentElement.scrollWidth <= 720`,
	} {
		if !eval[bool](o, script) {
			t.Errorf("it is not so that %s", what)
		}
	}
	o.picture("printed", 720)
	o.quiet()
}

// TestKeyboard goes through the page with keys alone.
func TestKeyboard(t *testing.T) {
	html, data := demo[summary.Summary](t, append([]string{"summary"}, window(29)...)...)
	o := open(t, html, wide)
	focus := func() string {
		return eval[string](o, `(e => [e.tagName, e.id, e.dataset.chart || "", e.dataset.key || "", e.className].join(" "))(document.activeElement)`)
	}
	key := func(keys string) { o.do(chromedp.KeyEvent(keys)) }
	reached := map[string]bool{}
	stops := 0
	for ; stops < 300; stops++ {
		key(kb.Tab)
		at := focus()
		reached[at] = true
		if outlined := eval[bool](o, `(s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`); !outlined {
			t.Errorf("the focus on %s cannot be seen", at)
		}
		if strings.HasPrefix(at, "BUTTON  time 0") {
			// The timeline is one stop, and arrow keys move within it.
			key(kb.ArrowRight)
			if at := focus(); !strings.HasPrefix(at, "BUTTON  time 1") {
				t.Errorf("the arrow leads to %s", at)
			}
			key(kb.Enter)
			rows, _ := o.visible("")
			if rows > data.Timeline.Periods[1].Entries {
				t.Errorf("Enter on a bar shows %d entries", rows)
			}
			key(kb.Enter)
		}
		if strings.HasPrefix(at, "INPUT search") {
			break
		}
	}
	for _, want := range []string{"A    skip", "SUMMARY", "BUTTON  week 0-0", "BUTTON  g0 0", "BUTTON  g8 9", "INPUT search"} {
		found := false
		for at := range reached {
			found = found || strings.HasPrefix(at, want)
		}
		if !found {
			t.Errorf("the Tab key does not reach %s in %d stops", want, stops)
		}
	}
	for range 9 { // The headings, and then the first entry.
		key(kb.Tab)
	}
	if at := focus(); !strings.HasPrefix(at, "BUTTON") || !strings.Contains(at, "unfold") {
		t.Errorf("the Tab key leads from the search to %s", at)
	}
	key(kb.Enter)
	if state := eval[string](o, `document.activeElement.getAttribute("aria-expanded")`); state != "true" {
		t.Errorf("Enter on an entry leaves it %s", state)
	}
	o.quiet()
}
