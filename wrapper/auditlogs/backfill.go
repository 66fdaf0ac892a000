package auditlogs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Why a backfill is complete. A stretch is a listing of its own, by the ordinary reader: the window
// from some later start to the window's end, so that in the order of the service it is a suffix of
// the whole listing. A stretch is read until it has shown an entry that a later stretch has shown
// too, since that one has everything after the entry. It stops only then, or after its last page.
// No end of a stretch is sent to the service or compared with a time, so that it does not matter
// whether bounds are inclusive, how precise they are, or in which order entries with the same time
// are listed. Times decide only where a stretch starts: a wrong start costs requests, and no
// entries. Every page is delivered, stretch by stretch; an entry is left out only if the same entry
// was delivered before.
//
// All of this relies on the service sorting and filtering by the same time. If times are out of
// order, that is in doubt: the plain listing then continues from the last place that depends on the
// first stretch alone.

// Backfill reads a long window in several places at the same time. The entries are the same, in the
// same order, each once, and positions work as usual. How many requests are under way follows from
// how long they take and from the client's budget; what is read ahead is bounded to about 100 MB.
// It is for windows of many pages on a slow connection: nothing is read ahead before as many
// entries have come in order as [Limits] remembers, nor while the budget limits the speed. It makes
// at most 1.3 times the requests.
func Backfill() ListOption {
	return func(o *listOptions) { o.backfill = true }
}

const (
	aheadBytes      = 96 << 20 // what is read ahead, requests under way included
	stretchPages    = 8        // planned for a stretch; each stretch costs about half a page more than its entries need
	pagesForStretch = 6        // read for each stretch that is opened: bounds the requests, whatever the times are
	backfillMemory  = 1 << 18  // entries; bounds that count as whole days show a day's entries again, most of them delivered
)

// A backfill is one concurrent run through a listing. Each event plans the next requests: a request
// that is sent, a page that arrives, and a page that is delivered.
type backfill struct {
	pager   *pager // delivers
	ctx     context.Context
	running *sync.WaitGroup

	changed         *sync.Cond // its lock guards the fields below
	stretches       []*stretch // in order; the first is being delivered
	shown           *memory    // which stretch showed an entry; the latest in order of several
	sure            Position   // the last place before the first seam between two stretches
	late            *stretch   // holds what had been shown when a time was out of order; nil before
	seam, unordered bool       // there was one
	searching       bool       // the place of a resumed listing is not found yet
	closed          bool       // no further stretch is opened

	underway               int  // requests
	queued                 bool // one of them waits for the budget
	opened, reads, entries int  // stretches, pages and entries so far
	largest                int  // page, in bytes
	owed                   int  // entries that were read and have not been delivered
	latency                time.Duration
}

// A stretch is the part of the listing that starts at a time.
type stretch struct {
	reader         *reader
	start, reached time.Time // start of the requests; time of the latest entry that it showed, zero before
	pace           time.Duration
	pages          []*answer // read, and not delivered yet
	read           bool      // it has shown something, or is the first
	most           int       // bytes of the page under way; 0 for no bound of its own
	underway, done bool      // a page is being read; nothing more is to be read
	stop           func()    // gives up the page under way
	parked         bool      // a request has failed; the page is requested again when its turn comes
	err            error     // of a request whose turn had come
}

func newBackfill(ctx context.Context, running *sync.WaitGroup, p *pager, first *reader) *backfill {
	p.seen.size = max(p.seen.size, backfillMemory)
	return &backfill{
		pager: p, ctx: ctx, running: running, changed: sync.NewCond(new(sync.Mutex)), shown: newMemory(p.seen.size),
		stretches: []*stretch{{reader: first, start: first.listing.from, read: true}},
	}
}

