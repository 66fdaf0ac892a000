package export

import (
	"crypto/sha256"
	"slices"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A recent remembers the last entries in the file, so that none comes twice where a later run reads a little of what an
// earlier one had: when the entry that marks its place is gone, or when the service has pushed entries from one page to the
// next. A listing does the same for itself, but begins with an empty memory.
//
// An entry without an id is never left out: another one with the same bytes would be an entry of its own.
type recent struct {
	known map[[recentSize]byte]struct{}
	last  [][recentSize]byte // the oldest first
	at    time.Time          // of the last entry
	same  int                // so many of the last ones have that time
}

const (
	recentSize  = 12 // bytes of an identity: no two entries share one by chance
	recentLeast = 4096
	// An instant can have more entries than that, and all of them may come again.
	recentMost = 65536
)

// newRecent goes on with what a checkpoint remembers. The last of these entries has the time at.
func newRecent(list []byte, at time.Time) *recent {
	r := &recent{known: map[[recentSize]byte]struct{}{}, at: at}
	r.same = len(list) / recentSize // As far as is known.
	for id := range slices.Chunk(list[:r.same*recentSize], recentSize) {
		r.remember([recentSize]byte(id))
	}
	return r
}

// add remembers an entry, and reports whether it is new.
func (r *recent) add(e *auditlogs.Entry) bool {
	if e.ID == "" {
		return true
	}
	sum := sha256.Sum256([]byte(e.ID))
	id := [recentSize]byte(sum[:recentSize])
	if _, known := r.known[id]; known {
		return false
	}
	if !e.Action.Time.Equal(r.at) {
		r.at, r.same = e.Action.Time, 0
	}
	r.same++
	r.remember(id)
	return true
}

func (r *recent) remember(id [recentSize]byte) {
	r.known[id] = struct{}{}
	r.last = append(r.last, id)
	for len(r.last) > max(recentLeast, min(r.same, recentMost)) {
		delete(r.known, r.last[0])
		r.last = r.last[1:]
	}
}

// list returns what is remembered, for a checkpoint.
func (r *recent) list() []byte {
	list := make([]byte, 0, recentSize*len(r.last))
	for _, id := range r.last {
		list = append(list, id[:]...)
	}
	return list
}
