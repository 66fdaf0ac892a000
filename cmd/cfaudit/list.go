package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// A listing is one run of "cfaudit list".
type listing struct {
	selection
	rendering
	entry      string // the ID of the entry whose history is listed; empty for a log
	actionTime string // of that entry
	from       auditlogs.Position
	most       int // entries to print; 0 for all
	printed    *output
	history    auditlogs.HistoryStatus
}

func newList(env *environment) *cobra.Command {
	l := new(listing)
	cmd := &cobra.Command{
		Use:   "list --since WHEN [--before WHEN] [flags]",
		Short: "Print the entries of a window",
		Long: "Prints the entries of a window of time, from every page, oldest first. Filters with several values keep an entry " +
			"that matches any of them, and filters of different names hold all at once.",
		Example: "  cfaudit list --since 24h\n" +
			"  cfaudit list --since yesterday --before today --format csv > yesterday.csv\n" +
			"  cfaudit list --since 7d --actor-email alice@example.com --actor-email bob@example.com\n" +
			"  cfaudit list --since 1d12h --not-actor-type system --not-action-type view --direction desc --max 20\n" +
			"  cfaudit list --since 30d --organization a67e14daa5f8dceeb91fe5449ba496ef\n" +
			"  cfaudit list --archive audit/ --since 30d --action-type delete\n" +
			"  cfaudit list --demo --since 7d    # made-up entries, no account needed",
	}
	flags := append(l.flags(l.sinceBound("the older end of the window; required, unless --from has it")), l.parallelFlag())
	return l.command(env, cmd, listFooter, l.run, append(flags, filterFlags(&l.query)...))
}

const listFooter = whenFooter + `

Organizations
The log of an organization has what was done to the organization itself, and not in its accounts. Its entries have no
account and no zone, and so there are no filters on these, on the account's product categories, and on --audit-log-id.
` + outputFooter

// outputFooter is the help that all commands that print entries share.
const outputFooter = `
Formats
ndjson prints each entry's own bytes as a line. csv has a column for each known field; what a spreadsheet would take
for a formula, = + - or @ at the start of a cell or after a semicolon, a tab or a line break in it, gets an apostrophe
before it; with --from there is no header row, so that the output continues the earlier one.

` + tableFooter + `

Archives
With --archive, all logs of the archive are listed together, or the one of --account or --organization. It has the entries
of its files: a note names the parts of the window that were never kept. What manifests show to be damaged or removed ends
the listing with an error. CLOUDFLARE_ACCOUNT_ID is not used.

` + readerEnvironment + `

Exit status
0: every entry was printed, or as many as --max allows, or the reader closed the pipe. 1: failed or incomplete, and the last
line on standard error is the command that resumes; the line before it says if something must be fixed first. 2: wrong usage,
nothing was requested. 130: interrupted, with the same last line.`

// flags are those of every command that prints entries.
func (l *listing) flags(since *flagValue) []*flagValue {
	window := []*flagValue{
		since,
		l.beforeBound(),
		{
			name: "direction", placeholder: "DIRECTION", group: groupWindow, enum: described("direction").Enum,
			help:      "from the oldest entry to the newest, or the other way",
			byDefault: "asc",
			set: func(value string) bool {
				l.query.Direction = &value
				return true
			},
		},
		{
			name: "from", placeholder: "POSITION", group: groupWindow,
			want: "a position as an earlier run printed it, with the same flags as there",
			help: "resume at a position that an earlier run printed, in its window: --since and --before are not needed",
			set:  parsed(&l.from, auditlogs.ParsePosition, func(at auditlogs.Position) bool { return !at.IsZero() }),
		},
	}
	rendering := l.rendering.flags("table on a terminal and with --columns, --local or --time-zone, else ndjson",
		append([]string{nameTable}, format.Names()...)...)
	most := &flagValue{
		name: "max", placeholder: "N", group: groupOutput,
		want: "a whole number from 1, such as 100",
		help: "stop after this many entries, and print how to resume",
		set:  whole(&l.most, 1, 0),
	}
	others := []*flagValue{most, l.pageSizeFlag(), l.organizationFlag()}
	return slices.Concat(window, rendering, others, l.connection.flags())
}

// window turns the ends of the window into absolute times.
func (l *listing) window() error {
	if l.from.IsZero() {
		return l.selection.window()
	}
	l.query.Since, l.query.Before = l.from.Window()
	l.start, _ = auditlogs.ParseTime(l.query.Since) // ParsePosition has checked both.
	l.end, _ = auditlogs.ParseTime(l.query.Before)
	var flag, given string
	switch now := l.env.now(); {
	case l.given(sinceFlag) && !l.since.resolve(now).Equal(l.start):
		flag, given = sinceFlag, l.since.text
	case l.given(beforeFlag) && !l.before.resolve(now).Equal(l.end):
		flag, given = beforeFlag, l.before.text
	default:
		return nil
	}
	e := l.usage("--%s %s contradicts --from, a position in the window from %s up to %s: leave --since and --before out:",
		flag, excerpt(given), l.query.Since, l.query.Before)
	e.last = l.again(sinceFlag, beforeFlag)
	return e
}

