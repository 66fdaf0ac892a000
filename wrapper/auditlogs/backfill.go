package auditlogs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Backfill reads a long window in several places at the same time. The entries are the same, and come in the same order,
// each once; positions work as ever. How many requests are under way follows from how long they take and from the client's
// budget, and what is read ahead is bounded in memory. It is for windows of many pages: a short one gains nothing.
//
// The window is split by time, so that this relies on the service to sort by time. An entry without a readable time comes
// with the part of the window that listed it.
func Backfill() ListOption {
	return func(o *listOptions) { o.backfill = true }
}

const (
	// aheadBytes and aheadPages bound what is read before its turn, pages under way included.
	aheadBytes = 56 << 20
	aheadPages = 32
	// longestPart is how many pages a part is planned for, at the most. Each part costs about half a page more than its
	// entries need, and its first page is wanted only when all before it have been delivered.
	longestPart = 8
	// steadyRows are as many entries as a part is planned for, at the least, as far as longestPart allows: their number can be
	// foreseen to a twentieth.
	steadyRows = 400
)

// A backfill is one concurrent run through a listing. Whatever happens, a request that ends or a page that is taken, plans
// what comes next: nothing runs in between.
type backfill struct {
	front *pager // delivers

	ctx     context.Context
	running sync.WaitGroup
	changed *sync.Cond // with the lock of all that follows
	parts   []*part    // in order; the first is the next to be delivered
	underway, queued,
	buffered int // requests; those among them that wait for the budget; pages that wait for their turn
	pageSize int           // bytes of a page, the largest so far
	latency  time.Duration // of a request, smoothed
	unit     time.Duration // of the entries' times: a second, until a finer one is seen
	same     int           // entries delivered at the last moment
}

// A part is a stretch of the window, read page by page. The entries from start up to end are its own; the first and the last
// part are not bounded here but by the service.
type part struct {
	pager       *pager
	start, end  time.Time
	first, last bool
	slack       time.Duration // by how much its requests reach beyond the bounds that it began with
	asked       time.Time     // the end that it began with

	dropped  bool          // another part's page has brought all of it
	reached  time.Time     // everything before has been read
	perPage  time.Duration // what a page covers there, as far as is known; 0 where it is not
	rows     int           // on such a page
	underway bool
	done     bool
	err      error
	pages    []*answer
}

func newBackfill(front *pager) *backfill {
	first := *front
	start, end := front.asked.ends()
	return &backfill{
		front:   front,
		same:    front.position.at.Offset,
		changed: sync.NewCond(new(sync.Mutex)),
		unit:    time.Second,
		parts:   []*part{{pager: &first, start: start, end: end, first: true, last: true, asked: end, reached: start}},
	}
}

func (b *backfill) run(ctx context.Context, yield func(*Page, error) bool) {
	ctx, stop := context.WithCancel(ctx)
	defer b.running.Wait()
	defer stop()
	b.ctx = ctx
	for {
		part, answer, err := b.next()
		if ctx.Err() != nil {
			err = ended(ctx)
		}
		if err != nil {
			yield(nil, &IncompleteError{Position: b.front.position, Err: err})
			return
		}
		if answer == nil {
			return
		}
		page := b.page(part, answer)
		if !yield(page, nil) || page.Next.IsZero() {
			return
		}
	}
}

// next waits for the page whose turn it is. It returns none behind the last.
func (b *backfill) next() (*part, *answer, error) {
	b.changed.L.Lock()
	defer b.changed.L.Unlock()
	for {
		b.plan()
		front := b.parts[0]
		switch {
		case len(front.pages) > 0:
			answer := front.pages[0]
			front.pages = slices.Delete(front.pages, 0, 1)
			b.buffered--
			b.plan()
			return front, answer, nil
		case front.err != nil || b.ctx.Err() != nil:
			return nil, nil, front.err
		case front.done && len(b.parts) == 1:
			return nil, nil, nil
		case front.done:
			b.parts = slices.Delete(b.parts, 0, 1)
		default:
			b.changed.Wait()
		}
	}
}

