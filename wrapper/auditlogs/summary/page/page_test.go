package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/summary"
)

var day = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

func entry(t *testing.T, raw string) *auditlogs.Entry {
	t.Helper()
	e := new(auditlogs.Entry)
	if err := json.Unmarshal([]byte(raw), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// write makes a page of a summary of entries.
func write(t *testing.T, before time.Time, entries ...string) string {
	t.Helper()
	c, err := summary.New(summary.Options{Since: day, Before: before})
	if err != nil {
		t.Fatal(err)
	}
	k := NewKeeper()
	for _, raw := range entries {
		e := entry(t, raw)
		k.Add(e, c.Add(e))
	}
	var b bytes.Buffer
	p := &Page{Command: `cfaudit summary --actor-email '<b>'`, Log: "account x", Made: day, Notes: []string{"a <note>"}, Summary: c.Summary(), Entries: k.Entries()}
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPolicy compares the digests of the policy with what is in the file.
func TestPolicy(t *testing.T) {
	html := write(t, day.AddDate(0, 0, 7))
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatch(html)
	if policy == nil || !strings.HasPrefix(policy[1], "default-src &#39;none&#39;;") || strings.Contains(policy[1], "unsafe") || strings.Contains(policy[1], "http") {
		t.Fatalf("the policy is %q", policy)
	}
	for _, element := range []string{"style", "script"} {
		blocks := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(html, -1)
		if len(blocks) != 1 {
			t.Fatalf("there are %d blocks of %s", len(blocks), element)
		}
		if want := strings.NewReplacer("+", "&#43;").Replace(digest(blocks[0][1])); !strings.Contains(policy[1], element+"-src &#39;"+want) {
			t.Errorf("the policy does not allow the page's %s", element)
		}
	}
	if found := regexp.MustCompile(`(?i)\s(src|srcset|style|on[a-z]+|action|formaction)\s*=|href="[^#]|url\(|@import|http:|https:`).FindAllString(html, -1); found != nil {
		t.Errorf("the page has %q", found)
	}
}

func TestTextsAreShown(t *testing.T) {
	for text, want := range map[string]string{
		"plain ü 世 🚀":           "plain ü 世 🚀",
		"\u202egnp.exe\u2066":   `\u202egnp.exe\u2066`,
		"a\x00b\x1b[31m\u007f":  `a\u0000b\u001b[31m\u007f`,
		"zero\u200bwidth\ufeff": `zero\u200bwidth\ufeff`,
		"tag\U000e0041":         `tag\u{e0041}`,
		"line\n\tbreak":         "line\n\tbreak",
		"\u00a0":                "\u00a0",
		"\u2028":                `\u2028`,
	} {
		if got := shown(text); got != want {
			t.Errorf("%+q is shown as %+q, want %+q", text, got, want)
		}
	}
}

// TestHostileTexts puts texts into every field, and looks for their bytes.
func TestHostileTexts(t *testing.T) {
	for _, text := range []string{"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "javascript:alert(1)", "\u202egnp.exe", `</script><b>`, "{{.Script}}"} {
		quoted, _ := json.Marshal(text)
		html := write(t, day.AddDate(0, 0, 7), fmt.Sprintf(`{"id":%[1]s,"action":{"description":%[1]s,"type":"create","time":"2026-10-01T01:00:00Z","result":%[1]s},"actor":{"email":%[1]s,"token_name":%[1]s,
			"ip_address":%[1]s,%[1]s:1},"raw":{"user_agent":%[1]s,"uri":%[1]s},"resource":{"id":%[1]s,"product":"tokens","type":%[1]s,"request":{%[1]s:%[1]s}},"zone":{"name":%[1]s},%[1]s:%[1]s}`, quoted))
		for _, bad := range []string{"<script>alert", "<img", "href=\"javascript", "\u202e", "<b>", `"><`} {
			if bad == `"><` && !strings.Contains(text, bad) {
				continue
			}
			if n := strings.Count(html, bad); n > 0 && bad != `"><` {
				t.Errorf("%q: the page has %q %d times", text, bad, n)
			}
		}
		if n := strings.Count(html, "<script>"); n != 1 {
			t.Errorf("%q: the page has %d scripts", text, n)
		}
	}
}

// TestLongWindowHasWeeks keeps the timeline of a long window readable.
func TestLongWindowHasWeeks(t *testing.T) {
	html := write(t, day.AddDate(0, 0, 93), `{"action":{"time":"2026-10-09T00:00:00Z"}}`)
	if n := strings.Count(html, `data-chart="time"`); n != 14 || !strings.Contains(html, "By week<") {
		t.Errorf("the timeline has %d bars", n)
	}
	if !strings.Contains(html, " time=1 ") {
		t.Error("the entry is not in the second week")
	}
}

func TestKeeperIsBounded(t *testing.T) {
	k := NewKeeper()
	for i := range 5000 {
		e := &auditlogs.Entry{Raw: make([]byte, 1000)}
		e.Action.Time = day.Add(time.Duration(i) * time.Second)
		e.ID = fmt.Sprint(i)
		var found []summary.Found
		if i%10 == 0 {
			found = []summary.Found{{Rule: "often"}}
		}
		if i == 3 {
			found = []summary.Found{{Rule: "once", Earlier: []string{"1", "2"}}}
		}
		k.Add(e, found)
	}
	kept := k.Entries()
	rules := map[string]int{}
	for i, e := range kept {
		if i > 0 && e.Action.Time.After(kept[i-1].Action.Time) {
			t.Fatal("they are not in order")
		}
		for _, rule := range e.Rules {
			rules[rule]++
		}
	}
	if len(kept) != MaxEntries || rules["once"] != 3 || rules["often"] < 100 || !kept[0].Action.Time.Equal(day.Add(4999*time.Second)) {
		t.Errorf("%d entries are kept, %v", len(kept), rules)
	}
	k = NewKeeper()
	for range 100 {
		k.Add(&auditlogs.Entry{Raw: make([]byte, 1<<20)}, []summary.Found{{Rule: "huge"}})
	}
	if n := k.newest.bytes + k.found["huge"].bytes; n > maxBytes+maxEachOf {
		t.Errorf("%d MB are kept", n>>20)
	}
}