// next waits for the page whose turn it is. It returns nil after the last.
func (b *backfill) next() (*answer, error) {
	b.changed.L.Lock()
	defer b.changed.L.Unlock()
	b.searching = b.pager.search != nil
	if !b.seam {
		b.sure = b.pager.position
	}
	for b.ctx.Err() == nil {
		if b.unordered && b.late == nil {
			// The pages that were read are delivered at the end, without the entries that were
			// delivered before.
			b.late = &stretch{done: true}
			for _, s := range b.stretches {
				b.late.pages = append(b.late.pages, s.pages...)
			}
			b.pager.position = b.sure
			b.stretches = []*stretch{{reader: b.pager.reader(), read: true}, b.late}
			if b.pager.resumed.IsZero() {
				b.pager.search = nil // All that was delivered is known; not so after an earlier run.
			}
		}
		b.plan()
		front, only := b.stretches[0], len(b.stretches) == 1
		switch {
		case len(front.pages) > 0:
			next := front.pages[0]
			// The stretch is kept with what it has shown: its array must not keep the page as well.
			front.pages = slices.Delete(front.pages, 0, 1)
			b.owed -= len(next.Entries)
			b.plan()
			next.more = !front.done || len(front.pages) > 0 || !only
			return next, nil
		case front.done && !front.underway && !only:
			b.stretches, b.seam = b.stretches[1:], true
		case front.done && b.underway == 0 && b.owed != 0:
			return nil, fmt.Errorf("%s: %d entries were read and not delivered, which is a bug in this library: list again without Backfill, and report it", b.pager.listing, b.owed)
		case front.done && b.underway == 0, front.err != nil:
			return nil, front.err
		default:
			b.changed.Wait()
		}
	}
	return nil, ended(b.ctx)
}

// plan starts as many requests as the budget, the memory and the work allow, in the order of their
// entries.
func (b *backfill) plan() {
	for b.ctx.Err() == nil && !b.queued {
		next, most := b.choose()
		if next == nil {
			return
		}
		next.underway, next.most, b.queued = true, most, true
		b.underway++
		ctx, stop := context.WithCancel(b.ctx)
		next.stop = stop
		b.running.Go(func() {
			defer stop()
			b.read(ctx, next)
		})
	}
}

// choose returns the stretch to read from, a new one if all are being read, and the bound of its
// page in bytes: a larger page is refused, and requested again when its turn comes.
func (b *backfill) choose() (next *stretch, most int) {
	reserve := max(b.largest*3/2, 1<<20)
	bytes := reserve
	for _, s := range b.stretches {
		bytes += s.most
		for _, page := range s.pages {
			bytes += page.bytes
		}
	}
	room := bytes <= aheadBytes
	for i, s := range b.stretches {
		switch {
		case s.done, s.underway, s.err != nil:
		case i+1 < len(b.stretches) && b.stretches[i+1].underway && !b.stretches[i+1].read && b.beyond(s.reached, b.stretches[i+1].start):
			// The first page of the next stretch decides which of the two continues. Waiting for it
			// saves a request.
		case i == 0 && len(s.pages) < 2:
			return s, 0
		case room && !s.parked:
			return s, reserve
		}
	}
	if room && !b.searching && !b.closed && b.opened < b.reads/pagesForStretch && !b.pager.config.pace.busy(b.latency, b.underway) &&
		b.entries >= b.pager.config.limits.Remembered { // Enough to have seen whether they are in order.
		next = b.open()
	}
	return next, reserve
}

// open starts a stretch some pages after the first place where, by estimate, that many are left to
// be read.
func (b *backfill) open() *stretch {
	l := b.pager.listing
	for i, s := range b.stretches {
		from, end := s.start, l.to
		if i+1 < len(b.stretches) {
			end = b.stretches[i+1].start
		}
		if b.beyond(s.reached, from) {
			from = s.reached
		}
		start := l.round(from, stretchPages*s.pace)
		if s.done || s.pace == 0 || l.distance(from, end)/s.pace < stretchPages+2 || !b.beyond(start, from) || !b.beyond(end, start) {
			continue
		}
		b.opened++
		// A nanosecond early, so that it does not matter whether the bound is inclusive.
		rest := l.startingAt(Time(start.Add(-time.Nanosecond)))
		read := &reader{config: b.pager.config, transfers: b.pager.transfers, listing: rest}
		next := &stretch{reader: read, start: start, pace: s.pace}
		b.stretches = slices.Insert(b.stretches, i+1, next)
		return next
	}
	return nil
}