// page delivers an answer: those of its entries that are its part's own.
func (b *backfill) page(from *part, answer *answer) *Page {
	b.changed.L.Lock()
	whole := len(b.parts) == 1 && from.done && len(from.pages) == 0
	own := slices.DeleteFunc(answer.entries, func(e *Entry) bool { return !b.owns(from, e.Action.Time) })
	b.changed.L.Unlock()
	p := b.front
	page := &Page{RayID: answer.rayID, Attempts: answer.attempts, History: answer.history}
	before := p.mark.Time
	p.deliver(page, own)
	start := &pageStart{listing: p.listing, byTime: true}
	for _, entry := range page.Entries {
		if !entry.mark.Time.Equal(before) {
			b.same, before = 0, entry.mark.Time
		}
		b.same++
		entry.page, entry.offset = start, b.same
	}
	if len(page.Entries) > 0 {
		p.position = start.position(b.same, p.mark)
	}
	if !whole {
		page.Next = p.position
		if page.Next.IsZero() {
			page.Next = start.position(0, p.mark)
		}
	}
	return page
}

// owns reports whether a part delivers what it lists at a time. What lies outside all that the part asked for, or has no time,
// was listed by this part alone.
func (b *backfill) owns(from *part, t time.Time) bool {
	l := b.front.listing
	switch {
	case t.IsZero():
		return true
	case !from.first && beyond(from.start, t, l.descends):
		return beyond(l.step(from.start, -from.slack), t, l.descends)
	case !from.last && !beyond(from.end, t, l.descends):
		return beyond(t, l.step(from.asked, from.slack), l.descends) && !b.parts[len(b.parts)-1].asked.Equal(from.asked)
	}
	return true
}

// plan starts as many requests as the budget, the memory and the work allow, those first whose entries are wanted first.
func (b *backfill) plan() {
	for b.ctx.Err() == nil && b.queued == 0 {
		next := b.choose()
		if next == nil {
			return
		}
		next.underway = true
		b.underway++
		b.queued++
		b.running.Go(func() { b.read(next) })
	}
}

// choose returns the part to read from, a new one where all are being read and one of them is long enough to be split.
func (b *backfill) choose() *part {
	room := b.room()
	if b.underway+b.buffered >= room {
		b.forget(room)
	}
	full := b.underway+b.buffered >= room
	before := 0.0 // pages, as far as can be foreseen
	for i, candidate := range b.parts {
		switch {
		case candidate.err != nil:
			return nil // Nothing behind it will be delivered.
		case i > 0 && (full || before >= float64(room)), full && len(candidate.pages) > 0:
			return nil
		case candidate.done:
		case !candidate.underway:
			return candidate
		case !full:
			if at, ok := b.splits(candidate); ok {
				return b.split(i, at)
			}
		}
		before += b.expected(candidate)
	}
	return nil
}

// expected is how many pages a part will still deliver, as far as can be foreseen.
func (b *backfill) expected(p *part) float64 {
	pages := float64(len(p.pages))
	if !p.done && p.perPage > 0 {
		pages += float64(b.front.listing.distance(p.reached, p.end)) / float64(p.perPage)
	}
	return pages
}

// forget makes room where what was read turns out to be wanted much later: behind a burst that nobody could foresee. It is
// read again in its time.
func (b *backfill) forget(room int) {
	before, far := 0.0, (*part)(nil)
	for _, p := range b.parts {
		if before >= float64(room) && len(p.pages) > 0 && !p.underway {
			far = p
		}
		before += b.expected(p)
	}
	if far != nil {
		b.buffered -= len(far.pages)
		far.pages, far.done, far.err, far.reached = nil, false, nil, far.start
		far.asked, far.pager = far.end, b.newPager(far)
	}
}

// newPager reads a part from its start.
func (b *backfill) newPager(p *part) *pager {
	return &pager{client: b.front.client, fetcher: b.front.fetcher, listing: b.front.listing, asked: b.front.listing.between(p), seen: b.front.seen}
}

// room is how many pages may be under way or wait for their turn.
func (b *backfill) room() int {
	if b.pageSize == 0 {
		return 1
	}
	return min(max(aheadBytes/b.pageSize, 2), aheadPages)
}

