package main

import (
	"context"
	"errors"
	"fmt"
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
	direction := described("direction")
	flags := []*flagValue{
		since,
		l.beforeBound(),
		{
			name: "direction", placeholder: "DIRECTION", group: groupWindow, enum: direction.Enum,
			help:     "from the oldest entry to the newest, or the other way",
			standard: "asc",
			set: func(value string) bool {
				l.query.Direction = &value
				return true
			},
		},
		{
			name: "from", placeholder: "POSITION", group: groupWindow,
			want: "a position as an earlier run printed it, with the same flags as there",
			help: "resume at a position that an earlier run printed, in its window: --since and --before are not needed",
			set: func(value string) bool {
				var err error
				l.from, err = auditlogs.ParsePosition(value)
				return err == nil && value != ""
			},
		},
	}
	flags = append(flags, l.rendering.flags("table on a terminal and with --columns, --local or --time-zone, else ndjson",
		append([]string{nameTable}, format.Names()...)...)...)
	most := &flagValue{
		name: "max", placeholder: "N", group: groupOutput,
		want: "a whole number from 1, such as 100",
		help: "stop after this many entries, and print how to resume",
		set:  whole(&l.most, 1, 0),
	}
	return append(append(flags, most, l.pageSizeFlag(), l.organizationFlag()), l.connection.flags()...)
}

// window turns the ends of the window into absolute times.
func (l *listing) window() error {
	if l.from.IsZero() {
		return l.selection.window()
	}
	l.query.Since, l.query.Before = l.from.Window()
	for _, end := range []struct {
		flag  string
		given bound
		is    string
	}{
		{sinceFlag, l.since, l.query.Since},
		{beforeFlag, l.before, l.query.Before},
	} {
		is, _ := auditlogs.ParseTime(end.is) // ParsePosition has checked it.
		if !l.given(end.flag) || end.given.resolve(l.env.now()).Equal(is) {
			continue
		}
		e := l.usage("--%s %s contradicts --from, a position in the window from %s up to %s: leave --since and --before out:",
			end.flag, excerpt(end.given.text), l.query.Since, l.query.Before)
		e.last = l.again(sinceFlag, beforeFlag)
		return e
	}
	return nil
}

func (l *listing) run(ctx context.Context) error {
	if err := l.check(&l.invocation); err != nil {
		return err
	}
	if err := l.checkFilters(); err != nil {
		return err
	}
	if err := l.window(); err != nil {
		return err
	}
	// A resumed listing first reads up to its place, which would take long with small pages.
	if l.query.Limit == nil && l.most > 0 && l.from.IsZero() {
		l.query.Limit = new(min(described("limit").Max, l.most))
	}
	if err := checkOutput(l.env.stdout); err != nil {
		return err
	}
	if err := l.env.startOnNewLine(); err != nil {
		return err
	}
	standard := format.NameNDJSON
	if l.env.terminal(l.env.stdout) > 0 {
		standard = nameTable
	}
	l.printed = &output{w: l.env.stdout, format: l.format(l.env, standard), position: l.from}
	l.printed.continues = l.encoding == format.NameCSV && !l.from.IsZero()
	l.showProgress()
	start, end := l.course()
	l.progress.begin(start, end, 0)
	return l.use(ctx, l.list)
}

func (l *listing) descends() bool { return l.query.Direction != nil && *l.query.Direction == "desc" }

// course is where this run starts or resumes, and where it ends.
func (l *listing) course() (start time.Time, end string) {
	first, end := l.query.Since, l.query.Before
	if l.descends() {
		first, end = end, first
	}
	if start = l.from.Time(); start.IsZero() {
		start, _ = auditlogs.ParseTime(first)
	}
	return start, end
}

