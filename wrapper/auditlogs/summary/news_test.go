package summary

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func newsOf(t *testing.T, baseline, window []string) *News {
	t.Helper()
	c, err := NewComparer(NewsOptions{BaselineSince: day.AddDate(0, 0, -21), Since: day, Before: day.AddDate(0, 0, 7)})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range baseline {
		c.Baseline(entry(t, raw))
	}
	for _, raw := range window {
		c.Add(entry(t, raw))
	}
	return c.News()
}

func TestNews(t *testing.T) {
	who := func(id string, after time.Duration, email, token, address, agent, action string) string {
		return fmt.Sprintf(`{"id":%q,"actor":{"email":%q,"token_id":%q,"ip_address":%q},"raw":{"user_agent":%q},"action":{"type":%q,"time":%q},"resource":{"product":"dns"}}`,
			id, email, token, address, agent, action, at(after))
	}
	n := newsOf(t,
		[]string{
			who("1", -time.Hour, "old@example.com", "k1", "192.0.2.1", "curl", "create"),
			who("2", -time.Nanosecond, "", "", "2001:db8:0:1::1", "", ""),
			who("at the start of the window", 0, "new@example.com", "k2", "192.0.2.2", "wget", "delete"),
		},
		[]string{
			who("3", 3*time.Hour, "new@example.com", "k2", "192.0.2.2", "wget", "delete"),
			who("4", 2*time.Hour, "new@example.com", "k1", "198.51.100.7", "curl", "create"),
			who("5", 4*time.Hour, "old@example.com", "", "2001:db8:0:1::2", "", "create"),
			who("6", 5*time.Hour, "old@example.com", "", "2001:db8:0:2::2", "", ""),
			who("7", 6*time.Hour, "old@example.com", "", "no address", "", ""),
			who("8", 6*time.Hour, "old@example.com", "", "::ffff:192.0.2.9", "", ""),
		})
	want := map[string]string{
		"actors":               "new@example.com 2, first 4",
		"tokens":               "k2 1, first 3",
		"addresses":            "198.51.100.7 1, first 4; 192.0.2.2 1, first 3; 2001:db8:0:1::2 1, first 5; 2001:db8:0:2::2 1, first 6; ::ffff:192.0.2.9 1, first 8; no address 1, first 7",
		"networks":             "198.51.100.0/24 1, first 4; 2001:db8:0:2::/64 1, first 6",
		"user agents":          "wget 1, first 3",
		"actions and products": "delete / dns 1, first 3",
	}
	for _, k := range n.Kinds {
		var found []string
		for _, v := range k.Values {
			found = append(found, fmt.Sprintf("%s %d, first %s", v.Text, v.Entries, v.First.ID))
		}
		if got := strings.Join(found, "; "); got != want[k.Name] || k.AtLeast || k.More != 0 {
			t.Errorf("%s: got %q, want %q", k.Name, got, want[k.Name])
		}
		delete(want, k.Name)
	}
	if len(want) > 0 || n.BaselineEntries != 2 || n.Entries != 6 {
		t.Errorf("%v is missing; %d entries in the baseline and %d in the window", want, n.BaselineEntries, n.Entries)
	}
}

// TestNewsAreBounded shows a baseline and a window with more addresses than are kept.
func TestNewsAreBounded(t *testing.T) {
	c, err := NewComparer(NewsOptions{BaselineSince: day.AddDate(0, 0, -21), Since: day, Before: day.AddDate(0, 0, 7)})
	if err != nil {
		t.Fatal(err)
	}
	const many = keptBaseline + 5000
	e := entry(t, `{}`)
	for i := range many {
		e.Actor.TokenID = fmt.Sprint("old", i)
		c.Baseline(e)
	}
	for i := range many {
		e.Actor.TokenID = fmt.Sprint("old", i)
		if c.Add(e) {
			t.Fatalf("%s is called new", e.Actor.TokenID)
		}
	}
	for range 2 {
		for i := range keptNew + 3000 {
			e.Actor.TokenID = fmt.Sprint("new", i)
			c.Add(e)
		}
	}
	k := c.News().Kinds[1]
	if len(k.Values) != keptNew || k.More != 3000 || k.Baseline != many || !k.AtLeast || k.Missed <= 0 || k.Missed > 1 {
		t.Errorf("%d new ones and %d more, of %d; at least: %t, missed %g", len(k.Values), k.More, k.Baseline, k.AtLeast, k.Missed)
	}
}
