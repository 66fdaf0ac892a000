package auditlogs

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
)

// String returns the listing's method and path.
func (l *listing) String() string { return l.operation.Method + " " + l.path }

// pages is the pager, for every listing of the API.
func (c *Client) pages(ctx context.Context, l *listing, options []ListOption) iter.Seq2[*Page, error] {
	o := listOptions{ahead: true}
	for _, option := range options {
		option(&o)
	}
	err := l.wrong
	if err == nil {
		err = l.checkPosition(o.from)
	}
	return func(yield func(*Page, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		p := &pager{client: c, fetcher: newFetcher(&c.config), listing: l, asked: l, ahead: o.ahead, cursor: l.start, position: o.from, seen: newMemory(c.config.limits.Remembered)}
		if !o.from.IsZero() {
			p.resume(o.from)
		}
		if o.backfill {
			newBackfill(p).run(ctx, yield)
			return
		}
		p.run(ctx, yield)
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

// checkPosition refuses a position that came from a listing of other entries.
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

// A pager is one run through a listing.
type pager struct {
	client  *Client
	fetcher *fetcher
	listing *listing // the whole
	asked   *listing // what is requested of it
	ahead   bool     // the next page is asked for while the caller works on this one

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
	p.asked = p.listing.startingAt(from.at.Start)
	p.skip = &skipping{
		mark:     from.at.mark,
		byTime:   from.at.Start != "",
		descends: p.listing.descends,
		bound:    min(from.at.Offset, p.client.config.limits.Entries) + p.client.config.limits.Remembered,
	}
}

// run yields page after page. It ends without an error only behind a page that has no cursor.
func (p *pager) run(ctx context.Context, yield func(*Page, error) bool) {
	ctx, stop := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait()
	defer stop()
	fail := func(err error) {
		yield(nil, &IncompleteError{Position: p.position, Err: err})
	}
	next := p.ask(ctx, &asked)
	for {
		// Also before the first request of a listing whose context is over.
		if ctx.Err() != nil {
			fail(ended(ctx))
			return
		}
		answer, err := next()
		if err != nil {
			fail(err)
			return
		}
		page := p.page(answer)
		// The search for a place is bounded by itself, as long as there are entries to search.
		if err := p.progressed(len(page.Entries) > 0 || p.skip != nil && len(answer.entries) > 0, answer); err != nil {
			fail(err)
			return
		}
		if answer.cursor != "" {
			p.cursor = answer.cursor
			next = p.ask(ctx, &asked)
		}
		if !yield(page, nil) || answer.cursor == "" {
			return
		}
	}
}

// progressed bounds how long a listing goes on without anything new. A page of nothing but repeated entries leads no further
// than one without any.
func (p *pager) progressed(anew bool, answer *answer) error {
	if anew {
		p.empty = 0
		return nil
	}
	most := p.client.config.limits.EmptyPages
	if p.empty++; p.empty > most && answer.cursor != "" {
		return fmt.Errorf("%s: %w: more than %d pages in a row brought nothing new, and Limits.EmptyPages allows no more", p.listing, ErrLimitExceeded, most)
	}
	return nil
}

// ask asks for the page at the cursor, and returns what waits for the answer. With prefetching the request is made while the
// caller works on the page before, and else only when its answer is wanted.
func (p *pager) ask(ctx context.Context, asked *sync.WaitGroup) func() (*answer, error) {
	cursor := p.cursor
	if err := p.cursors.check(cursor); err != nil {
		return func() (*answer, error) { return nil, fmt.Errorf("%s: %w", p.listing, err) }
	}
	fetch := func() (*answer, error) { return p.fetcher.fetch(ctx, p.asked, cursor, nil) }
	if !p.ahead {
		return fetch
	}
	var result *answer
	var err error
	done := make(chan struct{})
	asked.Go(func() {
		defer close(done)
		result, err = fetch()
	})
	return func() (*answer, error) {
		<-done
		return result, err
	}
}

// page makes a page of an answer: it leaves out the entries that were delivered before, and moves the position behind the
// rest.
func (p *pager) page(answer *answer) *Page {
	start := &pageStart{listing: p.listing, cursor: p.cursor}
	if p.asked != p.listing {
		start.start = p.asked.first()
	}
	for i, entry := range answer.entries {
		entry.page, entry.offset = start, i+1
	}
	count := len(answer.entries)
	page := &Page{RayID: answer.rayID, Attempts: answer.attempts, History: answer.history}
	p.deliver(page, p.search(answer))
	// As long as the place is not found, nothing is delivered, and an error leaves the position where it was. Else the
	// listing goes on with this page, and gets its cursor anew: that cursor may be what is wrong.
	if p.skip == nil {
		p.position = start.position(count, p.mark)
	}
	if answer.cursor != "" {
		page.Next = p.position
	}
	return page
}

// search tells the entries of an answer apart and, while a resumed listing looks for its place, leaves out those before it.
func (p *pager) search(answer *answer) []*Entry {
	alike := map[identity]int{} // rows without an id that are the same to the byte are entries of their own, all the same
	for _, entry := range answer.entries {
		entry.id = identify(entry, 0)
		if entry.ID == "" {
			first := entry.id
			entry.id = identify(entry, alike[first])
			alike[first]++
		}
	}
	if p.skip == nil {
		return answer.entries
	}
	entries, over := p.skip.over(answer.entries, answer.cursor == "", p.seen)
	if over {
		p.skip = nil
	}
	return entries
}

// deliver puts entries on a page, apart from those that were delivered before, and marks the place behind each.
func (p *pager) deliver(page *Page, entries []*Entry) {
	page.Entries = make([]*Entry, 0, len(entries))
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
}