// splits returns where to split a part that is being read: so that what stays holds a few whole pages, as far as can be
// foreseen, and only if it is worth a request.
func (b *backfill) splits(p *part) (at time.Time, ok bool) {
	if p.perPage <= 0 || p.rows == 0 {
		return at, false
	}
	l := b.front.listing
	rest := l.distance(p.reached, p.end)
	if float64(rest) < 1.5*float64(p.perPage) {
		return at, false
	}
	pages := max(b.room()/(2*b.workers()), 1)
	// Entries are scattered: a little less than whole pages, so that mostly no further page is needed for the last few. On
	// pages of a few entries that would be much less, were it not for several of them.
	pages = min(max(pages, steadyRows/p.rows), longestPart)
	span := float64(p.perPage) * max(float64(pages)-2.5*math.Sqrt(float64(pages)/float64(p.rows)), float64(pages)/2)
	span = min(max(span, float64(b.unit)), float64(rest))
	at = l.step(p.reached, time.Duration(span))
	if span >= 4*float64(time.Second) {
		at = at.Truncate(time.Second) // A service that takes bounds to the second loses nothing then.
	} else {
		at = at.Truncate(b.unit)
	}
	return at, beyond(at, p.reached, l.descends) && beyond(p.end, at, l.descends)
}

// workers is how many requests are to be under way: as many as the budget starts while one of them lasts.
func (b *backfill) workers() int {
	gap := b.front.client.config.pace.gap()
	if gap <= 0 || b.latency/gap > aheadPages {
		return aheadPages
	}
	return int(b.latency/gap) + 1
}

// split makes what lies behind a time a part of its own.
func (b *backfill) split(i int, at time.Time) *part {
	whole := b.parts[i]
	behind := *whole
	behind.start, behind.reached, behind.first, behind.underway, behind.pages = at, at, false, false, nil
	behind.asked = behind.end
	behind.slack = b.unit
	behind.pager = b.newPager(&behind)
	whole.end, whole.last = at, false
	b.parts = slices.Insert(b.parts, i+1, &behind)
	return &behind
}

// read reads the next page of a part.
func (b *backfill) read(p *part) {
	waiting := true
	left := func() {
		b.changed.L.Lock()
		defer b.changed.L.Unlock()
		if waiting {
			waiting = false
			b.queued--
		}
	}
	err := p.pager.cursors.check(p.pager.cursor)
	if err != nil {
		err = fmt.Errorf("%s: %w", p.pager.listing, err)
	}
	var answer *answer
	var sent time.Time
	if err == nil {
		answer, err = p.pager.fetcher.fetch(b.ctx, p.pager.asked, p.pager.cursor, func() {
			left()
			sent = time.Now()
			b.changed.L.Lock()
			defer b.changed.L.Unlock()
			b.plan()
		})
	}
	left()
	b.changed.L.Lock()
	defer b.changed.L.Unlock()
	defer b.changed.Broadcast()
	b.underway--
	p.underway = false
	if p.dropped {
		b.plan()
		return
	}
	if err == nil {
		b.latency = (3*b.latency + time.Since(sent)) / 4
		if b.latency < time.Since(sent)/2 {
			b.latency = time.Since(sent)
		}
		err = b.took(p, answer)
	}
	p.err = err
	b.plan()
}

