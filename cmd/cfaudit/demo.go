package main

import (
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

const (
	demoDays    = 30
	demoEntries = 26000 // about 6000 a week
)

// newDemo starts a fake of the API in this process whose history reaches up to now, and whose entries appear as late as they
// do in the service.
//
// The history begins and ends at a midnight, and what lies in the future is out of sight of every window that ends now. So
// it stays the same for a day, and a position that one run prints is good for another.
func newDemo(now time.Time, options ...auditlogstest.Option) *auditlogstest.Server {
	return auditlogstest.NewServer(append(options, auditlogstest.WithHistory(demoHistory(now, demoEntries, 0)),
		auditlogstest.WithLateness(auditlogstest.MeasuredLateness))...)
}

// demoHistory describes made-up entries of the days before the end of the present one.
func demoHistory(now time.Time, entries int, seed uint64) auditlogstest.History {
	const day = 24 * time.Hour
	end := now.UTC().Truncate(day).Add(day)
	return auditlogstest.History{Seed: seed, Entries: entries, Since: end.Add(-demoDays * day), Before: end}
}
