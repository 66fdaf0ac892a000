package summary

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

func entry(t testing.TB, raw string) *auditlogs.Entry {
	t.Helper()
	e := new(auditlogs.Entry)
	if err := json.Unmarshal([]byte(raw), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// day is the start of the window of the tests.
var day = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

func at(after time.Duration) string { return day.Add(after).Format(time.RFC3339Nano) }

func collect(t testing.TB, options Options, entries ...string) *Summary {
	t.Helper()
	if options.Since.IsZero() {
		options.Since, options.Before = day, day.AddDate(0, 0, 7)
	}
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range entries {
		c.Add(entry(t, raw))
	}
	return c.Summary()
}

func group(t testing.TB, s *Summary, name string) Group {
	t.Helper()
	for _, g := range s.Groups {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("there is no group %q", name)
	return Group{}
}

// rows writes the values of a group as text.
func rows(g Group) (rows []string) {
	for _, v := range g.Values {
		rows = append(rows, fmt.Sprintf("%s: %d, %d failed", v.Text, v.Entries, v.Failed))
	}
	return rows
}
