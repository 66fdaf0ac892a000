package main

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// say prints a line for people. A failure to write to standard error is ignored.
func (e *environment) say(line string) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Fprintln(e.stderr, line)
}

// saying keeps lines whole when goroutines print at the same time.
var saying sync.Mutex

// note prints a remark that is not a failure.
func (e *environment) note(format string, args ...any) {
	e.say("note: " + fmt.Sprintf(format, args...))
}

// noteWindow prints what people must know about the window of a query that was read.
func (c *connection) noteWindow(query auditlogs.Query) {
	c.noteStart(query.Since)
	c.noteGaps(query, c.logs...)
	if c.archive == nil { // What an archive lacks does not appear by itself.
		c.env.noteUnsettled(query.Since, query.Before)
	}
}

// noteStart prints a note if the user's --since is before the start of the log.
func (c *connection) noteStart(since string) {
	start, err := auditlogs.ParseTime(since)
	if err != nil || c.demo || c.archives != nil || !c.given(sinceFlag) {
		return
	}
	switch oldest, started := auditlogs.Oldest(c.env.now()); {
	case !start.Before(oldest):
	case started:
		c.env.note("the window starts before this log, whose oldest entries are from about %s: older ones are only in version 1 of the audit logs",
			oldest.Format(time.DateOnly))
	default:
		c.env.note("the window starts more than %d months ago, and the service keeps no older entries", auditlogs.RetentionMonths)
	}
}

// settleTime is the time within which entries appear, in words.
var settleTime = fmt.Sprintf("%.0f minutes", auditlogs.SettleTime.Minutes())

// noteUnsettled prints the time after which a listing can still change.
func (e *environment) noteUnsettled(since, before string) {
	unsettled := e.now().Add(-auditlogs.SettleTime)
	end, err := auditlogs.ParseTime(before)
	if err != nil || !end.After(unsettled) {
		return
	}
	if start, err := auditlogs.ParseTime(since); err == nil && start.After(unsettled) {
		unsettled = start
	}
	e.note("entries appear up to %s after their time: from %s on, some can still be missing", settleTime,
		auditlogs.Time(unsettled.Truncate(time.Second)))
}

// A tally counts the entries that a run prints a note about.
type tally struct {
	repeated int
	unsorted int
	odd      int    // entries with a field of an unexpected type
	oddOne   string // such an entry; empty if none is known
}

// add counts what a page says of itself.
func (t *tally) add(page *auditlogs.Page) {
	t.repeated += page.Repeated
	t.unsorted += page.OutOfOrder
}

// look counts an entry if it is odd.
func (t *tally) look(entry *auditlogs.Entry) {
	if err := entry.Err(); err != nil {
		if t.odd++; t.odd == 1 {
			t.oddOne = clean(fmt.Sprintf("%s (%s)", cmp.Or(entry.ID, "one without an id"), err))
		}
	}
}

// note prints the counts. Done is what was done with the entries.
func (t tally) note(env *environment, done string) {
	if t.repeated > 0 {
		env.note("the service sent %s again, %s once", entryCount(t.repeated), done)
	}
	if t.unsorted > 0 {
		env.note("the service sent %s out of the order of time", entryCount(t.unsorted))
	}
	if t.odd > 0 {
		such := ""
		if t.oddOne != "" {
			such = ", such as " + t.oddOne
		}
		env.note("%s with a field of an unexpected type, %s all the same%s", entryCount(t.odd), done, such)
	}
}