// list prints the entries, page by page.
func (l *listing) list(ctx context.Context) error {
	o, noted := l.printed, false
	for page, err := range l.pages(ctx, append(l.listOptions(l.most == 0), auditlogs.From(l.from))) {
		l.progress.clear()
		var incomplete *auditlogs.IncompleteError
		if err != nil && !errors.As(err, &incomplete) {
			// Refused before any request.
			return l.usage("%s", err)
		}
		if !noted {
			noted = true
			l.noteWindow(l.query)
		}
		if err != nil {
			if !incomplete.Position.IsZero() {
				o.position = incomplete.Position
			}
			return l.ended(ctx, incomplete.Err)
		}
		l.noteHistory(page.History)
		o.begin()
		l.tally.add(page)
		full, last, err := l.print(ctx, page)
		if err == nil {
			err = o.flush(ctx)
		}
		l.progress.page(o.entries, reached(page))
		switch {
		case err != nil:
			return l.unwritten(err)
		case last && !page.Next.IsZero():
			o.position = page.Next
		}
		if full && (!last || !page.Next.IsZero()) {
			l.progress.clear()
			l.sum()
			l.env.note("--max is reached and there may be more; to resume:")
			l.env.say(l.resumption(o.position, l.most))
			return nil
		}
	}
	l.progress.clear()
	if err := o.finish(ctx); err != nil {
		return l.unwritten(err)
	}
	l.sum()
	if l.history == auditlogs.HistoryUnavailable {
		return l.withoutHistory()
	}
	if o.entries == 0 {
		l.env.noteNothing(&l.query, !l.from.IsZero())
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

// print adds the page's entries to the output. Full reports that --max is reached, and last that no
// entry of the page is left.
func (l *listing) print(ctx context.Context, page *auditlogs.Page) (full, last bool, err error) {
	printed := l.printed.entries
	for i, entry := range page.Entries {
		l.tally.look(entry)
		if err := l.printed.add(ctx, entry); err != nil {
			return false, false, err
		}
		if printed+i+1 == l.most {
			return true, i == len(page.Entries)-1, nil
		}
	}
	return false, true, nil
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
	// A second early: the bound may be inclusive or not, and less precise than the times of
	// entries.
	const margin = time.Second
	at := l.from.Time()
	since, _ := auditlogs.ParseTime(l.query.Since)
	before, _ := auditlogs.ParseTime(l.query.Before)
	switch start, end := at.Truncate(time.Second).Add(-margin), at.Truncate(time.Second).Add(time.Second+margin); {
	case at.IsZero():
	case l.descends() && end.Before(before):
		l.query.Before = auditlogs.Time(end)
	case !l.descends() && start.After(since):
		l.query.Since = auditlogs.Time(start)
	}
	e.last = l.resumption(auditlogs.Position{}, l.most)
	return e
}

// unwritten reports a listing that ended because the output cannot be written.
func (l *listing) unwritten(err error) error {
	l.progress.clear()
	if closedPipe(err) {
		return nil
	}
	if errors.Is(err, errUnread) {
		l.sum()
		return &exit{code: exitInterrupted, text: "interrupted: " + err.Error() + "; to resume:", last: l.resumption(l.printed.position, l.left())}
	}
	l.sum()
	return l.resumable(&exit{code: exitIncomplete, text: l.printed.failure(err)})
}

// resumable completes a message with the command that resumes the listing.
func (l *listing) resumable(e *exit) *exit {
	again := l.resumption(l.printed.position, l.left())
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

// resumption is the command that resumes at a position, in the same window, with fixed times.
func (l *listing) resumption(at auditlogs.Position, most int) string {
	line := l.commandIn(l.words(), "max", "from")
	if most > 0 {
		line += fmt.Sprintf(" --max %d", most)
	}
	if !at.IsZero() {
		line += " --from " + at.String()
	}
	return line
}

// sum prints the totals of the listing.
func (l *listing) sum() {
	l.tally.note(l.env, "printed")
	if l.encoding == nameTable || l.demo || l.verbose || l.progress.width > 0 {
		l.env.say(fmt.Sprintf("%s on %s", entryCount(l.printed.entries), count(l.progress.pages, "page", "pages")))
	}
}
