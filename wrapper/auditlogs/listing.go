package auditlogs

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// String returns the listing's method and path.
func (l *listing) String() string { return l.operation.Method + " " + l.path }

// pages is the pager, for every listing of the API.
func (c *Client) pages(ctx context.Context, l *listing, options []ListOption) iter.Seq2[*Page, error] {
	o := listOptions{ahead: true}
	for _, option := range options {
		option(&o)
	}
	err := cmp.Or(l.wrong, l.checkPosition(o.from))
	return func(yield func(*Page, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		for _, unknown := range l.unknown {
			c.config.logger.LogAttrs(ctx, slog.LevelWarn, "audit log filter has a value that is not known, and is sent as it is", unknown...)
		}
		ctx, stop := context.WithCancel(ctx)
		var running sync.WaitGroup
		p := &pager{
			config: &c.config, listing: l, position: o.from, resumed: o.from, seen: newMemory(c.config.limits.Remembered),
			transfers: make(chan *transfer, maxTransfers),
		}
		first := p.reader()
		defer first.close()
		defer running.Wait()
		defer stop()
		next := func() (*answer, error) { return first.next(ctx, 0, nil) }
		switch {
		case o.backfill && c.config.source == nil: // An archive reads in parallel by itself.
			next = newBackfill(ctx, &running, p, first).next
		case o.ahead:
			next = ahead(next, &running)
		}
		p.run(ctx, next, yield)
	}
}

// entries lists the pages' entries one by one.
func (c *Client) entries(ctx context.Context, l *listing, options []ListOption) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for page, err := range c.pages(ctx, l, options) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i, entry := range page.Entries {
				if i > 0 && ctx.Err() != nil {
					yield(nil, &IncompleteError{Position: page.Entries[i-1].Position(), Err: ended(ctx)})
					return
				}
				if !yield(entry, nil) {
					return
				}
			}
		}
	}
}

// checkPosition refuses a position that is from a listing of other entries.
func (l *listing) checkPosition(p Position) error {
	switch {
	case p.IsZero():
		return nil
	case p.at.Query != l.identity:
		return fmt.Errorf("%w: the position belongs to another log, direction or set of filters: want the query that it came from", ErrInvalidQuery)
	case p.at.Since != l.since || p.at.Before != l.before:
		return fmt.Errorf("%w: the position belongs to the window since %s before %s: want the same window", ErrInvalidQuery, p.at.Since, p.at.Before)
	}
	return nil
}

// A reader requests the pages of a listing, or of the rest of one, one after the other.
type reader struct {
	*config
	transfers chan *transfer // the free ones, which the readers of one run share
	stored    stored.Listing // of stored entries, once there is one
	listing   *listing
	cursor    string // of the next page
	cursors   cursorWatch
	checked   bool      // the cursor is new
	moment    time.Time // of the last entry with a time
	ties      ties      // of the last entry
	// identical counts the rows with that time that have no id and the same bytes: they are
	// distinct entries.
	identical map[identity]int
}

// next requests the next page; see fetch.
func (r *reader) next(ctx context.Context, most int, sent func()) (*answer, error) {
	if !r.checked {
		if err := r.cursors.check(r.cursor); err != nil {
			return nil, fmt.Errorf("%s: %w", r.listing, err)
		}
	}
	r.checked = true // Requesting a page again after a failure is not a loop.
	answer, err := r.fetch(ctx, most, sent)
	if err != nil {
		return nil, err
	}
	answer.at, answer.bytes = &pageStart{listing: r.listing, cursor: r.cursor}, 64<<10
	answer.more = answer.cursor != ""
	r.cursor, r.checked = answer.cursor, false
	r.ties.OnPage = 0
	var onPage time.Time // a listing that is resumed on this page does not know that an earlier page has this time
	for i, entry := range answer.Entries {
		t := entry.Action.Time
		if !t.IsZero() && !t.Equal(r.moment) {
			r.moment, r.ties.Read, r.identical = t, 0, nil
		}
		entry.content = identify(entry)
		entry.id = entry.content
		if entry.ID == "" {
			if r.identical == nil {
				r.identical = map[identity]int{}
			}
			entry.id = entry.content.after(r.identical[entry.content])
			r.identical[entry.content]++
		}
		if answer.logs != nil {
			entry.id = entry.id.in(answer.logs[i]) // Several logs can have the same entry.
		}
		answer.bytes += len(entry.Raw)*3/2 + 800 // The bytes and the typed entry.
		if !t.IsZero() {
			if !t.Equal(onPage) {
				onPage, r.ties.OnPage = t, 0
			}
			r.ties.OnPage ^= entry.id.digest()
			r.ties.Read ^= entry.id.digest()
		}
		entry.page, entry.offset, entry.ties = answer.at, i+1, r.ties
	}
	return answer, nil
}

// A pager is one run through a listing: what has been delivered of it, and where it continues.
type pager struct {
	config    *config
	listing   *listing
	position  Position // after the last entry that was delivered
	empty     int      // pages in a row without anything new
	search    *search  // not nil while a resumed listing searches for its place
	resumed   Position // where the listing started
	seen      *memory
	transfers chan *transfer
}

