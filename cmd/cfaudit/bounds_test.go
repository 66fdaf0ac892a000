package main

import (
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

func TestParseBound(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Time{
		"90m":                                 testNow.Add(-90 * time.Minute),
		"24h":                                 testNow.Add(-day),
		"7d":                                  testNow.Add(-7 * day),
		"2w":                                  testNow.Add(-14 * day),
		"1d12h":                               testNow.Add(-36 * time.Hour),
		"1w2d3h4m5s":                          testNow.Add(-(9*day + 3*time.Hour + 4*time.Minute + 5*time.Second)),
		"0s":                                  testNow,
		"today":                               time.Date(2024, 10, 30, 0, 0, 0, 0, time.UTC),
		"yesterday":                           time.Date(2024, 10, 29, 0, 0, 0, 0, time.UTC),
		"2024-10-29":                          time.Date(2024, 10, 29, 0, 0, 0, 0, time.UTC),
		"2024-10-29T01:02:03Z":                time.Date(2024, 10, 29, 1, 2, 3, 0, time.UTC),
		"2024-10-29T01:02:03.000000004Z":      time.Date(2024, 10, 29, 1, 2, 3, 4, time.UTC),
		"2024-10-29T01:02:03+02:00":           time.Date(2024, 10, 28, 23, 2, 3, 0, time.UTC),
		"2024-02-29T23:59:59.999999999-08:00": time.Date(2024, 3, 1, 7, 59, 59, 999999999, time.UTC),
	} {
		b, ok := parseBound(text)
		if got := b.resolve(testNow); !ok || !got.Equal(want) {
			t.Errorf("%q is %v (%v), want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "7", "d", "7 d", " 7d", "7d ", "-7d", "+7d", "1.5d", "12h1d", "1d1d", "7D", "7y", "1h30", "36600d1s",
		"99999999999999999999d", "9223372036854775807w", "tomorrow", "Today", "2024-10-32", "2024-02-30", "2024-10-29 01:02:03",
		"2024-10-29T01:02:03", "2024-10-29T01:02:03,5Z", "9999-12-31T23:59:59-01:00", "0000-12-31", "٧d",
	} {
		if b, ok := parseBound(text); ok {
			t.Errorf("%q is taken for %v", text, b)
		}
	}
}

func TestBoundMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-20T08:00:00":   "the offset from UTC is missing: want 2026-11-20T08:00:00Z for UTC, or an offset such as 2026-11-20T08:00:00+02:00",
		"2026-11-20 08:00":      "the offset from UTC is missing: want 2026-11-20T08:00:00Z for UTC, or an offset such as 2026-11-20T08:00:00+02:00",
		"2026-11-20T08:00:00.5": "the offset from UTC is missing: want 2026-11-20T08:00:00.5Z for UTC, or an offset such as 2026-11-20T08:00:00.5+02:00",
		"2026-02-30":            "the calendar has no such day: want one up to 2026-02-28",
		"2028-02-30T08:00:00Z":  "the calendar has no such day: want one up to 2028-02-29",
		"2026-13-01":            "the calendar has no such month: want one from 01 to 12",
		"soon":                  "want " + boundWanted,
		"2026-11-20T25:00:00Z":  "want " + boundWanted,
		"2026-11-200":           "want " + boundWanted,
	} {
		for _, flag := range []string{"--since", "--before"} {
			code, _, stderr := (try{}).run(t, "list", "--demo", flag, text)
			if code != exitUsage || !strings.HasPrefix(stderr, "cfaudit: "+flag+" \""+text+"\": "+want+"\n") {
				t.Errorf("%s %s: exit %d: %s", flag, text, code, stderr)
			}
		}
	}
}

func FuzzParseBound(f *testing.F) {
	for _, seed := range []string{"90m", "1d12h", "100w", "2024-10-31", "2024-10-31T08:30:00.123456789-11:59", "9999-12-31T23:59:59-23:59", "1w0d", "d7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, ok := parseBound(text)
		if !ok {
			return
		}
		at := b.resolve(testNow)
		again, err := auditlogs.ParseTime(auditlogs.Time(at))
		if err != nil || !again.Equal(at) {
			t.Errorf("%q is %v, and %v on the wire (%v)", text, at, again, err)
		}
	})
}
