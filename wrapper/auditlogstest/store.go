package auditlogstest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/match"
)

// An entry is one entry of the log, as it was added.
type entry struct {
	text string // its exact bytes
	time time.Time
	seq  uint64 // counts the entries in order of arrival

	// lateness is how long after its time the entry becomes visible.
	lateness time.Duration

	// fields holds the fields that filters look at. They are read from the text when the first
	// filter needs them, and kept.
	fields atomic.Pointer[match.Fields]
}

// newEntry takes its time from the text, or otherwise the given one. It reports whether the entry
// is an organization's.
func newEntry(text string, otherwise time.Time) (e *entry, ofOrganization bool) {
	e = &entry{text: text, time: otherwise}
	decoded := e.decode()
	if at := decoded.Action.Time; !at.IsZero() {
		e.time = at
	}
	return e, decoded.Organization.ID != ""
}

// decode returns the entry as a client reads it: a field of another type than the contract says is
// not there.
func (e *entry) decode() (decoded auditlogs.Entry) {
	_ = decoded.UnmarshalJSON([]byte(e.text)) // It is JSON, and what is unexpected is an error of the entry.
	return decoded
}

// entryText returns the JSON text of a value that was given to Add.
func entryText(value any) (string, error) {
	var text []byte
	switch v := value.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	case json.RawMessage:
		text = v
	default:
		var err error
		if text, err = json.Marshal(v); err != nil {
			return "", err
		}
	}
	text = bytes.Trim(text, " \t\r\n")
	if !json.Valid(text) || text[0] != '{' {
		return "", errors.New("not a JSON object")
	}
	return string(text), nil
}

func (e *entry) read() match.Fields {
	fields := e.fields.Load()
	if fields == nil {
		decoded := e.decode()
		read := match.Read(&decoded)
		fields = &read
		e.fields.Store(fields)
	}
	return *fields
}

// visible reports whether the service shows the entry at a time. The zero time sees everything.
func (e *entry) visible(now time.Time) bool {
	return now.IsZero() || !now.Before(e.time.Add(e.lateness))
}

// compare orders by time, then by arrival.
func (e *entry) compare(t time.Time, seq uint64) int {
	if c := e.time.Compare(t); c != 0 {
		return c
	}
	return cmp.Compare(e.seq, seq)
}

// A store holds entries in their order.
type store struct {
	mu      sync.RWMutex
	entries []*entry
	arrived uint64

	lateness func() time.Duration // draws that of an entry; nil where entries are visible at once
}

// insert adds entries, in order of arrival.
func (s *store) insert(added []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range added {
		e.seq = s.arrived
		s.arrived++
		if s.lateness != nil {
			e.lateness = s.lateness()
		}
	}
	order := func(a, b *entry) int { return a.compare(b.time, b.seq) }
	if len(added) == 0 {
		return
	}
	// Only the entries after the first new one have to be sorted, mostly none.
	first := slices.MinFunc(added, order)
	at := s.search(first.time, first.seq)
	s.entries = append(s.entries, added...)
	slices.SortFunc(s.entries[at:], order)
}

// search returns the index of the first entry at or after a place in the order.
func (s *store) search(t time.Time, seq uint64) int {
	return sort.Search(len(s.entries), func(i int) bool { return s.entries[i].compare(t, seq) >= 0 })
}

// A window is the part of the store that a listing covers.
type window struct {
	since, before time.Time
	afterSince    bool // entries at exactly since are not part of it
	throughBefore bool // entries at exactly before are part of it
}

// indexes returns the first index of the window and the first one after it.
func (s *store) indexes(w window) (low, high int) {
	at := func(t time.Time, rest bool) int {
		if rest {
			return sort.Search(len(s.entries), func(i int) bool { return s.entries[i].time.After(t) })
		}
		return s.search(t, 0)
	}
	low, high = at(w.since, w.afterSince), at(w.before, w.throughBefore)
	return low, max(low, high)
}

// A listing is a request without the place and the size of the page.
type listing struct {
	window
	desc    bool
	filters *match.Matcher
	now     time.Time // entries that become visible later are not listed; zero for everything
}

func (l *listing) matches(e *entry) bool {
	return e.visible(l.now) && (l.filters.All() || l.filters.Keeps(e.read()))
}

// page returns the entries after a position, at most size of them unless that is negative, and
// whether the listing continues after them.
func (s *store) page(l listing, from position, size int) (entries []*entry, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	low, high := s.indexes(l.window)
	if from.Placed && !l.desc {
		low = max(low, s.search(from.Time, from.Seq+1))
	}
	if from.Placed && l.desc {
		high = max(low, min(high, s.search(from.Time, from.Seq)))
	}
	skip := from.Offset
	for i := range high - low {
		e := s.entries[low+i]
		if l.desc {
			e = s.entries[high-1-i]
		}
		switch {
		case !l.matches(e):
		case skip > 0:
			skip--
		case len(entries) == size:
			return entries, true
		default:
			entries = append(entries, e)
		}
	}
	return entries, false
}

// nearby is how far the time in a request for a history may be from that of its entry.
const nearby = time.Minute

// find returns the entry with an ID near a time, if it is visible now; nil if there is none.
func (s *store) find(id string, at, now time.Time) *entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	low, high := s.indexes(window{since: at.Add(-nearby), before: at.Add(nearby), throughBefore: true})
	for _, e := range s.entries[low:high] {
		if e.read().Get("id") == id && e.visible(now) {
			return e
		}
	}
	return nil
}
