package archive

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// A merge lists the entries of units in their order, each entry once for a log.
type merge struct {
	*reading
	units []*unit     // those that are not at their end, in the order of what comes next of them
	ahead int         // how many of them are read before their turn
	start func(*unit) // starts to read one

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

func newMerge(ctx context.Context, r *reading, units []*unit, ahead int) *merge {
	m := &merge{reading: r, units: units, ahead: ahead, start: func(u *unit) { r.start(ctx, u) }, timeless: map[seen]bool{}, seen: map[seen]bool{}, same: map[seen]int{}}
	slices.SortStableFunc(m.units, m.compareUnits)
	return m
}

// compareUnits compares what comes next of two units: an entry, or what is read from their starts
// on, which may come before an entry of that time.
func (m *merge) compareUnits(a, b *unit) int {
	if len(a.items) > 0 && len(b.items) > 0 {
		return m.compare(&a.items[0], &b.items[0])
	}
	c := a.next().Compare(b.next())
	if m.descends {
		c = -c
	}
	return cmp.Or(c, min(len(a.items), 1)-min(len(b.items), 1), a.file.number-b.file.number)
}

// settle moves the first unit to its place.
func (m *merge) settle() {
	first := m.units[0]
	if len(m.units) == 1 || m.compareUnits(first, m.units[1]) <= 0 {
		return // Mostly, the next entry is of the same unit.
	}
	to, _ := slices.BinarySearchFunc(m.units[1:], first, m.compareUnits)
	copy(m.units, m.units[1:1+to])
	m.units[to] = first
}

// next returns the next entry; nil after the last. After an error, it returns the error again.
func (m *merge) next(ctx context.Context) (*item, error) {
	for len(m.units) > 0 {
		u := m.units[0]
		if len(u.items) > 0 {
			i := u.items[0]
			u.items, u.start = u.items[1:], i.time
			m.settle()
			if m.isNew(&i) {
				return &i, nil
			}
			continue
		}
		more, err := m.refill(ctx, u)
		switch {
		case err != nil:
			return nil, err
		case more:
			m.settle()
		default:
			m.units = append(m.units[1:], u.feed.parts...)
			if u.feed.parts != nil {
				slices.SortStableFunc(m.units, m.compareUnits)
			}
		}
	}
	return nil, nil
}

// refill takes the next batch of the first unit, and starts to read the ones after it.
func (m *merge) refill(ctx context.Context, u *unit) (more bool, err error) {
	waiting := 0
	for _, next := range m.units {
		if len(next.items) > 0 {
			continue
		}
		if next == u || next.run == nil {
			m.start(next)
		}
		if waiting++; waiting > m.ahead {
			break
		}
	}
	select {
	case u.items, more = <-u.feed.batches:
		if !more {
			return false, u.feed.err
		}
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
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