// read reads the next page of a stretch.
func (b *backfill) read(ctx context.Context, s *stretch) {
	var sent time.Time
	answer, err := s.reader.next(ctx, s.most, func() {
		b.changed.L.Lock()
		defer b.changed.L.Unlock()
		b.queued, sent = false, time.Now()
		b.plan()
	})
	b.changed.L.Lock()
	defer b.changed.L.Unlock()
	defer b.changed.Broadcast()
	b.queued = b.queued && !sent.IsZero()
	b.underway--
	bounded := s.most > 0
	s.underway, s.most = false, 0
	switch {
	case err == nil:
		b.latency = max((3*b.latency+time.Since(sent))/4, time.Since(sent)/2)
		s.parked = false
		b.came(s, answer)
	case s.done:
	case !bounded:
		s.err = err
	default:
		// The stretches before continue past one that has shown nothing.
		s.parked, s.done = true, s.done || !s.read
		b.opened++ // It has cost as much as a stretch.
		if errors.Is(err, ErrLimitExceeded) {
			b.largest *= 2
		}
	}
	b.plan()
}

// came adds a page to a stretch. If two stretches turn out to meet, the earlier one stops.
func (b *backfill) came(s *stretch, answer *answer) {
	if b.late != nil && s != b.stretches[0] {
		s = b.late
	}
	s.pages = append(s.pages, answer)
	givenUp := s.done && !s.read // It is not read on, and so stops nobody.
	s.done = s.done || answer.cursor == ""
	answer.overlaps = true
	b.reads++
	b.entries += len(answer.Entries)
	b.owed += len(answer.Entries)
	b.largest = max(b.largest, answer.bytes)
	if answer.cursor == "" && s.read {
		b.skip(s, nil)
	}
	if len(answer.Entries) == 0 || s == b.late || givenUp {
		return
	}
	if started := func(e *Entry) bool { return !e.Action.Time.IsZero() && !b.beyond(s.start, e.Action.Time) }; !s.read &&
		(!slices.ContainsFunc(answer.Entries, started) || slices.ContainsFunc(answer.Entries, b.pager.resumedAfter)) {
		// Bounds are so coarse that earlier stretches, or the listing that was resumed, have read
		// this, or soon will.
		s.done, b.closed = true, true
		return
	}
	s.read = true
	for _, entry := range answer.Entries {
		by, _ := b.shown.set(entry.id, s)
		switch t := entry.Action.Time; {
		case by == s:
			answer.Repeated++
		case by == nil && b.beyond(s.reached, t):
			b.unordered, b.closed = true, true
		case by != nil && b.beyond(by.start, s.start):
			b.shown.set(entry.id, by)
			s.done = true
			b.skip(s, by)
		case by != nil:
			by.done = true
		}
		if t := entry.Action.Time; s.reached.IsZero() || b.beyond(t, s.reached) {
			s.reached = t
		}
	}
	if first := answer.Entries[0].Action.Time; !first.IsZero() {
		s.pace = max((s.pace+b.pager.listing.distance(first, s.reached))/2, time.Millisecond)
	}
}

// skip gives up the empty stretches between two, or after one that has ended: they are part of the
// first.
func (b *backfill) skip(s, to *stretch) {
	for _, other := range b.stretches[slices.Index(b.stretches, s)+1:] {
		if other == to {
			return
		}
		if !other.read && !other.done {
			other.done = true
			other.stop()
		}
	}
}

func (b *backfill) beyond(t, than time.Time) bool { return b.pager.listing.beyond(t, than) }
