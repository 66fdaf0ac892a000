package auditlogstest_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

func stored(t *testing.T, h auditlogstest.History) []json.RawMessage {
	t.Helper()
	s := auditlogstest.NewServer(auditlogstest.WithHistory(h))
	defer s.Close()
	return s.Stored(h.Since, h.Before)
}

func TestHistoryIsTheSameInEveryRun(t *testing.T) {
	h := auditlogstest.History{Seed: 1, Entries: 500, Since: mustTime("2024-10-01T00:00:00Z"),
		Before: mustTime("2024-11-01T00:00:00Z")}
	first := fmt.Sprintf("%s", stored(t, h))
	if fmt.Sprintf("%s", stored(t, h)) != first {
		t.Error("two runs differ")
	}
	h.Since, h.Before = h.Since.In(time.FixedZone("", 7200)), h.Before.In(time.FixedZone("", -7200))
	if fmt.Sprintf("%s", stored(t, h)) != first {
		t.Error("the zone of the bounds matters")
	}
	h.Seed = 2
	if fmt.Sprintf("%s", stored(t, h)) == first {
		t.Error("the seed does not matter")
	}
}

func TestHistoryStaysInItsWindow(t *testing.T) {
	for _, h := range []auditlogstest.History{
		{Entries: 0, Since: mustTime("2024-10-01T00:00:00Z"), Before: mustTime("2024-11-01T00:00:00Z")},
		{Entries: 1, Since: mustTime("2024-10-01T00:00:00Z"), Before: mustTime("2024-11-01T00:00:00Z")},
		{Entries: 3000, Since: mustTime("2024-10-01T00:00:00.7Z"), Before: mustTime("2024-10-01T00:00:00.700000009Z")},
		{Entries: 3000, Since: mustTime("2024-10-01T00:00:00.7Z"), Before: mustTime("2024-10-01T00:00:09Z")},
		{Entries: 3000, Since: mustTime("2024-10-05T00:00:00Z"), Before: mustTime("2026-10-05T00:00:00Z")},
	} {
		if n := len(stored(t, h)); n != h.Entries {
			t.Errorf("%+v: %d entries in the window", h, n)
		}
	}
}

// What the generator notes about an entry is what a server reads from its text.
func TestHistoryIsReadLikeAddedEntries(t *testing.T) {
	h := auditlogstest.History{Entries: 1000, Since: mustTime("2024-10-01T00:00:00Z"),
		Before: mustTime("2024-11-01T00:00:00Z")}
	want := stored(t, h)
	s := newServer(t)
	for _, e := range want {
		s.Add(e)
	}
	if fmt.Sprintf("%s", s.Stored(h.Since, h.Before)) != fmt.Sprintf("%s", want) {
		t.Error("order or text differ")
	}
}

