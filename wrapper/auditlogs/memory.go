package auditlogs

import (
	"fmt"
	"hash/maphash"
	"slices"
	"time"
)

// A memory remembers the last entries of a listing, so that none is delivered twice when pages overlap.
type memory struct {
	known  map[identity]struct{}
	last   []identity // a ring
	oldest int
	size   int
}

func newMemory(size int) *memory {
	return &memory{known: map[identity]struct{}{}, size: size}
}

// add remembers an entry, and reports whether it is new.
func (m *memory) add(id identity) bool {
	if _, known := m.known[id]; known {
		return false
	}
	m.known[id] = struct{}{}
	if len(m.last) < m.size {
		m.last = append(m.last, id)
		return true
	}
	delete(m.known, m.last[m.oldest])
	m.last[m.oldest] = id
	m.oldest = (m.oldest + 1) % m.size
	return true
}

// skipping is what a resumed listing does until it has found its place, by the mark directly before it. Entries that arrived
// in between can have pushed the mark back, even onto a later page.
type skipping struct {
	mark     mark
	descends bool
	byTime   bool     // the listing begins only shortly before the mark
	bound    int      // how many entries to read in search of the mark
	held     []*Entry // read, and not known yet to lie behind the place
}

// over takes the next page's entries and returns those that are to be delivered. It reports whether the place is found.
// Where it cannot be found, everything since the cursor is delivered: rather twice than never.
func (s *skipping) over(entries []*Entry, lastPage bool, seen *memory) ([]*Entry, bool) {
	if s.mark.Identity == (identity{}) {
		return entries, true
	}
	if s.byTime {
		// Whatever lies before the mark's moment was delivered, so that only that moment is searched.
		entries = slices.DeleteFunc(entries, func(e *Entry) bool { return beyond(s.mark.Time, e.Action.Time, s.descends) })
	}
	s.held = append(s.held, entries...)
	gone := lastPage || len(s.held) >= s.bound
	for i, entry := range s.held {
		if entry.id == s.mark.Identity {
			for _, delivered := range s.held[:i+1] {
				seen.add(delivered.id)
			}
			return s.held[i+1:], true
		}
		// Entries are sorted by time: behind one that lies beyond the mark, the mark does not come.
		gone = gone || !s.mark.Untimed && beyond(entry.Action.Time, s.mark.Time, s.descends)
	}
	if gone {
		return s.held, true
	}
	return nil, false
}

// beyond reports whether a time comes strictly later than another in a listing. A zero time is nowhere.
func beyond(t, than time.Time, descends bool) bool {
	if t.IsZero() || than.IsZero() {
		return false
	}
	if descends {
		return t.Before(than)
	}
	return t.After(than)
}

// A cursorWatch notices a cursor that comes again. It knows the last many cursors, and finds longer cycles as Brent's
// algorithm does: by comparing with one earlier cursor, which it replaces at growing distances.
type cursorWatch struct {
	seed     maphash.Seed
	known    map[uint64]struct{}
	last     []uint64 // a ring
	oldest   int
	marked   uint64
	distance int
	reach    int
}

const watchedCursors = 1 << 16

// check returns an error when the cursor was asked for before.
func (w *cursorWatch) check(cursor string) error {
	if w.known == nil {
		w.seed, w.known = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	hash := maphash.String(w.seed, cursor)
	_, known := w.known[hash]
	if known || w.reach > 0 && hash == w.marked {
		return fmt.Errorf("%w: the service gave the cursor %q a second time", ErrCursorLoop, printable(cursor))
	}
	if w.distance == w.reach {
		w.marked, w.distance, w.reach = hash, 0, max(1, 2*w.reach)
	}
	w.distance++
	w.known[hash] = struct{}{}
	if len(w.last) < watchedCursors {
		w.last = append(w.last, hash)
		return nil
	}
	delete(w.known, w.last[w.oldest])
	w.last[w.oldest] = hash
	w.oldest = (w.oldest + 1) % watchedCursors
	return nil
}
