package main

import (
	"context"
	"iter"
	"strings"

	"cfaudit.example/wrapper/auditlogs"
)

// pages lists a log, or the history of one of its entries.
func (l *listing) pages(ctx context.Context, options []auditlogs.ListOption) iter.Seq2[*auditlogs.Page, error] {
	if l.entry != "" {
		return l.log().HistoryPages(ctx, l.entry, l.historyQuery(), options...)
	}
	return l.log().Pages(ctx, l.query, options...)
}

// checkFilters refuses filters that the log of an organization does not have.
func (s *selection) checkFilters() error {
	if !s.ofOrganization() {
		return nil
	}
	for _, p := range operation.Parameters {
		if filter := s.query.Filter(p.Name); filter == nil || len(*filter) == 0 {
			continue
		}
		if _, known := find(organizationOperation, p.Name); !known {
			return s.usage("--%s and --organization exclude each other: the log of an organization has no such filter", flagName(p.Name))
		}
	}
	return nil
}

// noteUnknownValues prints a note about each filter value that is sent though it is not a known
// one.
func (c *connection) noteUnknownValues() {
	chosen := operation
	if c.ofOrganization() && len(c.logs) == 1 {
		chosen = organizationOperation
	}
	for _, p := range chosen.Parameters {
		flag := c.cmd.Flags().Lookup(flagName(p.Name))
		if flag == nil {
			continue
		}
		for _, value := range flag.Value.(*flagValue).given {
			if !p.Knows(value) {
				taken := "sent"
				if c.archives != nil {
					taken = "compared"
				}
				c.env.note("--%s %s is not one of the values that cfaudit knows: %s; it is %s as it is, and zero entries may mean that it is mistyped",
					flag.Name, excerpt(value), strings.Join(p.Known, ", "), taken)
			}
		}
	}
}

// historyQuery is the part of a query that a history supports.
func (l *listing) historyQuery() auditlogs.HistoryQuery {
	return auditlogs.HistoryQuery{
		ActionTime: l.actionTime, Since: l.query.Since, Before: l.query.Before, Direction: l.query.Direction, Limit: l.query.Limit,
	}
}
