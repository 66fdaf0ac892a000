package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// plan starts the next sweep. It reports false if there is nothing to request yet: before the
// start, or while the clock is before the watermark.
func (f *Follower) plan(interval time.Duration) bool {
	s, now := f.state, f.now().Round(0).UTC() // by the wall clock, which the entries have too
	before := now.Add(-f.settle).Truncate(time.Second)
	deep := now.Sub(s.LookedBack) >= f.every || now.Before(s.LookedBack)
	since := s.since(now, f.depth, deep)
	if !deep {
		since, deep = s.reach(now, f.depth, interval, f.pageSize())
	}
	if !since.Before(before) {
		if s.Watermark.After(now) && s.Watermark.After(s.Start) {
			err := fmt.Errorf("the clock is %s slow: it is before the last time that was read; waiting for it", s.Watermark.Sub(now).Round(time.Second))
			f.report(func(h *Health) { h.failed(now, err) })
		}
		return false
	}
	s.Sweep = &sweep{Since: since, Before: before, Begun: now, Deep: deep}
	return true
}

// sweep delivers the new entries of the window, page by page, and advances the state after each,
// until the window or the given number of pages has been read; 0 is no bound. It reports whether
// the state has advanced. An error that is neither a lastingError nor the context's is temporary.
func (f *Follower) sweep(ctx context.Context, deliver Handler, most int) (moved bool, err error) {
	w, pages := f.state.Sweep, 0
	for page, err := range f.log.Pages(ctx, f.window(w), auditlogs.From(w.Position)) {
		if err != nil {
			if ctx.Err() != nil {
				return moved, ended(ctx)
			}
			return moved, f.troubled(err, moved)
		}
		news := f.read(page)
		if len(news.batch.Entries) > 0 {
			if err := deliver(ctx, news.batch); err != nil {
				return moved, &lastingError{error: fmt.Errorf("follow: %d entries of %s were not delivered, and the next run delivers them again: %w", len(news.batch.Entries), f.log, err)}
			}
		}
		// A resumed listing first returns the rest of the page where it stopped, mostly nothing.
		forgotten := 0
		if len(news.batch.Entries) > 0 || page.Next.IsZero() || page.Next != w.Position {
			forgotten = f.acknowledge(page, news)
			if err := f.save(ctx, f.state); err != nil {
				return moved, &lastingError{error: fmt.Errorf("follow: %s cannot be saved, and the entries since the last save will be delivered again: %w", f.stateName(), err)}
			}
			moved = true
		}
		f.report(func(h *Health) {
			f.progressed(h)
			h.Pages++
			h.Requests += int64(page.Attempts)
			h.RateLimited += int64(page.RateLimited)
			h.Entries += int64(len(news.batch.Entries))
			h.Late += int64(news.batch.Late)
			h.NearlyMissed += int64(news.nearlyMissed)
			h.Lateness = f.lateness.add(news.lateness)
			h.Repeats += int64(news.repeats + page.Repeated)
			h.Forgotten += int64(forgotten)
			h.LastSuccess = f.now().UTC()
			h.Refused = false
			h.Err = nil
		})
		if pages++; pages == most {
			break
		}
	}
	return moved, nil
}

// News are the new entries of a page.
type news struct {
	batch        Batch
	sightings    map[uint64]int64 // what to remember when the batch is acknowledged
	newest       time.Time
	lateness     []time.Duration
	nearlyMissed int
	repeats      int
}

func (f *Follower) read(page *auditlogs.Page) news {
	s, w := f.state, f.state.Sweep
	n := news{batch: Batch{Log: f.log}, sightings: map[uint64]int64{}}
	edge := s.LookedBack.Add(-f.depth.lookBack * 3 / 4)
	// After an outage it is unknown how long the entries have been there.
	now := f.now()
	measures := now.Sub(latest(f.looked, s.LookedBack)) <= f.every
	for _, e := range page.Entries {
		at := e.Action.Time
		hash := f.hash(e)
		_, known := s.Seen.seen[hash]
		switch {
		case at.IsZero():
			// It can be in any window, and so is remembered again each time.
			n.sightings[hash] = minute(w.Before)
		case !known:
			n.sightings[hash] = minute(latest(w.Since, earliest(at, w.Before)))
		}
		if known {
			n.repeats++
			continue
		}
		n.batch.Entries = append(n.batch.Entries, e)
		n.newest = latest(n.newest, earliest(at, w.Before))
		if at.IsZero() || at.Before(s.Forgotten) {
			continue // An entry from a time of forgotten ids may have been delivered.
		}
		if measures {
			n.lateness = append(n.lateness, now.Sub(at))
		}
		if at.Before(s.Watermark) {
			n.batch.Late++
			if at.Before(edge) {
				n.nearlyMissed++
			}
		}
	}
	return n
}

// hash identifies an entry.
func (f *Follower) hash(e *auditlogs.Entry) uint64 {
	hash := f.state.Seen.hash(e, 0)
	if e.ID != "" {
		return hash
	}
	if f.identical == nil || !e.Action.Time.Equal(f.moment) {
		f.identical, f.moment = map[uint64]int{}, e.Action.Time
	}
	f.identical[hash]++
	return f.state.Seen.hash(e, f.identical[hash]-1)
}

// acknowledge advances the state to the end of a page. It returns how many ids had to be forgotten.
func (f *Follower) acknowledge(page *auditlogs.Page, n news) (forgotten int) {
	s := f.state
	for hash, at := range n.sightings {
		s.Seen.seen[hash] = at
	}
	s.Newest = latest(s.Newest, n.newest)
	s.sized(len(page.Entries)+page.Repeated, s.Sweep.Position, page.Next)
	if page.Next.IsZero() {
		*s = f.completed()
	} else {
		s.Sweep.Position = page.Next
	}
	s.Seen.forget(s.horizon(f.depth))
	forgotten, through := s.Seen.shrink(f.memory)
	s.Forgotten = latest(s.Forgotten, through)
	return forgotten
}

// troubled decides what to do about a failed sweep: a temporary error is returned unchanged, with
// the sweep ready for a retry, and a permanent one as a lastingError.
func (f *Follower) troubled(err error, moved bool) error {
	w := f.state.Sweep
	if incomplete, ok := errors.AsType[*auditlogs.IncompleteError](err); ok {
		err = incomplete.Err
	}
	requests := int64(1)
	if answered, ok := errors.AsType[*auditlogs.Error](err); ok {
		requests = int64(answered.Attempts)
	}
	token := errors.Is(err, auditlogs.ErrUnauthorized) || errors.Is(err, auditlogs.ErrForbidden)
	f.report(func(h *Health) {
		h.Requests += requests
		if errors.Is(err, auditlogs.ErrRateLimited) {
			h.RateLimited += requests
		}
		h.Refused = h.Refused || token
	})
	lasting, exceeded := !auditlogs.Retryable(err), errors.Is(err, auditlogs.ErrLimitExceeded)
	switch {
	case !w.Position.IsZero() && !token && (lasting && !exceeded || !moved || errors.Is(err, auditlogs.ErrCursorLoop)):
		// The cursor may have expired: neither its lifetime nor the service's answer then is
		// documented. After other errors, there is a second attempt with the cursor.
		w.anew(f.depth.overlap)
		f.report(func(h *Health) { h.Restarts++ })
	case lasting:
		return &lastingError{error: fmt.Errorf("follow: %w", err), token: token}
	}
	return err
}