// took adds a page to a part, and learns from it.
func (b *backfill) took(p *part, answer *answer) error {
	l := b.front.listing
	listed := len(answer.entries)
	size := 0
	var times []time.Time
	for _, entry := range answer.entries {
		size += len(entry.Raw) + 2000 // The typed entry beside its bytes.
		if t := entry.Action.Time; !t.IsZero() {
			times = append(times, t)
			if t.Nanosecond() != 0 {
				b.unit = time.Millisecond
			}
		}
	}
	b.pageSize = max(b.pageSize, size, 1)
	answer.entries = p.pager.search(answer)
	p.pager.cursor = answer.cursor
	p.done = answer.cursor == ""
	if n := len(times); n > 1 {
		last := times[n-1]
		if beyond(last, p.reached, l.descends) {
			p.reached = last
		}
		// The second half of a page says more about what follows, where the two differ.
		whole, half := l.distance(times[0], last), 2*l.distance(times[n/2], last)
		if half < whole*2/3 || half > whole*3/2 {
			whole = half
		}
		if whole > p.perPage*2/3 && whole < p.perPage*3/2 {
			whole = (3*p.perPage + whole) / 4
		}
		if n < steadyRows && whole < p.perPage {
			// A few entries may be one moment's, and say little. Only that there are fewer than foreseen, they say for sure.
			whole = p.perPage + (whole-p.perPage)*time.Duration(n)/steadyRows
		}
		p.perPage, p.rows = max(whole, time.Millisecond), n
		b.absorb(p, func(next *part) bool { return beyond(last, l.step(next.end, next.slack+b.unit), l.descends) })
		// A part that was split while it was read ends where the next one begins; the service does not know that. As long as it
		// looks for a place, it holds entries back, and goes on.
		p.done = p.done || p.pager.skip == nil && !p.last && !beyond(l.step(p.end, p.slack+b.unit), last, l.descends)
	}
	if answer.cursor == "" {
		b.absorb(p, func(next *part) bool { return !beyond(next.end, p.asked, l.descends) })
	}
	if err := p.pager.progressed(listed > 0, answer); err != nil {
		return err
	}
	p.pages = append(p.pages, answer)
	b.buffered++
	return nil
}

// absorb makes the parts behind p its own that its page has brought along. They were split off while it was on its way, and
// fewer entries lie there than was foreseen. Without that, an empty stretch would be split anew with each request.
func (b *backfill) absorb(p *part, brought func(next *part) bool) {
	for i := slices.Index(b.parts, p) + 1; i < len(b.parts); {
		next := b.parts[i]
		if len(next.pages) > 0 || next.err != nil || !brought(next) {
			return
		}
		next.dropped = true
		p.end, p.last = next.end, next.last
		b.parts = slices.Delete(b.parts, i, i+1)
	}
}

// first returns the end of the window at which the listing begins.
func (l *listing) first() string {
	if l.descends {
		return l.before
	}
	return l.since
}

// ends returns the window in the direction of the listing.
func (l *listing) ends() (from, to time.Time) {
	// Both were checked when the listing was made.
	from, _ = ParseTime(l.since)
	to, _ = ParseTime(l.before)
	if l.descends {
		return to, from
	}
	return from, to
}

// step goes from a time in the direction of the listing.
func (l *listing) step(t time.Time, by time.Duration) time.Time {
	if l.descends {
		by = -by
	}
	return t.Add(by)
}

// distance is how far the listing goes from a time to another.
func (l *listing) distance(from, to time.Time) time.Duration {
	if l.descends {
		return from.Sub(to)
	}
	return to.Sub(from)
}

// startingAt returns the listing from a time on; the listing itself where there is none.
func (l *listing) startingAt(start string) *listing {
	if start == "" {
		return l
	}
	part := *l
	if l.descends {
		part.before = start
	} else {
		part.since = start
	}
	return &part
}

// behind is where requests begin for a place at a time: a second before it, since the service may know the entries' times
// more precisely than it shows them, or take bounds less precisely.
func (l *listing) behind(t time.Time) string {
	from, to := l.ends()
	start := l.step(t.Truncate(time.Second), -time.Second)
	if l.descends {
		start = t.Truncate(time.Second).Add(2 * time.Second)
	}
	switch {
	case t.IsZero():
		return ""
	case !beyond(start, from, l.descends) || !beyond(to, start, l.descends):
		return l.first()
	}
	return Time(start)
}

// between returns the listing of a part. It reaches beyond the part's bounds, so that nothing falls between two parts whether the
// service counts the bounds themselves in or not.
func (l *listing) between(p *part) *listing {
	from, _ := l.ends()
	asked := l
	if start := l.step(p.start, -p.slack); beyond(start, from, l.descends) {
		asked = l.startingAt(Time(start))
	}
	if p.last {
		return asked
	}
	_, to := l.ends()
	end := l.step(p.end, p.slack)
	if !beyond(to, end, l.descends) {
		return asked
	}
	part := *asked
	if l.descends {
		part.since = Time(end)
	} else {
		part.before = Time(end)
	}
	return &part
}
