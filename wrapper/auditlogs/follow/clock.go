package follow

import (
	"context"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// completed returns the state after the sweep, which has been read to its end. If the sweep was
// planned by a fast clock, its window ended in the future: then the watermark moves no further than
// what has settled, and a start that was an age by that clock is corrected.
func (f *Follower) completed() state {
	s, now := *f.state, f.now().Round(0).UTC()
	w, settled := *s.Sweep, now.Add(-f.settle).Truncate(time.Second)
	done := s.completed()
	if !w.Before.After(settled) {
		return done
	}
	done.Watermark = latest(s.Watermark, settled)
	if w.Deep {
		done.LookedBack = latest(s.LookedBack, earliest(w.Begun, now))
	}
	if offset := f.log.Client().ClockOffset(); offset < 0 && f.start.IsZero() && s.Watermark.Equal(s.Start) {
		start := s.Start.Add(offset)
		if s.Newest.Equal(s.Start) {
			done.Newest = start
		}
		done.Start, done.Watermark, done.LookedBack = start, start, start
	}
	return done
}

// askTime makes a request only for its date, if the clock is before the watermark and there is
// nothing else to request. It reports whether that has corrected the clock.
func (f *Follower) askTime(ctx context.Context) bool {
	if !f.state.Watermark.After(f.now()) || !f.state.Watermark.After(f.state.Start) {
		return false
	}
	before := f.log.Client().ClockOffset()
	query := f.window(&sweep{Since: f.state.Watermark.Add(-time.Second), Before: f.state.Watermark})
	for _, err := range f.log.Pages(ctx, query, auditlogs.Prefetch(false)) {
		_ = err // A refusal has a date too.
		break
	}
	return f.log.Client().ClockOffset() != before
}

// readSince reports whether everything has been read that had settled at a time of this machine's
// clock.
func (f *Follower) readSince(moment time.Time) bool {
	then := f.now().Add(-time.Since(moment)) // by the service's clock, as far as it is known
	return !f.state.Watermark.Before(then.Add(-f.settle).Truncate(time.Second))
}
