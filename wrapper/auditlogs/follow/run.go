package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"cfaudit.example/wrapper/auditlogs"
)

const (
	attempts    = 3         // of CatchUp
	longestWait = time.Hour // that the service can ask for
)

// A run is one run of a follower.
type run struct {
	*Follower
	group    *group
	pace     pace
	deliver  Handler
	started  time.Time
	backoff  *backoff.ExponentialBackOff
	failures int
}

func (f *Follower) run(ctx context.Context, deliver Handler, g *group) (err error) {
	if !f.running.TryLock() {
		return errors.New("follow: the follower is running already")
	}
	defer f.running.Unlock()
	f.report(func(h *Health) { h.Ended = false })
	defer func() {
		f.report(func(h *Health) {
			h.Ended = true
			if err != nil && ctx.Err() == nil {
				h.failed(f.now(), err)
			}
		})
		g.lose(f)
	}()
	r := &run{Follower: f, group: g, pace: g.paces[f], deliver: deliver, started: time.Now()}
	r.backoff = backoff.NewExponentialBackOff()
	r.backoff.InitialInterval, r.backoff.Multiplier, r.backoff.MaxInterval = time.Second, 2, 5*time.Minute
	r.backoff.Reset()
	for {
		wait, err := r.turn(ctx)
		switch {
		case errors.Is(err, errCaughtUp):
			return nil
		case err != nil:
			err = r.retry(ctx, err)
		default:
			err = sleep(ctx, wait)
		}
		if err != nil {
			return err
		}
	}
}

// errCaughtUp is what turn returns when there is nothing left for CatchUp.
var errCaughtUp = errors.New("caught up")

// turn reads a sweep, or as much of it as a turn has. It returns how long to wait until the next.
func (r *run) turn(ctx context.Context) (time.Duration, error) {
	if err := r.load(ctx); err != nil {
		return 0, &lastingError{error: err}
	}
	if err := sleep(ctx, r.pace.delay); err != nil {
		return 0, err
	}
	r.pace.delay = 0
	select {
	case r.group.slots <- struct{}{}:
		defer func() { <-r.group.slots }()
	case <-ctx.Done():
		return 0, ended(ctx)
	}
	if starts := r.pace.starts; starts != nil {
		if err := sleep(ctx, time.Until(starts.reserve())); err != nil {
			return 0, err
		}
		before := r.Health().Requests
		defer func() { starts.charge(r.Health().Requests - before) }()
	}
	if r.state.Sweep == nil && !r.plan(r.pace.interval) {
		switch {
		case r.askTime(ctx): // The clock has been corrected.
			return 0, nil
		case r.group.once:
			return 0, errCaughtUp
		}
		return r.pace.interval, nil
	}
	began := r.state.Sweep.Begun
	moved, err := r.sweep(ctx, r.deliver, r.group.pages)
	if moved {
		r.backoff.Reset()
	}
	switch {
	case err != nil:
		r.identical = nil
		return 0, err
	case r.state.Sweep != nil: // It is the turn of another follower.
		return 0, nil
	}
	r.identical, r.looked = nil, began
	switch {
	case r.group.once && r.readSince(r.started):
		return 0, errCaughtUp
	case r.group.once:
		// The sweep was left over, or planned by a wrong clock, and does not cover what has
		// appeared since.
		return 0, nil
	}
	// There is no time left if the sweep was left over or slow. The clock may have been changed
	// meanwhile.
	return min(r.pace.interval, r.pace.interval-r.now().Sub(began)), nil
}

// retry waits after an error until another attempt makes sense. It returns the error if there is to
// be none.
func (r *run) retry(ctx context.Context, err error) error {
	lasting, _ := errors.AsType[*lastingError](err)
	// What the service refuses, and a state that cannot be used, need somebody who acts.
	wait := RefusedInterval
	var hopeless chan struct{}
	switch {
	case lasting == nil && ctx.Err() != nil:
		return ended(ctx)
	case lasting == nil:
		if r.failures++; r.group.once && r.failures >= attempts {
			return fmt.Errorf("follow: %w", err)
		}
		wait = r.backoff.NextBackOff()
		if answered, ok := errors.AsType[*auditlogs.Error](err); ok {
			wait = max(wait, min(answered.RetryAfter, longestWait))
		}
	case r.endless && !r.group.once && ctx.Err() == nil:
		if auditlogs.Retryable(err) && !errors.Is(err, ErrState) {
			wait = r.backoff.NextBackOff()
		}
	case r.group.once || !lasting.token || !r.group.lose(r.Follower):
		return err
	default:
		hopeless = r.group.hopeless
	}
	r.report(func(h *Health) { h.failed(r.now(), err) })
	select {
	case <-ctx.Done():
		return ended(ctx)
	case <-hopeless:
		return err
	case <-time.After(wait):
		return nil
	}
}

// A lastingError is permanent, unless a refused token is given its permission back.
type lastingError struct {
	error
	token bool // was refused
}

func (e *lastingError) Unwrap() error { return e.error }

// load reads the state, once, or starts one, and saves it before the first request: a start that is
// given as an age, or not at all, would otherwise advance with each failed attempt, and leave out
// what happened in between.
func (f *Follower) load(ctx context.Context) error {
	if f.state != nil {
		return nil
	}
	data, err := f.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("follow: %s cannot be read: %w", f.stateName(), err)
	}
	var s *state
	if len(data) == 0 {
		start := f.start
		if start.IsZero() {
			start = f.now().Add(-cmp.Or(f.age, f.settle+f.depth.lookBack)).UTC().Truncate(time.Second)
		}
		s = &state{Log: f.log.String(), Query: f.id, Start: start, Watermark: start, LookedBack: start, Newest: start, Seen: newMemory()}
		if err := f.save(ctx, s); err != nil {
			return fmt.Errorf("follow: %s cannot be saved, and nothing was requested: %w", f.stateName(), err)
		}
	} else {
		if s, err = decodeState(data); err == nil {
			err = s.belongs(f.log.String(), f.id)
		}
		if err != nil {
			return fmt.Errorf("follow: %s: %w", f.stateName(), err)
		}
	}
	f.state = s
	f.report(f.progressed)
	return nil
}

func (f *Follower) stateName() string {
	if s, ok := f.store.(fmt.Stringer); ok {
		return "state " + s.String()
	}
	return "state"
}

// save stores a state, even when the run is to end: acknowledged entries must not be delivered
// again.
func (f *Follower) save(ctx context.Context, s *state) error {
	data, err := s.encode(f.depth)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return f.store.Save(ctx, data)
}

// progressed brings the health's times up to date with the state.
func (f *Follower) progressed(h *Health) {
	h.Watermark = f.state.Watermark
	if w := f.state.Sweep; w != nil {
		h.Watermark = latest(h.Watermark, earliest(w.Position.Time(), w.Before))
	}
	if h.Newest = f.state.Newest; !h.Newest.After(f.state.Start) {
		h.Newest = time.Time{}
	}
}

func (h *Health) failed(now time.Time, err error) {
	h.Failures++
	h.Err, h.LastError, h.LastFailure = err, err.Error(), now.UTC()
}

// ended returns why a context has ended.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("follow: %w", cause)
	}
	return fmt.Errorf("follow: %w: %w", err, cause)
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ended(ctx)
	case <-time.After(d):
		return nil
	}
}