func (l *listing) run(ctx context.Context) error {
	if err := l.check(&l.invocation); err != nil {
		return err
	}
	for _, check := range []func() error{l.checkFilters, l.window, l.env.checkOutput, l.env.startOnNewLine} {
		if err := check(); err != nil {
			return err
		}
	}
	// A resumed listing first reads up to its place, which would take long with small pages.
	if l.query.Limit == nil && l.most > 0 && l.from.IsZero() {
		l.query.Limit = new(min(described("limit").Max, l.most))
	}
	byDefault := format.NameNDJSON
	if l.env.terminal(l.env.stdout) > 0 {
		byDefault = nameTable
	}
	l.printed = &output{w: l.env.stdout, format: l.format(l.env, byDefault), position: l.from}
	l.printed.continues = l.encoding == format.NameCSV && !l.from.IsZero()
	l.showProgress()
	first, last := l.start, l.end
	if l.descends() {
		first, last = last, first
	}
	if at := l.from.Time(); !at.IsZero() {
		first = at
	}
	l.progress.begin(first, last, 0)
	return l.use(ctx, l.list)
}

func (l *listing) descends() bool { return l.query.Direction != nil && *l.query.Direction == "desc" }

// list prints the entries, page by page.
func (l *listing) list(ctx context.Context) error {
	o := l.printed
	for page, err := range l.pages(ctx, append(l.listOptions(l.most == 0), auditlogs.From(l.from))) {
		l.progress.clear()
		var incomplete *auditlogs.IncompleteError
		if err != nil && !errors.As(err, &incomplete) {
			// Refused before any request.
			return l.usage("%s", err)
		}
		if l.progress.pages == 0 {
			l.noteWindow(l.start)
		}
		if err != nil {
			if !incomplete.Position.IsZero() {
				o.position = incomplete.Position
			}
			return l.ended(ctx, incomplete.Err)
		}
		l.noteHistory(page.History)
		more := !page.Next.IsZero()
		if l.most > 0 && len(page.Entries) > l.left() {
			page.Entries, page.Next = page.Entries[:l.left()], auditlogs.Position{}
			more = true
		}
		l.tally.add(page)
		err = o.print(ctx, page.Entries)
		l.progress.page(o.entries, reached(page))
		if err != nil {
			return l.unwritten(err)
		}
		if !page.Next.IsZero() {
			o.position = page.Next
		}
		if l.most > 0 && l.left() == 0 && more {
			l.progress.clear()
			l.sum()
			l.env.note("--max is reached and there may be more; to resume:")
			l.env.say(l.resumption(l.most))
			return nil
		}
	}
	l.progress.clear()
	l.sum()
	if l.history == auditlogs.HistoryUnavailable {
		return l.withoutHistory()
	}
	if o.entries == 0 {
		l.noteNothing(!l.from.IsZero())
	}
	return nil
}

// reached is the time of a page's last entry; zero if it has none.
func reached(page *auditlogs.Page) time.Time {
	if n := len(page.Entries); n > 0 {
		return page.Entries[n-1].Action.Time
	}
	return time.Time{}
}

// ended reports a listing that the service, the network or the user has ended.
func (l *listing) ended(ctx context.Context, cause error) error {
	l.sum()
	e := failed(ctx, cause)
	if errors.Is(cause, auditlogs.ErrInvalidQuery) && l.printed.position == l.from {
		return l.refused(e)
	}
	return l.resumable(e)
}

// refused completes the message of a listing that the service has refused with its first request.
func (l *listing) refused(e *exit) *exit {
	if l.from.IsZero() {
		e.text += "; nothing was printed"
		e.last = seeHelp(l.cmd)
		return e
	}
	again := "some entries"
	if l.encoding == format.NameCSV {
		again += " and the header row"
	}
	e.text += "; the service may no longer know the position; to resume from its time, which prints " + again + " again:"
	at := l.from.Time()
	// A second early: the bound may be inclusive or not, and less precise than the times of
	// entries.
	switch start, end := at.Truncate(time.Second).Add(-time.Second), at.Truncate(time.Second).Add(2*time.Second); {
	case at.IsZero():
	case l.descends() && end.Before(l.end):
		l.query.Before = auditlogs.Time(end)
	case !l.descends() && start.After(l.start):
		l.query.Since = auditlogs.Time(start)
	}
	l.printed.position = auditlogs.Position{}
	e.last = l.resumption(l.most)
	return e
}

// unwritten reports a listing that ended because the output cannot be written.
func (l *listing) unwritten(err error) error {
	l.progress.clear()
	if closedPipe(err) {
		return nil
	}
	l.sum()
	if errors.Is(err, errUnread) {
		return &exit{code: exitInterrupted, text: "interrupted: " + err.Error() + "; to resume:", last: l.resumption(l.left())}
	}
	return l.resumable(&exit{code: exitIncomplete, text: l.printed.failure(err)})
}

// resumable completes a message with the command that resumes the listing.
func (l *listing) resumable(e *exit) *exit {
	again := l.resumption(l.left())
	if l.printed.position.IsZero() {
		e.text += "; nothing was printed"
		return e.goOn("run the same again", again)
	}
	e.text += "; the listing is incomplete"
	return e.goOn("resume", again)
}

// left is how many entries are still to be printed; 0 for all.
func (l *listing) left() int {
	if l.most == 0 {
		return 0
	}
	return l.most - l.printed.entries
}

// resumption is the command that resumes after what was printed, in the same window, with fixed
// times.
func (l *listing) resumption(most int) string {
	flags := l.fixedFlags("max", "from")
	if most > 0 {
		flags = append(flags, "--max", strconv.Itoa(most))
	}
	if at := l.printed.position; !at.IsZero() {
		flags = append(flags, "--from", at.String())
	}
	return l.line(flags...)
}

// sum prints the totals of the listing.
func (l *listing) sum() {
	l.noteTally("printed")
	if l.encoding == nameTable || l.demo || l.verbose || l.progress.width > 0 {
		l.env.say(fmt.Sprintf("%s on %s", entryCount(l.printed.entries), count(l.progress.pages, "page", "pages")))
	}
}
