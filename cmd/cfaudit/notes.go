package main

import (
	"fmt"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// The edges of what the service can be relied on for.
const (
	settleTime      = 2 * time.Minute // entries younger than this can still appear
	retentionMonths = 18
)

// say prints a line for people. That standard error takes no more is nothing to fail for.
func (e *environment) say(line string) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Fprintln(e.stderr, line)
}

// saying keeps lines whole that goroutines print at the same time.
var saying sync.Mutex

// note says what is good to know, and is no failure.
func (e *environment) note(format string, args ...any) {
	e.say("note: " + fmt.Sprintf(format, args...))
}

// noteWindow tells what the service cannot answer for in a window.
func (e *environment) noteWindow(since, before string) {
	now := e.now()
	if end, err := auditlogs.ParseTime(before); err == nil && end.After(now.Add(-settleTime)) {
		e.note("the window reaches into the last two minutes, of which entries can still appear later")
	}
	if start, err := auditlogs.ParseTime(since); err == nil && start.Before(now.AddDate(0, -retentionMonths, 0)) {
		e.note("the window begins more than %d months ago, and the service keeps no older entries", retentionMonths)
	}
}

// A tally counts what a run got, and is to say about it.
type tally struct {
	repeated int
	unsorted int
	odd      int    // entries with a field of an unexpected type
	oddOne   string // such an entry; empty where none is known
}

// note says what has been counted. Done is what was done with the entries.
func (t tally) note(env *environment, done string) {
	if t.repeated > 0 {
		env.note("the service sent %s again, %s once", count(t.repeated, "entry", "entries"), done)
	}
	if t.unsorted > 0 {
		env.note("the service sent %s out of the order of time", count(t.unsorted, "entry", "entries"))
	}
	if t.odd > 0 {
		such := ""
		if t.oddOne != "" {
			such = ", such as " + t.oddOne
		}
		env.note("%s with a field of an unexpected type, %s all the same%s", count(t.odd, "entry", "entries"), done, such)
	}
}
