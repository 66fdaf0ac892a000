package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/summary/page"
)

// nameHTML is the format of a page in one file.
const nameHTML = "html"

// A reading is one run of a command that reads a window to its end and prints what its entries come
// to.
type reading struct {
	selection
	encoding string
	timeZone

	owner   string // of the first entry: an account or an organization
	several bool   // there are others
	entries int
	reached time.Time
	noted   []string
}

// flags are those of every such command, with its own after the window.
func (r *reading) flags(since *flagValue, own ...*flagValue) []*flagValue {
	return slices.Concat(
		[]*flagValue{since, r.beforeBound()},
		own,
		[]*flagValue{
			formatFlag(&r.encoding, "text for people, json for programs, or html: a page in one file", nameText, nameText, nameJSON, nameHTML),
			r.pageSizeFlag(),
			r.parallelFlag(),
			r.organizationFlag(),
		},
		r.timeZone.flags(), r.selection.flags())
}

// prepare finds the window, and checks what can be checked without a request.
func (r *reading) prepare() error {
	if err := r.window(); err != nil {
		return err
	}
	if r.encoding == nameHTML && r.env.terminal(r.env.stdout) > 0 {
		return r.usage("a page of html is no use on a terminal: want it in a file, as with --format html > %s.html", r.cmd.Name())
	}
	return cmp.Or(r.checkFilters(), r.env.checkOutput())
}

// do connects and calls work, which reads the window from since on.
func (r *reading) do(ctx context.Context, since time.Time, work func(context.Context) error) error {
	r.showProgress()
	r.progress.begin(since, r.end, 0)
	return r.use(ctx, work)
}

// each calls do for every entry of a query. A listing that does not reach its end is an error that
// says how far it came.
func (r *reading) each(ctx context.Context, query auditlogs.Query, do func(*auditlogs.Entry)) error {
	r.entries, r.reached = 0, time.Time{}
	for page, err := range r.log().Pages(ctx, query, r.listOptions(true)...) {
		r.progress.clear()
		var incomplete *auditlogs.IncompleteError
		switch {
		case err != nil && !errors.As(err, &incomplete):
			return r.usage("%s", err) // Refused before any request.
		case err != nil:
			return r.incomplete(ctx, query, incomplete.Err)
		}
		r.tally.add(page)
		for _, entry := range page.Entries {
			owner := cmp.Or(entry.Account.ID, entry.Organization.ID)
			r.owner = cmp.Or(r.owner, owner)
			r.several = r.several || owner != "" && owner != r.owner
			do(entry)
		}
		r.entries += len(page.Entries)
		if at := reached(page); !at.IsZero() {
			r.reached = at
		}
		r.progress.page(r.entries, r.reached)
	}
	r.progress.clear()
	return nil
}

// incomplete reports a listing that the service, the network or the user has ended. Nothing is
// printed: numbers of a part of a window look like those of the whole.
func (r *reading) incomplete(ctx context.Context, query auditlogs.Query, cause error) error {
	e := failed(ctx, cause)
	if errors.Is(cause, auditlogs.ErrInvalidQuery) && r.entries == 0 {
		e.text += "; nothing was printed"
		e.last = seeHelp(r.cmd)
		return e
	}
	e.text += fmt.Sprintf("; nothing was printed, since only %s of the window %s were read", entryCount(r.entries), windowWords(query))
	if !r.reached.IsZero() {
		e.text += fmt.Sprintf(" (up to %s)", auditlogs.Time(r.reached))
	}
	return e.goOn("start again", r.line(r.fixedFlags()...))
}

func windowWords(query auditlogs.Query) string {
	return "from " + query.Since + " up to " + query.Before
}

// notes prints what people must know about what was read, from a time on. A page shows these notes
// and all later ones.
func (r *reading) notes(start time.Time) {
	r.env.noted = &r.noted
	r.noteWindow(start)
	if r.several {
		r.env.note("the archive has entries of several accounts or organizations, which are counted together, and an entry that is in the log " +
			"of each of them counts for each: --account or --organization selects one")
	}
	r.noteTally("counted")
	if r.entries == 0 {
		r.noteNothing(false)
	}
}

// printPage prints a page of html.
func (r *reading) printPage(p *page.Page) {
	// A page is handed on, and a URL can hold a password.
	p.Log, p.Notes = r.log().String(), r.noted
	p.Command, p.Made, p.Location = r.line(r.fixedFlags(baseURLFlag)...), r.env.now(), r.location
	_ = p.Write(r.out())
}

// printJSON prints a value for programs.
func (r *reading) printJSON(value any) {
	encoder := json.NewEncoder(r.out())
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value)
}
