package follow

import (
	"errors"
	"fmt"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// ErrState says that the state cannot be used, since it is damaged, or belongs to another account,
// to other filters or to another version of this package. A follower never starts over by itself,
// since that could leave out entries.
var ErrState = errors.New("state not usable")

const stateAdvice = "restore it; or move it away, to start over at a time that you choose"

const (
	stateKind    = "cfaudit follow state"
	stateVersion = 1 // changes when an older program would misread the state
)

// A state is all that a follower keeps between runs. It changes only when a page has been
// acknowledged.
type state struct {
	Log   string `json:"log"`
	Query string `json:"query"` // identifies the filters

	Start      time.Time `json:"start"`              // nothing older is requested
	Watermark  time.Time `json:"watermark"`          // sweeps have read everything before it once
	LookedBack time.Time `json:"looked_back"`        // when the last look-back started
	Newest     time.Time `json:"newest"`             // the newest time of all entries; Start if there were none
	Forgotten  time.Time `json:"forgotten,omitzero"` // the memory may lack entries before this time
	PageSize   int       `json:"page,omitzero"`      // the page size of the service; 0 as long as it is the requested one
	Sweep      *sweep    `json:"sweep,omitempty"`    // the sweep under way; nil between sweeps
	Seen       memory    `json:"seen"`
}

// A sweep reads one window from its older end to its newer one.
type sweep struct {
	Since    time.Time          `json:"since"`
	Before   time.Time          `json:"before"`
	Begun    time.Time          `json:"begun"`
	Deep     bool               `json:"deep,omitempty"`    // it is a look-back
	Position auditlogs.Position `json:"position,omitzero"` // everything before was acknowledged
}

// largestPosition bounds the size that a cursor adds to a state. Hardly any comes close.
const largestPosition = 64 << 10

func (s state) encode(d depth) ([]byte, error) {
	if s.Sweep != nil && len(s.Sweep.Position.String()) > largestPosition {
		// The current run continues at its cursor, and a later one resumes by time.
		w := *s.Sweep
		w.anew(d.overlap)
		s.Sweep = &w
	}
	return durable.Seal(stateKind, stateVersion, s)
}

// decodeState reads a state back, and refuses anything that encode did not write.
func decodeState(data []byte) (*state, error) {
	var s state
	if err := durable.Unseal(stateKind, stateVersion, data, &s); err != nil {
		return nil, fmt.Errorf("%w: %w; %s", ErrState, err, stateAdvice)
	}
	if s.Seen.seen == nil || s.Start.IsZero() || s.Watermark.IsZero() || s.Newest.IsZero() || s.LookedBack.IsZero() ||
		s.Sweep != nil && (s.Sweep.Begun.IsZero() || !s.Sweep.Since.Before(s.Sweep.Before)) {
		return nil, fmt.Errorf("%w: it is incomplete; %s", ErrState, stateAdvice)
	}
	return &s, nil
}

// belongs refuses a state of another log or of other filters.
func (s *state) belongs(log, query string) error {
	switch {
	case s.Log != log:
		return fmt.Errorf("%w: it belongs to %s, and this is %s: want one state for each", ErrState, s.Log, log)
	case s.Query != query:
		return fmt.Errorf("%w: it was made with other filters, which other entries pass: want the same filters, or another state", ErrState)
	}
	return nil
}

// The functions below decide where sweeps start. If in doubt, entries are read twice.

// A depth is how far sweeps reach back.
type depth struct {
	overlap  time.Duration
	lookBack time.Duration
}

// standstill is how long the service may show nothing at all, or this machine's clock be fast,
// without loss.
const standstill = 24 * time.Hour

// since returns where a sweep starts that is planned at the given time.
//
// The watermark and the clock say what was requested, and the newest entry says what the service
// has shown. If the newest entry is before the watermark, the service may have shown nothing for a
// while, or this machine's clock may be wrong. Starting at the newest entry then loses nothing in
// between, and costs little, since that time is mostly empty. After the clock has been set back,
// only the newest entry shows the right time.
func (s *state) since(now time.Time, d depth, deep bool) time.Time {
	shown := s.Newest
	if !now.Before(s.Watermark) {
		shown = latest(shown, s.Watermark.Add(-standstill))
	}
	since := earliest(s.Watermark, shown).Add(-d.overlap)
	if deep {
		since = earliest(since, earliest(s.LookedBack, shown).Add(-d.lookBack))
	}
	return latest(since, s.Start)
}

// reach returns where a sweep starts that need not look back, and whether it covers the whole
// look-back anyway. A sweep costs a request even if it shows little. So it starts as early in the
// look-back as fits on one page, and an entry that appears late is delivered by the next sweep. The
// memory says how many entries are already on that page, besides new ones.
//
// It never starts where ids were forgotten: their entries would be delivered again.
func (s *state) reach(now time.Time, d depth, interval time.Duration, pageSize int) (since time.Time, deep bool) {
	since, deepest := s.since(now, d, false), s.since(now, d, true)
	first := latest(deepest, s.Forgotten)
	known, perMinute := s.Seen.since(first)
	room := pageSize - pageSize/10
	if span := now.Sub(first); span > interval {
		room -= int(float64(known) * interval.Seconds() / span.Seconds())
	}
	for at := minute(first); known > max(room, 0); at++ {
		known -= perMinute[at]
		first = time.Unix((at+1)*60, 0).UTC()
	}
	return earliest(since, first), first.Equal(deepest)
}

// sized learns the service's largest page from the number of rows on a page: it may be smaller than
// requested.
func (s *state) sized(rows int, from, next auditlogs.Position) {
	switch {
	case rows > s.PageSize && next.IsZero():
		s.PageSize = 0 // The learned size is too small.
	case rows > s.PageSize && (s.PageSize > 0 || from.IsZero()):
		s.PageSize = rows
	}
}

// completed returns the state after the end of the sweep.
func (s state) completed() state {
	if s.Sweep != nil {
		s.Watermark = s.Sweep.Before
		if s.Sweep.Deep {
			s.LookedBack = s.Sweep.Begun
		}
		s.Sweep = nil
	}
	return s
}

// horizon returns the time before which no entry will be read again.
func (s *state) horizon(d depth) time.Time {
	after := s.completed()
	horizon := after.since(after.Watermark, d, true)
	if s.Sweep != nil {
		horizon = earliest(horizon, s.Sweep.restart(d.overlap))
	}
	return horizon
}

// restart returns where the sweep would start again without its cursor.
func (w *sweep) restart(overlap time.Duration) time.Time {
	return latest(w.Since, earliest(w.Position.Time(), w.Before).Add(-overlap))
}

// anew restarts the sweep without its cursor, shortly before the last acknowledged entry.
func (w *sweep) anew(overlap time.Duration) {
	w.Since, w.Position = w.restart(overlap), auditlogs.Position{}
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
