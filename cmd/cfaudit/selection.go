package main

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

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
	start, end    time.Time       // of the window, as window() finds it
	query         auditlogs.Query // the filters, which filterFlags fills in, the window and the page size
	parallel      bool
	tally         tally
}

// flags are those that every command with filters has, besides the ends of its window.
func (s *selection) flags() []*flagValue {
	return append(s.connection.flags(), filterFlags(&s.query)...)
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

func (s *selection) sinceBound(help string) *flagValue { return boundFlag(sinceFlag, help, &s.since) }

func (s *selection) beforeBound() *flagValue {
	flag := boundFlag(beforeFlag, "the newer end of the window", &s.before)
	flag.byDefault = "now"
	return flag
}

// boundFlag is an end of the window.
func boundFlag(name, help string, target *bound) *flagValue {
	return &flagValue{
		name: name, placeholder: "WHEN", group: groupWindow, help: help, want: boundWanted, mistake: boundMistake,
		examples: []string{"1h", "24h", "7d", "30d", "yesterday", "today"},
		set: func(value string) (ok bool) {
			*target, ok = parseBound(value)
			return ok
		},
	}
}

func (s *selection) pageSizeFlag() *flagValue {
	limit := described("limit")
	return &flagValue{
		name: "page-size", placeholder: "N", group: groupOutput,
		want:      fmt.Sprintf("a whole number from %d to %d", limit.Min, limit.Max),
		help:      fmt.Sprintf("entries to request on each page, from %d to %d", limit.Min, limit.Max),
		byDefault: strconv.Itoa(limit.Max),
		set: func(value string) bool {
			s.query.Limit = new(int)
			return whole(s.query.Limit, limit.Min, limit.Max)(value)
		},
	}
}

const parallelFlagName = "parallel"

// parallelFlag reads several parts of the window at the same time.
func (s *selection) parallelFlag() *flagValue {
	return toggle(parallelFlagName, groupOutput, "read several parts of the window at the same time, within the request budget; for long windows", &s.parallel)
}

// window turns the ends of the window into absolute times, in the query.
func (s *selection) window() error {
	if !s.since.given {
		return s.usage("--since is missing: want %s", boundWanted)
	}
	if s.since.isAge || s.before.isAge || !s.before.given {
		s.clock = "the window counts from now by that clock; for an exact one, give --since and --before as times"
	}
	now := s.env.now()
	s.start, s.end = s.since.resolve(now), s.before.resolve(now)
	s.query.Since, s.query.Before = auditlogs.Time(s.start), auditlogs.Time(s.end)
	if !s.start.Before(s.end) {
		return s.usage("--since (%s) is not before --before (%s): want the older end of the window in --since, such as --since 24h",
			s.query.Since, s.query.Before)
	}
	return nil
}

// fixedFlags are the flags of the command line, except those named, with the window as fixed times.
func (s *selection) fixedFlags(except ...string) []string {
	return append([]string{"--since", shellQuote(s.query.Since), "--before", shellQuote(s.query.Before)},
		s.givenFlags(append(except, sinceFlag, beforeFlag)...)...)
}

// listOptions are how a listing reads ahead, with --parallel in several parts of the window.
func (s *selection) listOptions(ahead bool) []auditlogs.ListOption {
	options := []auditlogs.ListOption{auditlogs.Prefetch(ahead)}
	if s.parallel {
		s.env.boundMemory()
		options = append(options, auditlogs.Backfill())
	}
	return options
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
