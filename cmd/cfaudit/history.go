package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// historyDays is how far a history goes back by default: about as long as the service keeps
// entries.
const historyDays = 540

var historyAge = fmt.Sprintf("%dd", historyDays)

const actionTimeFlag = "action-time"

func newHistory(env *environment) *cobra.Command {
	l := new(listing)
	cmd := &cobra.Command{
		Use:   "history ENTRY --action-time TIME [flags]",
		Short: "Print the entries about the same resource as a given one",
		Long: "Prints what happened to the resource that an entry is about: the entries of a window that are about the same one, from " +
			"every page, oldest first. ENTRY is the entry's id, and TIME its action.time.",
		Example: "  cfaudit history f174be97-19b1-40d6-954d-70cd5fbd52db --action-time 2026-10-30T15:00:00Z\n" +
			"  cfaudit history f174be97-19b1-40d6-954d-70cd5fbd52db --action-time 2026-10-30T15:00:00Z --since 7d --format table",
		Args: takesEntry(&l.entry),
	}
	since := l.historySince("the older end of the window")
	action := newActionTimeFlag(&l.actionTime, "when the entry was recorded, so that the service finds it; required")
	run := func(ctx context.Context) error {
		if l.actionTime == "" {
			return l.usage("--%s is missing: want %s", actionTimeFlag, actionTimeWanted())
		}
		return l.run(ctx)
	}
	return l.command(env, cmd, historyFooter, run, append([]*flagValue{action}, l.flags(since)...))
}

// historySince is --since where a history need not be given one.
func (s *selection) historySince(help string) *flagValue {
	flag := s.sinceBound(help)
	flag.byDefault = historyAge
	s.since, _ = parseBound(historyAge)
	return flag
}

func newActionTimeFlag(target *string, help string) *flagValue {
	return &flagValue{
		name: actionTimeFlag, placeholder: "TIME", group: groupWindow,
		help: help,
		want: actionTimeWanted(),
		set: func(value string) bool {
			*target = value
			return describedOf(historyOperation, "action_time").Check(value) == nil
		},
	}
}

// historyOperation is the contract's table of a history's parameters.
var historyOperation = auditlogsapi.GetAccountAuditLogHistoryOperation

func actionTimeWanted() string {
	return "the entry's own action.time, a " + describedOf(historyOperation, "action_time").Wanted()
}

const historyFooter = boundFooter + `

Exact or approximate
If the entry does not hold the resource's own address, the service selects entries by the kind of resource, and a note says
that entries about others can be included. If the entry says too little for that, there is no history, and the exit status
is 1.
` + outputFooter

// takesEntry takes the only argument, the id of an entry.
func takesEntry(id *string) cobra.PositionalArgs {
	described := describedOf(historyOperation, "id")
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage(cmd, "the entry is missing: want its id, such as %s", described.Example)
		case len(args) > 1:
			return usage(cmd, "unknown argument %s: %q takes one entry", excerpt(args[1]), cmd.CommandPath())
		case described.Check(args[0]) != nil:
			return usage(cmd, "the entry is %s: want %s", excerpt(args[0]), described.Wanted())
		}
		*id = args[0]
		return nil
	}
}

// pages lists a log, or the history of one of its entries.
func (l *listing) pages(ctx context.Context, options []auditlogs.ListOption) iter.Seq2[*auditlogs.Page, error] {
	if l.entry == "" {
		return l.log().Pages(ctx, l.query, options...)
	}
	query := auditlogs.HistoryQuery{
		ActionTime: l.actionTime, Since: l.query.Since, Before: l.query.Before, Direction: l.query.Direction, Limit: l.query.Limit,
	}
	return l.log().HistoryPages(ctx, l.entry, query, options...)
}

// noteHistory prints a note, once, about the status of a history.
func (l *listing) noteHistory(status auditlogs.HistoryStatus) {
	switch status {
	case l.history, auditlogs.HistoryExact, auditlogs.HistoryUnavailable:
	case auditlogs.HistoryApproximate:
		l.env.note("the history is approximate: it can include entries about other resources of the same kind")
	default:
		l.env.note("the service calls the history %q", clean(string(status)))
	}
	l.history = status
}

// withoutHistory completes the message if the service has no history. The entries themselves can
// still be listed.
func (l *listing) withoutHistory() *exit {
	return &exit{
		code: exitIncomplete,
		text: "the entry does not say enough about its resource, so that the service has no history of it; to list all entries of the window:",
		last: commandLine("list", l.fixedFlags("max", "from", actionTimeFlag)...),
	}
}
