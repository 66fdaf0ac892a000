package main

import (
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
)

const (
	groupWindow = "Window"
	groupOutput = "Output"
)

// A selection is which entries a run is about, as it was given: accounts and how to reach them, a window, and filters.
// Commands that read entries have it in common.
type selection struct {
	connection
	since, before bound
	query         auditlogs.Query // the filters, which filterFlags fills in
}

// ages are what completion offers for an end of the window.
var ages = []string{"1h", "24h", "7d", "30d"}

func (s *selection) sinceFlag(help string) *flagValue {
	return &flagValue{
		name: "since", placeholder: "WHEN", group: groupWindow, want: boundWanted, enum: ages, open: true,
		help: help,
		set: func(value string) (ok bool) {
			s.since, ok = parseBound(value)
			return ok
		},
	}
}

func (s *selection) beforeFlag() *flagValue {
	return &flagValue{
		name: "before", placeholder: "WHEN", group: groupWindow, want: boundWanted, enum: ages, open: true,
		help:     "the newer end of the window",
		standard: "now",
		set: func(value string) (ok bool) {
			s.before, ok = parseBound(value)
			return ok
		},
	}
}

// window turns the ends of the window into absolute times, for a query.
func (s *selection) window(cmd *cobra.Command, now time.Time) (since, before string, problem error) {
	if !s.since.given {
		return "", "", usage(cmd, "--since is missing: want %s", boundWanted)
	}
	from, to := s.since.resolve(now), s.before.resolve(now)
	if !from.Before(to) {
		return "", "", usage(cmd, "--since (%s) does not lie before --before (%s): want the older end of the window in --since, such as --since 24h",
			auditlogs.Time(from), auditlogs.Time(to))
	}
	return auditlogs.Time(from), auditlogs.Time(to), nil
}
