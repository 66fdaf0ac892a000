package archive

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// A merge lists the entries of units in their order, each entry once for a log.
type merge struct {
	*reading
	pending []*unit     // by their starts
	ahead   int         // how many of them are read before their turn
	start   func(*unit) // starts to read one
	active  actives

	timeless, earlierTimeless map[seen]bool // those with an ID and without a time, of which files can differ

	now  time.Time // of the last entry
	seen map[seen]bool
	same map[seen]int // how often a file has an entry without an ID, with the time now
}

// seen is an entry of a log, with the time now.
type seen struct {
	log    string
	id     [16]byte
	number int // of several without an ID that are alike, or of the file that has them
}

// An active is a unit that has its turn.
type active struct {
	unit  *unit
	items []item // the first is the next
}

// actives is a heap by the next item.
type actives struct {
	order
	all []*active
}

func (a *actives) Len() int           { return len(a.all) }
func (a *actives) Less(i, j int) bool { return a.compare(&a.all[i].items[0], &a.all[j].items[0]) < 0 }
func (a *actives) Swap(i, j int)      { a.all[i], a.all[j] = a.all[j], a.all[i] }
func (a *actives) Push(x any)         { a.all = append(a.all, x.(*active)) }
func (a *actives) Pop() any {
	last := a.all[len(a.all)-1]
	a.all = a.all[:len(a.all)-1]
	return last
}

func newMerge(ctx context.Context, r *reading, units []*unit, ahead int) *merge {
	m := &merge{reading: r, ahead: ahead, start: func(u *unit) { r.start(ctx, u) }, timeless: map[seen]bool{}, seen: map[seen]bool{}, same: map[seen]int{}}
	m.active.order = r.order
	m.insert(units...)
	return m
}

// insert adds units to the pending ones.
func (m *merge) insert(units ...*unit) {
	m.pending = append(m.pending, units...)
	slices.SortStableFunc(m.pending, func(a, b *unit) int {
		switch {
		case m.before(a.start, b.start):
			return -1
		case m.before(b.start, a.start):
			return 1
		}
		return a.file.number - b.file.number
	})
}

// next returns the next entry; nil after the last.
func (m *merge) next(ctx context.Context) (*item, error) {
	for {
		for len(m.pending) > 0 && (m.active.Len() == 0 || !m.before(m.active.all[0].items[0].time, m.pending[0].start)) {
			if err := m.activate(ctx); err != nil {
				return nil, err
			}
		}
		if m.active.Len() == 0 {
			return nil, nil
		}
		first := m.active.all[0]
		i := first.items[0]
		first.items = first.items[1:]
		var err error
		if len(first.items) == 0 {
			err = m.refill(ctx, first)
		}
		if len(first.items) > 0 {
			heap.Fix(&m.active, 0)
		} else {
			heap.Pop(&m.active)
		}
		if err != nil {
			// The entry before the problem is listed, and the problem comes back with the next.
			m.insert(&unit{file: first.unit.file, start: i.time, feed: first.unit.feed})
		}
		if m.isNew(&i) {
			return &i, nil
		}
	}
}

// activate gives the first pending unit its turn.
func (m *merge) activate(ctx context.Context) error {
	u := m.pending[0]
	for _, next := range m.pending[:min(1+m.ahead, len(m.pending))] {
		if next == u || next.run == nil && next.held == nil {
			m.start(next)
		}
	}
	a := &active{unit: u}
	if err := m.refill(ctx, a); err != nil {
		return err
	}
	m.pending = m.pending[1:]
	if len(a.items) > 0 {
		heap.Push(&m.active, a)
	}
	if u.feed.parts != nil {
		m.insert(u.feed.parts...)
		u.feed.parts = nil
	}
	return nil
}

// refill takes the next batch of a unit.
func (m *merge) refill(ctx context.Context, a *active) error {
	select {
	case batch, more := <-a.unit.feed.batches:
		if a.items = batch; !more {
			return a.unit.feed.err
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mostTimeless bounds how many entries without a time are remembered: in less than 10 MB.
const mostTimeless = 1 << 16

// isNew remembers an entry, and reports whether the log has not listed it before.
func (m *merge) isNew(i *item) bool {
	if !i.time.Equal(m.now) {
		m.now = i.time
		clear(m.seen)
		clear(m.same)
	}
	key := seen{log: i.log, id: i.id}
	if i.entry.ID == "" {
		// Those that are alike in one file, or in a day and its supplements, are distinct entries.
		of := seen{log: i.log, id: i.id, number: i.file.alike}
		key.number = m.same[of]
		m.same[of]++
	} else if i.entry.Action.Time.IsZero() {
		if m.timeless[key] || m.earlierTimeless[key] {
			return false
		}
		if len(m.timeless) == mostTimeless/2 {
			m.timeless, m.earlierTimeless = map[seen]bool{}, m.timeless
		}
		m.timeless[key] = true
	}
	if m.seen[key] {
		return false
	}
	m.seen[key] = true
	return true
}
