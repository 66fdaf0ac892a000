package main

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
)

const (
	groupWindow = "Window"
	groupOutput = "Output"

	sinceFlag  = "since"
	beforeFlag = "before"
)

// A selection holds the flags that select entries: accounts and how to reach them, a window, and
// filters. All commands that read entries share it.
type selection struct {
	connection
	since, before bound
	query         auditlogs.Query // the filters, which filterFlags fills in
	pageSize      *int            // nil for the default
}

// boundFooter explains the values of --since and --before.
const boundFooter = `WHEN
A date (midnight UTC at its start), an RFC 3339 time with any offset, an age that counts back from now (90m, 24h, 7d, 2w,
1d12h), or the midnights (UTC) at the start of yesterday and today.`

// whenFooter explains the values of a selection's flags.
const whenFooter = boundFooter + `

VALUE
A filter's flag can be repeated, and each use adds a value. Commas do not separate values. Values match exactly, letter by
letter and by case: there are no wildcards, and no ranges of addresses.`

// ages are what completion offers for an end of the window.
var ages = []string{"1h", "24h", "7d", "30d", "yesterday", "today"}

func (s *selection) sinceBound(help string) *flagValue {
	return &flagValue{
		name: sinceFlag, placeholder: "WHEN", group: groupWindow, want: boundWanted, enum: ages, open: true, mistake: boundMistake,
		help: help,
		set: func(value string) (ok bool) {
			s.since, ok = parseBound(value)
			return ok
		},
	}
}

func (s *selection) beforeBound() *flagValue {
	return &flagValue{
		name: beforeFlag, placeholder: "WHEN", group: groupWindow, want: boundWanted, enum: ages, open: true, mistake: boundMistake,
		help:     "the newer end of the window",
		standard: "now",
		set: func(value string) (ok bool) {
			s.before, ok = parseBound(value)
			return ok
		},
	}
}

func (s *selection) pageSizeFlag() *flagValue {
	limit := described("limit")
	return &flagValue{
		name: "page-size", placeholder: "N", group: groupOutput,
		want:     fmt.Sprintf("a whole number from %d to %d", limit.Min, limit.Max),
		help:     fmt.Sprintf("entries to request on each page, from %d to %d", limit.Min, limit.Max),
		standard: strconv.Itoa(limit.Max),
		set: func(value string) bool {
			s.pageSize = new(int)
			return whole(s.pageSize, limit.Min, limit.Max)(value)
		},
	}
}

// window turns the ends of the window into absolute times, for a query.
func (s *selection) window(cmd *cobra.Command, now time.Time) (since, before string, problem error) {
	if !s.since.given {
		return "", "", usage(cmd, "--since is missing: want %s", boundWanted)
	}
	if s.since.isAge || s.before.isAge || !s.before.given {
		s.clock = "the window counts from now by that clock; for an exact one, give --since and --before as times"
	}
	from, to := s.since.resolve(now), s.before.resolve(now)
	if !from.Before(to) {
		return "", "", usage(cmd, "--since (%s) is not before --before (%s): want the older end of the window in --since, such as --since 24h",
			auditlogs.Time(from), auditlogs.Time(to))
	}
	return auditlogs.Time(from), auditlogs.Time(to), nil
}

// aheadMemory is the soft memory limit of a program that reads ahead.
const aheadMemory = 72 << 20

// boundMemory sets a soft memory limit for commands that read ahead: pages are many small values,
// and without a limit the collector would let the heap grow to twice their size.
func (e *environment) boundMemory() {
	if e.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(aheadMemory)
	}
}
