package follow

import (
	"errors"
	"fmt"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// ErrState says that the state cannot be used: it is damaged, or it belongs to another account, to other filters or to another
// version of this package. A follower never begins anew on its own, since that could leave out entries.
var ErrState = errors.New("state not usable")

const stateAdvice = "restore it; or put it away, to begin anew at a start that you choose"

const (
	stateKind    = "cfaudit follow state"
	stateVersion = 1 // changes when an older program would misread the state
)

// A state is all that a follower remembers from one run to the next. It changes only when a page has been acknowledged.
type state struct {
	Log   string `json:"log"`
	Query string `json:"query"` // tells filters apart

	Start      time.Time `json:"start"`              // nothing older is asked for
	Watermark  time.Time `json:"watermark"`          // sweeps have read everything before, once
	LookedBack time.Time `json:"looked_back"`        // when the last look-back began
	Newest     time.Time `json:"newest"`             // of the times of all entries; Start where there was none
	Forgotten  time.Time `json:"forgotten,omitzero"` // of entries before, the memory may lack some
	PageSize   int       `json:"page,omitzero"`      // that the service gives; 0 as long as it gives what is asked for
	Sweep      *sweep    `json:"sweep,omitempty"`    // what is being read; nil between sweeps
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

// largestPosition bounds what a cursor adds to a state. Nearly none comes close.
const largestPosition = 64 << 10

func (s state) encode(d depth) ([]byte, error) {
	if s.Sweep != nil && len(s.Sweep.Position.String()) > largestPosition {
		// The run under way goes on at its cursor, and a later one by time.
		w := *s.Sweep
		w.anew(d.overlap)
		s.Sweep = &w
	}
	return durable.Seal(stateKind, stateVersion, s)
}

// decodeState reads a state back, and refuses whatever encode did not write.
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

// The following decides where sweeps begin. All of it errs on the side of reading twice.

// A depth is by how much sweeps reach back.
type depth struct {
	overlap  time.Duration
	lookBack time.Duration
}

// standstill is for how long the service may show nothing at all, or this machine's clock be ahead, without loss.
const standstill = 24 * time.Hour

// since returns where the next sweep begins at a moment.
//
// Watermark and clock say what was asked for. The newest entry says what the service had to show: where that lies behind,
// the service, or the clock of this machine, may be what stood still or went wrong, and nothing between the two is lost by
// beginning there. It costs little, since what lies between is mostly empty. Once the clock has been moved back, only the
// newest entry is left to tell.
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

// reach returns where a sweep starts that need not look back, and whether it does so all the same. A sweep costs a request
// however little it shows. So it starts as early in the look-back as one page carries, and what appears late is delivered by
// the next sweep. The memory tells how many entries a page has to carry, besides those to come.
//
// It never starts where ids were forgotten: their entries would be delivered again.
func (s *state) reach(now time.Time, d depth, interval time.Duration, pageSize int) (since time.Time, deep bool) {
	since, deepest := s.since(now, d, false), s.since(now, d, true)
	first := latest(deepest, s.Forgotten)
	if !first.Before(since) {
		return since, false
	}
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

// sized learns from a page of so many rows how many the service gives at most: it may be fewer than are asked for.
func (s *state) sized(rows int, from, next auditlogs.Position) {
	switch {
	case rows > s.PageSize && next.IsZero():
		s.PageSize = 0 // What was learned is too low.
	case rows > s.PageSize && (s.PageSize > 0 || from.IsZero()):
		s.PageSize = rows
	}
}

// completed returns the state as it will be once the sweep is over.
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

// horizon returns the time before which no entry will be met again.
func (s *state) horizon(d depth) time.Time {
	after := s.completed()
	horizon := after.since(after.Watermark, d, true)
	if s.Sweep != nil {
		horizon = earliest(horizon, s.Sweep.restart(d.overlap))
	}
	return horizon
}

// restart returns where the sweep would begin anew without its cursor.
func (w *sweep) restart(overlap time.Duration) time.Time {
	reached := w.Position.Time()
	if reached.IsZero() {
		return w.Since
	}
	return latest(w.Since, earliest(reached, w.Before).Add(-overlap))
}

// anew lets the sweep begin without its cursor, shortly before what was acknowledged last.
func (w *sweep) anew(overlap time.Duration) {
	w.Since, w.Position = w.restart(overlap), auditlogs.Position{}
}

func earliest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

func latest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(first) {
			first = t
		}
	}
	return first
}
