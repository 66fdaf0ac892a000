package auditlogs

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
)

// String returns the listing's method and path.
func (l *listing) String() string { return l.operation.Method + " " + l.path }

// pages is the pager, for every listing of the API. Err is what was wrong with the query.
func (c *Client) pages(ctx context.Context, l *listing, err error, options []ListOption) iter.Seq2[*Page, error] {
	var o listOptions
	for _, option := range options {
		option(&o)
	}
	if err == nil {
		err = l.checkPosition(o.from)
	}
	return func(yield func(*Page, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		p := pager{client: c, listing: l, cursor: l.start, position: o.from, seen: newMemory(c.config.limits.Remembered)}
		if !o.from.IsZero() {
			p.resume(o.from)
		}
		p.run(ctx, yield)
	}
}

// entries lists the pages' entries one by one.
func (c *Client) entries(ctx context.Context, l *listing, err error, options []ListOption) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for page, err := range c.pages(ctx, l, err, options) {
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

// checkPosition refuses a position that came from a listing of other entries.
func (l *listing) checkPosition(p Position) error {
	switch {
	case p.IsZero():
		return nil
	case p.at.Query != l.identity:
		return fmt.Errorf("%w: the position belongs to another account, direction or set of filters: want the query that it came from", ErrInvalidQuery)
	case p.at.Since != l.since || p.at.Before != l.before:
		return fmt.Errorf("%w: the position belongs to the window since %s before %s: want the same window", ErrInvalidQuery, p.at.Since, p.at.Before)
	}
	return nil
}

// A pager is one run through a listing.
type pager struct {
	client  *Client
	listing *listing

	cursor   string    // of the next page
	position Position  // behind the last entry that was delivered
	mark     mark      // the entry by which that place is found again
	empty    int       // pages in a row that brought nothing new
	skip     *skipping // not nil while a resumed listing looks for its place
	cursors  cursorWatch
	seen     *memory
}

func (p *pager) resume(from Position) {
	p.cursor = from.at.Cursor
	p.mark = from.at.mark
	p.skip = &skipping{
		mark:     from.at.mark,
		descends: p.listing.descends,
		bound:    min(from.at.Offset, p.client.config.limits.Entries) + p.client.config.limits.Remembered,
	}
}

// run yields page after page. It ends without an error only behind a page that has no cursor.
func (p *pager) run(ctx context.Context, yield func(*Page, error) bool) {
	fail := func(err error) {
		yield(nil, &IncompleteError{Position: p.position, Err: err})
	}
	for {
		// Also before the first request of a listing whose context is over.
		if ctx.Err() != nil {
			fail(ended(ctx))
			return
		}
		if err := p.cursors.check(p.cursor); err != nil {
			fail(fmt.Errorf("%s: %w", p.listing, err))
			return
		}
		answer, err := p.client.config.fetch(ctx, p.listing, p.cursor)
		if err != nil {
			fail(err)
			return
		}
		page := p.page(answer)
		// A page of nothing but repeated entries leads no further than one without any. The search for a place is bounded by
		// itself, as long as there are entries to search.
		if len(page.Entries) > 0 || p.skip != nil && len(answer.rows) > 0 {
			p.empty = 0
		} else if p.empty++; p.empty > p.client.config.limits.EmptyPages && answer.cursor != "" {
			fail(fmt.Errorf("%s: %w: more than %d pages in a row brought nothing new, and Limits.EmptyPages allows no more", p.listing, ErrLimitExceeded, p.client.config.limits.EmptyPages))
			return
		}
		if !yield(page, nil) || answer.cursor == "" {
			return
		}
		p.cursor = answer.cursor
	}
}

// page makes a page of an answer: it decodes the entries, leaves out those that were delivered before, and moves the
// position behind the rest.
func (p *pager) page(answer *answer) *Page {
	page := &Page{RayID: answer.rayID, Attempts: answer.attempts}
	start := &pageStart{listing: p.listing, cursor: p.cursor}
	entries := make([]*Entry, 0, len(answer.rows))
	alike := map[identity]int{} // rows without an id that are the same to the byte are entries of their own, all the same
	for i, row := range answer.rows {
		entry := decodeEntry(row)
		entry.page, entry.offset, entry.id = start, i+1, identify(entry, 0)
		if entry.ID == "" {
			first := entry.id
			entry.id = identify(entry, alike[first])
			alike[first]++
		}
		entries = append(entries, entry)
	}
	if p.skip != nil {
		var over bool
		if entries, over = p.skip.over(entries, answer.cursor == "", p.seen); over {
			p.skip = nil
		}
	}
	page.Entries = entries[:0]
	for _, entry := range entries {
		if !p.seen.add(entry.id) {
			page.Repeated++
			continue
		}
		if t := entry.Action.Time; beyond(p.mark.Time, t, p.listing.descends) {
			page.OutOfOrder++
		} else {
			p.mark.Identity, p.mark.Untimed = entry.id, t.IsZero()
			if !t.IsZero() {
				p.mark.Time = t
			}
		}
		entry.mark = p.mark
		page.Entries = append(page.Entries, entry)
	}
	if page.Repeated > 0 || page.OutOfOrder > 0 {
		p.client.config.logger.Warn("audit log page overlaps an earlier one", slog.String("path", p.listing.path),
			slog.Int("repeated", page.Repeated), slog.Int("out_of_order", page.OutOfOrder), slog.String("ray", printable(page.RayID)))
	}
	// As long as the place is not found, nothing is delivered, and an error leaves the position where it was. Else the
	// listing goes on with this page, and gets its cursor anew: that cursor may be what is wrong.
	if p.skip == nil {
		p.position = start.position(len(answer.rows), p.mark)
	}
	if answer.cursor != "" {
		page.Next = p.position
	}
	return page
}
