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
	text := fmt.Sprintf(format, args...)
	if e.noted != nil {
		*e.noted = append(*e.noted, text)
	}
	e.say("note: " + text)
}

// noteWindow prints what people must know about the window that was read, from a time on.
func (s *selection) noteWindow(start time.Time) {
	query := s.query
	query.Since = auditlogs.Time(start)
	s.noteStart(query.Since)
	s.noteGaps(query, s.logs...)
	unsettled := s.env.now().Add(-auditlogs.SettleTime)
	if s.archive != nil || !s.end.After(unsettled) {
		return // What an archive lacks does not appear by itself.
	}
	if start.After(unsettled) {
		unsettled = start
	}
	s.env.note("entries appear up to %s after their time: from %s on, some can still be missing", settleTime,
		auditlogs.Time(unsettled.Truncate(time.Second)))
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

// A tally counts the entries that a run prints a note about.
type tally struct {
	repeated  int
	unsorted  int
	malformed int    // entries with a field of an unexpected type
	example   string // names such an entry, where one is known
}

// add counts the entries of a page that are repeated, out of order or malformed.
func (t *tally) add(page *auditlogs.Page) {
	t.repeated += page.Repeated
	t.unsorted += page.OutOfOrder
	for _, entry := range page.Entries {
		if err := entry.Err(); err != nil {
			if t.malformed++; t.malformed == 1 {
				t.example = ", such as " + clean(fmt.Sprintf("%s (%s)", cmp.Or(entry.ID, "one without an id"), err))
			}
		}
	}
}

// noteTally prints the counts. Done is what was done with the entries.
func (s *selection) noteTally(done string) {
	source := "the service sent"
	if s.archives != nil {
		source = "the archive has"
	}
	if s.tally.repeated > 0 {
		s.env.note("%s %s again, %s once", source, entryCount(s.tally.repeated), done)
	}
	if s.tally.unsorted > 0 {
		s.env.note("%s %s out of the order of time", source, entryCount(s.tally.unsorted))
	}
	if s.tally.malformed > 0 {
		s.env.note("%s with a field of an unexpected type, %s all the same%s", entryCount(s.tally.malformed), done, s.tally.example)
	}
}
