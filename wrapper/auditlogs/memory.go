package auditlogs

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
)

// A memory remembers the last entries of a listing, so that none is delivered twice when pages
// overlap, and which stretch of a backfill showed each.
type memory struct {
	known  map[identity]*stretch
	last   []identity // a ring
	oldest int
	size   int
}

func newMemory(size int) *memory {
	return &memory{known: map[identity]*stretch{}, size: size}
}

// add remembers an entry, and reports whether it is new.
func (m *memory) add(id identity) bool {
	_, known := m.set(id, nil)
	return !known
}

// set remembers which stretch shows an entry, and returns the one that did before.
func (m *memory) set(id identity, by *stretch) (before *stretch, known bool) {
	before, known = m.known[id]
	m.known[id] = by
	switch {
	case known:
	case len(m.last) < m.size:
		m.last = append(m.last, id)
	default:
		delete(m.known, m.last[m.oldest])
		m.last[m.oldest] = id
		m.oldest = (m.oldest + 1) % m.size
	}
	return before, known
}

// A search lets a resumed listing find its place, by the mark directly before it. Entries that
// arrived in the meantime can have moved the mark, even to a later page.
type search struct {
	listing *listing
	mark    mark
	bound   int      // how many entries to read in search of the mark
	held    []*Entry // read, and not known yet to be after the place
}

// over returns those of the next page's entries that are to be delivered. It reports whether the
// place has been found. The resumed listing has delivered what is before the mark, with one
// exception: entries with the mark's own time can be in another order each time, or have arrived
// since. They are left out only if they are the same that were before the mark then. If the mark
// cannot be found, everything after the cursor is delivered: rather twice than never.
func (s *search) over(entries []*Entry, lastPage bool, seen *memory) ([]*Entry, bool) {
	s.held = append(s.held, entries...)
	gone := lastPage || len(s.held) >= s.bound
	for i, entry := range s.held {
		if entry.id == s.mark.Identity {
			return append(s.unsure(s.held[:i], entry, seen), s.held[i+1:]...), true
		}
		// Entries are sorted by time: after an entry beyond the mark, the mark cannot follow.
		gone = gone || !s.mark.Untimed && s.listing.beyond(entry.Action.Time, s.mark.Time)
	}
	if gone {
		return s.held, true
	}
	return nil, false
}

// unsure returns those entries before the mark that may not have been delivered, and remembers the
// others. They are of the mark's own time; if one of them is new, the digests tell which.
func (s *search) unsure(before []*Entry, mark *Entry, seen *memory) (unsure []*Entry) {
	seen.add(mark.id)
	changed := []uint64{mark.ties.Read ^ s.mark.OnPage, mark.ties.Read ^ s.mark.Read}
	sure := slices.Contains(changed, 0)
	for i := len(before) - 1; i >= 0; i-- {
		entry := before[i]
		t := entry.Action.Time
		sure = sure || !t.IsZero() && !t.Equal(s.mark.Time)
		switch {
		case sure:
			seen.add(entry.id)
		case slices.Contains(changed, entry.id.digest()):
			return []*Entry{entry}
		default:
			unsure = append(unsure, entry)
		}
	}
	slices.Reverse(unsure)
	return unsure
}

// A cursorWatch notices a repeated cursor. It remembers every cursor until there are too many, then
// every second one, every fourth and so on. Since all the cursors of a cycle are repeated, it finds
// cycles of any length: at once in a short listing, and a few cursors later in a longer one.
type cursorWatch struct {
	seed   maphash.Seed
	known  map[uint64]int // the numbers of the cursors that are remembered
	number int            // of the next cursor
	stride int            // from one number that is remembered to the next
}

const watchedCursors = 1 << 16

// check returns an error if the cursor was used before.
func (w *cursorWatch) check(cursor string) error {
	if w.known == nil {
		w.seed, w.known, w.stride = maphash.MakeSeed(), map[uint64]int{}, 1
	}
	hash := maphash.String(w.seed, cursor)
	if _, known := w.known[hash]; known {
		return fmt.Errorf("%w: the service gave the cursor %q a second time", ErrCursorLoop, printable(cursor))
	}
	if len(w.known) == watchedCursors {
		w.stride *= 2
		maps.DeleteFunc(w.known, func(_ uint64, number int) bool { return number%w.stride != 0 })
	}
	if w.number%w.stride == 0 {
		w.known[hash] = w.number
	}
	w.number++
	return nil
}