func TestHistoryHasWhatItPromises(t *testing.T) {
	const n = 4_000
	h := auditlogstest.History{Seed: 7, Entries: n, Since: mustTime("2024-10-01T00:00:00Z"),
		Before: mustTime("2024-11-01T00:00:00Z")}
	entries := stored(t, h)
	ids := map[string]bool{}
	var equal, office, middle int
	var previous time.Time
	for _, raw := range entries {
		var e struct {
			ID     string
			Action struct{ Time time.Time }
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		if ids[e.ID] ||
			!regexp.MustCompile(`^([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`).MatchString(e.ID) {
			t.Fatalf("id %s", e.ID)
		}
		ids[e.ID] = true
		if e.Action.Time.Equal(previous) {
			equal++
		}
		previous = e.Action.Time
		if hour := e.Action.Time.Hour(); hour >= 8 && hour < 18 {
			office++
		}
		if len(raw) >= 800 && len(raw) <= 2700 {
			middle++
		}
	}
	if equal < n/20 || office < n*6/10 || middle < n*6/10 {
		t.Errorf("%d equal times, %d in working hours, %d of a middling size", equal, office, middle)
	}
	for _, promised := range []struct {
		pattern  string
		min, max int
	}{
		{`"email":"alice@example\.com"`, n / 50, n / 2},
		{`"type":"cloudflare_admin"`, 1, n / 10},
		{`"type":"system"`, n / 200, n / 5},
		{`"type":"account"`, n / 200, n / 2},
		{`"context":"api_token"`, n / 100, n / 2},
		{`"result":"failure"`, n / 200, n / 20},
		{`"success":false`, n / 300, n / 20},
		{`"type":"login"`, n / 200, n / 200},
		{`"context":"api"`, n / 200, n / 200},
		{`"result":""`, n / 200, n / 200},
		{`"scope":\{`, n / 200, n / 200},
		{`"value":\{"old"`, 1, n / 200},
		{`"zone":null`, n / 200, n / 200},
		{`"resource":null`, n / 200, n / 200},
		{`^\{"id":"[^"]+","action"`, n / 200, n / 200},
		{`東京 🚀`, n / 200, n / 200},
		{`caf\\u00e9`, n / 200, n / 200},
		{`^\{"id":"[^"]{36}"`, n / 200, n / 200},
		{`"zone":\{`, n / 5, n},
		{`"time":"[^".]+Z"`, n / 4, n},
		{`"time":"[^".]+\.\d{3}Z"`, n / 10, n},
		{`"time":"[^".]+\.\d{6}Z"`, n / 20, n},
		{`"product":"dns"`, n / 50, n}, {`"product":"members"`, n / 50, n}, {`"product":"access"`, n / 50, n},
		{`"product":"firewall"`, n / 50, n}, {`"product":"workers"`, n / 50, n}, {`"product":"r2"`, n / 50, n},
		{`"product":"tokens"`, n / 50, n}, {`"product":"zones"`, n / 50, n}, {`"product":"load_balancers"`, n / 50, n},
	} {
		pattern := regexp.MustCompile(promised.pattern)
		count := 0
		for _, e := range entries {
			if pattern.Match(e) {
				count++
			}
		}
		if count < promised.min || count > promised.max {
			t.Errorf("%s: %d of %d entries", promised.pattern, count, n)
		}
	}
	for i := 0; i+200 <= n; i += 400 {
		text := fmt.Sprintf("%s", entries[i:i+200])
		for _, odd := range []string{`"type":"login"`, `"resource":null`, `"zone":null`, `"result":"failure"`, "🚀"} {
			if !strings.Contains(text, odd) {
				t.Errorf("no %s in 200 entries from %d", odd, i)
			}
		}
	}
}

func TestHistoryDefaults(t *testing.T) {
	s := newServer(t, auditlogstest.WithHistory(auditlogstest.History{Entries: 100}))
	now := time.Now()
	if n := len(s.Stored(now.AddDate(0, 0, -30).Add(-time.Minute), now)); n != 100 {
		t.Errorf("%d entries in the last 30 days", n)
	}
	const account = "0123456789abcdef0123456789abcdef"
	h := auditlogstest.History{Entries: 50, AccountID: account, Since: now.Add(-time.Hour), Before: now}
	if text := fmt.Sprintf("%s", stored(t, h)); !strings.Contains(text, account) || strings.Contains(text,
		auditlogstest.AccountID) {
		t.Error("the account is not the one that was asked for")
	}
}

func BenchmarkHistory(b *testing.B) {
	h := auditlogstest.History{Entries: 100_000, Since: mustTime("2024-10-01T00:00:00Z"),
		Before: mustTime("2024-11-01T00:00:00Z")}
	for b.Loop() {
		auditlogstest.NewServer(auditlogstest.WithHistory(h)).Close()
	}
}

// Only entries whose response takes remarks get longer.
func TestHistoryEntriesHaveALength(t *testing.T) {
	h := auditlogstest.History{Entries: 1000, Since: mustTime("2024-10-01T00:00:00Z"), Before: mustTime("2024-11-01T00:00:00Z")}
	for _, least := range []int{0, 2000, 8000} {
		h.EntryBytes = least
		long, sum := 0, 0
		for _, raw := range stored(t, h) {
			sum += len(raw)
			if len(raw) >= least-200 {
				long++
			}
		}
		if mean := sum / h.Entries; long < h.Entries*95/100 || mean < least*95/100 || mean > max(1500, least*105/100) {
			t.Errorf("%d bytes: %d of %d entries are about as long, on average %d", least, long, h.Entries, mean)
		}
	}
}