// reader returns a reader of the listing from the pager's position.
func (p *pager) reader() *reader {
	r := &reader{config: p.config, transfers: p.transfers, listing: p.listing, cursor: p.listing.query.Get(auditlogsapi.NameCursor)}
	at := p.position.at
	if !p.position.IsZero() {
		r.cursor, r.listing = at.Cursor, p.listing.startingAt(at.Start)
	}
	p.search = nil
	if at.Identity != (identity{}) {
		p.search = &search{listing: p.listing, mark: at.mark, bound: min(at.Offset, p.config.limits.Entries) + p.config.limits.Remembered}
	}
	return r
}

// run yields page after page. Next returns an answer, or nil after the last.
func (p *pager) run(ctx context.Context, next func() (*answer, error), yield func(*Page, error) bool) {
	for {
		var answer *answer
		var page *Page
		err := ended(ctx) // Also before the first request of a listing whose context has ended.
		if err == nil {
			answer, err = next()
		}
		if answer != nil {
			page, err = p.page(answer)
		}
		if err != nil {
			yield(nil, &IncompleteError{Position: p.position, Err: err})
			return
		}
		if answer == nil || !yield(page, nil) || !answer.more {
			return
		}
	}
}

// ahead also requests the page after the one that it returns.
func ahead(next func() (*answer, error), running *sync.WaitGroup) func() (*answer, error) {
	type result struct {
		answer *answer
		err    error
	}
	results := make(chan result, 1)
	request := func() {
		running.Go(func() {
			answer, err := next()
			results <- result{answer, err}
		})
	}
	requested := false
	return func() (*answer, error) {
		if !requested {
			request()
		}
		r := <-results
		if requested = r.err == nil && r.answer.more; requested {
			request()
		}
		return r.answer, r.err
	}
}

// page makes a page of an answer: it leaves out the entries that were delivered before, and moves
// the position after the rest. It fails after too many pages without anything new: a page of only
// repeated entries makes no more progress than an empty one.
func (p *pager) page(answer *answer) (*Page, error) {
	page := answer.Page
	searching := p.search != nil && len(answer.Entries) > 0 // The search has a bound of its own.
	entries := answer.Entries
	if p.search != nil {
		var found bool
		if entries, found = p.search.over(entries, answer.cursor == "", p.seen); found {
			p.search = nil
		}
	} else if answer.at.listing.start != p.resumed.at.Start {
		// With coarse bounds, the service shows entries from before the place that the listing was
		// resumed at. The first stretch shows those of them that have not been delivered.
		entries = slices.DeleteFunc(slices.Clone(entries), p.resumedAfter)
	}
	mark := p.deliver(&page, entries)
	if answer.overlaps {
		page.Repeated = answer.Repeated // An entry of another stretch is not a repeated one.
	}
	if page.Repeated > 0 || page.OutOfOrder > 0 {
		p.config.logger.Warn("audit log page overlaps an earlier one", slog.String("path", p.listing.path),
			slog.Int("repeated", page.Repeated), slog.Int("out_of_order", page.OutOfOrder), slog.String("ray", printable(page.RayID)))
	}
	// Until the place is found, nothing is delivered, and an error leaves the position unchanged.
	// After that, the listing resumes on this page, and gets the next cursor again, since that
	// cursor may be the cause of the error.
	if p.search == nil && (len(page.Entries) > 0 || !answer.overlaps) {
		p.position = answer.at.position(len(answer.Entries), mark)
	}
	if answer.more {
		page.Next = p.position
	}
	if p.empty++; len(page.Entries) > 0 || searching {
		p.empty = 0
	}
	if most := p.config.limits.EmptyPages; p.empty > most && answer.cursor != "" {
		return nil, fmt.Errorf("%s: %w: more than %d pages in a row brought nothing new, and Limits.EmptyPages allows no more", p.listing, ErrLimitExceeded, most)
	}
	return &page, nil
}

// resumedAfter reports whether a resumed listing was resumed after an entry's time, or within it.
func (p *pager) resumedAfter(e *Entry) bool {
	at, t := p.resumed.at.Time, e.Action.Time
	return !at.IsZero() && !t.IsZero() && !p.listing.beyond(t, at)
}

// deliver adds entries to a page, except those that were delivered before, and records the place
// after each. It returns the mark of the last place.
func (p *pager) deliver(page *Page, entries []*Entry) mark {
	at := p.position.at.mark
	page.Entries = make([]*Entry, 0, len(entries))
	for _, entry := range entries {
		if !p.seen.add(entry.id) {
			page.Repeated++
			continue
		}
		entry.before = at
		if t := entry.Action.Time; p.listing.beyond(at.Time, t) {
			page.OutOfOrder++
		} else {
			at.Identity, at.Untimed, at.ties = entry.id, t.IsZero(), entry.ties
			if !t.IsZero() {
				at.Time = t
			}
		}
		entry.mark = at
		page.Entries = append(page.Entries, entry)
	}
	return at
}
