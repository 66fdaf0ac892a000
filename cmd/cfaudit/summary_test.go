package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/wrapper/auditlogs/summary"
	"cfaudit.example/wrapper/auditlogstest"
)

// TestSummaryFits prints summary and new at several widths.
func TestSummaryFits(t *testing.T) {
	widths := []int{40, 60, 80, 120, 200}
	if testing.Short() {
		widths = widths[:1]
	}
	for _, width := range widths {
		for _, command := range []string{"summary", "new"} {
			code, out, errs := try{terminal: width}.run(t, command, "--demo", "--since", "20d", "--top", "5")
			if code != exitComplete {
				t.Fatalf("exit %d: %s", code, errs)
			}
			for line := range strings.Lines(out) {
				for _, style := range []string{styleBold, styleRed, styleReset} {
					line = strings.ReplaceAll(line, style, "")
				}
				id := strings.Fields(line + " x")[0] // An id stays whole, since other commands take it.
				if w := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); w > width && w > len(id)+6 {
					t.Errorf("%s: %q takes %d columns of %d", command, line, w, width)
				}
			}
		}
	}
}

// TestSummaryColours prints colours on a terminal only, and not where NO_COLOR is set.
func TestSummaryColours(t *testing.T) {
	for _, c := range []struct {
		try  try
		want bool
	}{
		{try{}, false},
		{try{terminal: 100, env: map[string]string{"NO_COLOR": "1"}}, false},
		{try{terminal: 100, env: map[string]string{"TERM": "dumb"}}, false},
		{try{terminal: 100, env: map[string]string{"TERM": "xterm"}}, true},
	} {
		_, out, _ := c.try.run(t, "summary", "--demo", "--since", "10d")
		if got := strings.Contains(out, "\x1b["); got != c.want {
			t.Errorf("%+v: colours: %t, want %t", c.try, got, c.want)
		}
	}
}

// TestSummaryIsSafe prints hostile texts, which must not do anything but be seen.
func TestSummaryIsSafe(t *testing.T) {
	server := auditlogstest.NewServer()
	defer server.Close()
	for i, text := range []string{"\x1b]0;title\x07", "\u202egnp.exe\u2066", "\u009b31m\r\n\ttext", strings.Repeat("世", 500), "e" + strings.Repeat("\u0301", 500)} {
		for j := range 30 {
			raw, err := json.Marshal(map[string]any{
				"id": fmt.Sprint(i, j, text), "action": map[string]any{"time": testNow.Add(-time.Hour), "type": "delete", "description": text, "result": text},
				"actor": map[string]any{"email": text, "token_name": text, "ip_address": text}, "raw": map[string]any{"user_agent": text},
				"resource": map[string]any{"id": text, "product": "tokens", "type": text, "request": map[string]any{text: text}}, "zone": map[string]any{"name": text},
			})
			if err != nil {
				t.Fatal(err)
			}
			server.Add(string(raw))
		}
	}
	for _, args := range [][]string{
		{"summary", "--since", "2d", "--by", "resource.request"},
		{"summary", "--since", "2d", "--format", "json"},
		{"new", "--since", "2d"},
		{"new", "--since", "2d", "--format", "json"},
	} {
		env := against(server)
		env["NO_COLOR"] = "1"
		code, out, errs := try{terminal: 80, env: env}.run(t, args...)
		if code != exitComplete || !strings.Contains(out, "gnp.exe") {
			t.Errorf("%v: exit %d: %s%s", args, code, out, errs)
		}
		for line := range strings.Lines(out) {
			checkShown(t, strings.TrimSuffix(line, "\n"))
		}
	}
}

// TestHTMLIsForFiles refuses a page on a terminal, and says what to do.
func TestHTMLIsForFiles(t *testing.T) {
	for _, command := range []string{"summary", "new"} {
		code, out, errs := try{terminal: 80}.run(t, command, "--demo", "--since", "2d", "--format", "html")
		if code != exitUsage || out != "" || !strings.Contains(errs, "--format html > "+command+".html") {
			t.Errorf("%s: exit %d, %q, %s", command, code, out, errs)
		}
		if code, out, errs := (try{}).run(t, command, "--demo", "--since", "2d", "--format", "html"); code != exitComplete || !strings.HasPrefix(out, "<!DOCTYPE html>") {
			t.Errorf("%s: exit %d, %s", command, code, errs)
		}
	}
}

// TestInexactNumbersSaySo prints a group that is not exact.
func TestInexactNumbersSaySo(t *testing.T) {
	s := new(summing)
	p := &paper{width: 120}
	s.group(p, summary.Group{Name: "resources", Distinct: 50_000, AtLeast: true, MayMiss: 7, Others: 100, Values: []summary.Value{
		{Text: "exact", Entries: 20}, {Text: "rare", Entries: 10, AtMost: 12},
	}})
	for _, want := range []string{"at least 50000 values; + means at least, and a value that is not shown has 17 entries at most; 100 entries with others", " 20 ", " 10+ "} {
		if !strings.Contains(strings.Join(strings.Fields(p.String()), " "), strings.TrimSpace(want)) {
			t.Errorf("%q is missing in %s", want, p.String())
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		part, whole int64
		want        string
	}{
		{0, 10, ""}, {10, 10, "████"}, {5, 10, "██"}, {1, 1000, "▏"}, {3, 8, "█▌"}, {1, 0, ""},
	} {
		if got := bar(c.part, c.whole, 4); got != c.want {
			t.Errorf("%d of %d is %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

// TestPageIsDiscreet hands on a page without the URL of the API, which can hold a password.
func TestPageIsDiscreet(t *testing.T) {
	server := auditlogstest.NewServer()
	defer server.Close()
	_, out, errs := try{env: against(server)}.run(t, "summary", "--since", "2d", "--format", "html", "--base-url", server.URL, "--actor-email", "<b>@example.com")
	if !strings.Contains(out, "--actor-email &#39;&lt;b&gt;@example.com&#39;") || strings.Contains(out, server.URL) {
		t.Errorf("the page's command line is wrong: %s", errs)
	}
}
