package export

import (
	"slices"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	internal "cfaudit.example/wrapper/auditlogs/internal/identity"
)

// A recent remembers the last entries in the file, so that none is written twice if the service
// sends it again: because it moved entries from one page to the next, because the entry that marks
// the place of an earlier run is gone, or because the export had to start again within its window.
// A listing does the same for itself, but starts with an empty memory.
//
// An entry without an id is recognised by its bytes, and only when the export expects it again:
// otherwise, another one with the same bytes is a distinct entry.
type recent struct {
	known  map[identity]int // how many of the last entries have it: more than one only without an id
	last   []remembered     // the oldest first
	newest time.Time
	again  map[identity]int // entries without an id that are expected again
}

// An identity is a part of the one that the listing computed, so long that no two entries share one
// by chance. Its first bit is set for an entry without an id.
type identity [12]byte

type remembered struct {
	id identity
	at time.Time // the newest time when it was written
}

const (
	recentLeast = 4096
	// A listing that starts again does so up to two seconds before its last entry.
	recentSpan = 3 * time.Second
	recentMost = 65536
)

// newRecent restores what a checkpoint remembers. The newest of these entries has the time newest.
func newRecent(list, again []byte, newest time.Time) *recent {
	r := &recent{known: map[identity]int{}, newest: newest, again: map[identity]int{}}
	for id := range slices.Chunk(list, len(identity{})) {
		r.remember(identity(id))
	}
	for id := range slices.Chunk(again, len(identity{})) {
		r.again[identity(id)]++
	}
	return r
}

func identify(e *auditlogs.Entry) identity {
	digest := internal.Of(e)
	id := identity(digest[:len(identity{})])
	if id[0] &= 0x7f; e.ID == "" {
		id[0] |= 0x80
	}
	return id
}

func (id identity) unnamed() bool { return id[0]&0x80 != 0 }

// add remembers an entry, and reports whether it is new.
func (r *recent) add(e *auditlogs.Entry) bool {
	id := identify(e)
	switch {
	case id.unnamed() && r.again[id] > 0:
		if r.again[id]--; r.again[id] == 0 {
			delete(r.again, id)
		}
		return false
	case !id.unnamed() && r.known[id] > 0:
		return false
	}
	if e.Action.Time.After(r.newest) {
		r.newest = e.Action.Time
	}
	r.remember(id)
	return true
}

func (r *recent) remember(id identity) {
	r.known[id]++
	r.last = append(r.last, remembered{id, r.newest})
	for len(r.last) > recentMost || len(r.last) > recentLeast && r.newest.Sub(r.last[0].at) > recentSpan {
		oldest := r.last[0].id
		if r.known[oldest]--; r.known[oldest] == 0 {
			delete(r.known, oldest)
		}
		r.last = r.last[1:]
	}
}

// expectAgain prepares for a listing that starts again before the last entries.
func (r *recent) expectAgain() {
	clear(r.again)
	for id, n := range r.known {
		if id.unnamed() {
			r.again[id] = n
		}
	}
}

// list returns what is remembered, and what of it is expected again, for a checkpoint.
func (r *recent) list() (list, again []byte) {
	for _, entry := range r.last {
		list = append(list, entry.id[:]...)
	}
	for id, n := range r.again {
		for range n {
			again = append(again, id[:]...)
		}
	}
	return list, again
}
