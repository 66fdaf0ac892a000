package main

import (
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

const (
	demoDays    = 30
	demoEntries = 26000 // about 6000 a week
)

// newDemo starts a fake of the API in this process, with a history up to now and entries that
// appear as late as in the service.
//
// The history starts and ends at midnight, and a window that ends now does not see its future part.
// So it stays the same for a day, and a position that one run prints is valid in the next. Three
// days before today, at 02:13 UTC, it has an incident for people to find.
func newDemo(now time.Time) *auditlogstest.Server {
	return auditlogstest.NewServer(auditlogstest.WithHistory(demoHistory(now, demoEntries, 0)),
		auditlogstest.WithLateness(auditlogstest.MeasuredLateness))
}

// demoHistory describes made-up entries of the days up to the end of today.
func demoHistory(now time.Time, entries int, seed uint64) auditlogstest.History {
	const day = 24 * time.Hour
	end := now.UTC().Truncate(day).Add(day)
	return auditlogstest.History{
		Seed: seed, Entries: entries, Since: end.Add(-demoDays * day), Before: end,
		Incident: end.Add(-4*day + 2*time.Hour + 13*time.Minute),
	}
}
