package main

import (
	"fmt"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// The edges of what the service can be relied on for.
const (
	settleTime      = 2 * time.Minute // entries younger than this can still appear
	retentionMonths = 18
)

// say prints a line for people. That standard error takes no more is nothing to fail for.
func (e *environment) say(line string) { fmt.Fprintln(e.stderr, line) }

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
