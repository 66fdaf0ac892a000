package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"cfaudit.example/wrapper/auditlogs"
)

// A Follower delivers the entries of one account that match one query, as they appear. [New] makes
// one.
type Follower struct {
	config
	log   *auditlogs.Log
	query auditlogs.Query
	start time.Time // of the first run; zero if the query has none
	id    string    // identifies the query
	store Store

	running sync.Mutex
	state   *state    // nil until it is loaded
	looked  time.Time // the start of the last completed sweep

	reporting sync.Mutex
	health    Health
	lateness  histogram
}

// A Batch is what a follower delivers at once: entries of one page, oldest first, at least one.
type Batch struct {
	Log     *auditlogs.Log
	Entries []*auditlogs.Entry
	// Late counts the entries that appeared after their time had been read. Their times are before
	// those of entries that were delivered earlier.
	Late int
}

// A Handler handles a batch. When it returns nil, the batch is acknowledged, and is not delivered
// again unless the state is lost before it is saved. When it returns an error, the follower ends
// with it, and a later run delivers the batch again. It should not return nil before the entries
// are stored safely.
//
// The context ends when the run is to end. A batch that is still finished, and acknowledged,
// counts.
type Handler func(ctx context.Context, batch Batch) error

// New returns a follower of the log's entries that match the query, whose state is in store.
// It makes no request, and does not touch the store.
//
// The query's Since is where a follower without a state starts; the default is one look-back before
// the first run. The first run saves it before its first request, and after that only the state
// counts. Before, Cursor and a direction other than "asc" are refused. Several followers should
// share a client, and so its request budget.
func New(log *auditlogs.Log, query auditlogs.Query, store Store, options ...Option) (*Follower, error) {
	f := &Follower{
		config: config{
			interval: DefaultInterval,
			settle:   DefaultSettle,
			depth:    depth{overlap: DefaultOverlap, lookBack: DefaultLookBack},
			every:    DefaultLookBackEvery,
			memory:   MaxRemembered,
			observe:  func(Health) {},
			now:      time.Now,
		},
		log: log, store: store,
	}
	for i, option := range options {
		if option == nil {
			return nil, fmt.Errorf("follow: option %d is nil: want one, or leave it out", i+1)
		}
		if err := option(&f.config); err != nil {
			return nil, fmt.Errorf("follow: %w", err)
		}
	}
	switch {
	case log == nil || store == nil:
		return nil, errors.New("follow: log or store is nil: want both")
	case query.Before != "":
		return nil, fmt.Errorf("follow: %w: before is given, and a follower has no end: want it empty", auditlogs.ErrInvalidQuery)
	case query.Cursor != nil:
		return nil, fmt.Errorf("follow: %w: a cursor is given, and a follower keeps its own: want nil", auditlogs.ErrInvalidQuery)
	case query.Direction != nil && *query.Direction != "asc":
		return nil, fmt.Errorf("follow: %w: the direction is %q, and a follower goes from the oldest to the newest: want nil", auditlogs.ErrInvalidQuery, *query.Direction)
	}
	if query.Since != "" {
		start, err := auditlogs.ParseTime(query.Since)
		if err != nil {
			return nil, fmt.Errorf("follow: %w: since: %w", auditlogs.ErrInvalidQuery, err)
		}
		f.start = start.UTC()
	}
	f.query = query
	if err := log.Check(f.window(&sweep{Since: time.Unix(0, 0), Before: time.Unix(1, 0)})); err != nil {
		return nil, fmt.Errorf("follow: %w", err)
	}
	f.id = log.Fingerprint(query)
	// By the service's clock, after the first answer.
	machine := f.now
	f.now = func() time.Time { return machine().Add(log.Client().ClockOffset()) }
	f.health = Health{Log: log.String(), LookBack: f.depth.lookBack}
	return f, nil
}

// pageSize is how many entries a page holds.
func (f *Follower) pageSize() int {
	size := auditlogs.DefaultLimit
	if f.query.Limit != nil {
		size = *f.query.Limit
	}
	if learned := f.state.PageSize; learned > 0 {
		size = min(size, learned)
	}
	return size
}

// window is the query of a sweep.
func (f *Follower) window(w *sweep) auditlogs.Query {
	query := f.query
	query.Since, query.Before = auditlogs.Time(w.Since), auditlogs.Time(w.Before)
	return query
}

// Run delivers entries until the context ends or, without [WithoutEnd], until a permanent failure:
// deliver or the store fails, the state is [ErrState], or the service refuses the query (status 400
// or 404) or, before anything was read, the token (401 or 403). It always returns an error, which
// is the context's when that ended. Temporary failures are retried for as long as it takes, with
// growing pauses of up to five minutes, and show in [Health]. So is a token that is refused later,
// every [RefusedInterval].
//
// The state is saved as soon as deliver has acknowledged a batch, even if the context ends
// meanwhile.
func (f *Follower) Run(ctx context.Context, deliver Handler) error {
	return f.run(ctx, deliver, false, newTurns([]*Follower{f}, false)[f], newHope(f))
}

// CatchUp delivers the entries up to now, less the settle time, and returns nil: a single sweep of
// [Follower.Run], for scheduled jobs. A failure that lasts for three attempts ends it.
func (f *Follower) CatchUp(ctx context.Context, deliver Handler) error {
	return f.run(ctx, deliver, true, newTurns([]*Follower{f}, true)[f], newHope(f))
}

// attempts bounds how often CatchUp tries.
const attempts = 3

func (f *Follower) run(ctx context.Context, deliver Handler, once bool, turns turns, hope *hope) (err error) {
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
		hope.lose(f)
	}()
	pause := &backoff.ExponentialBackOff{InitialInterval: time.Second, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 5 * time.Minute}
	pause.Reset()
	endless := f.endless && !once
	for err := f.load(ctx); err != nil; err = f.load(ctx) {
		if !endless || ctx.Err() != nil {
			return err
		}
		f.failed(err)
		if err := sleep(ctx, wait(err, pause)); err != nil {
			return err
		}
	}
	if err := sleep(ctx, turns.delay); err != nil {
		return err
	}
	started := time.Now()
	var look *reader // of the sweep under way, in all of its turns
	for failures := 0; ; {
		if err := turns.take(ctx); err != nil {
			return err
		}
		if f.state.Sweep == nil && !f.plan(turns.interval) {
			corrected := f.askTime(ctx)
			turns.give(0)
			if corrected {
				continue
			}
			if once {
				return nil
			}
			if err := sleep(ctx, turns.interval); err != nil {
				return err
			}
			continue
		}
		began, requests := f.state.Sweep.Begun, f.Health().Requests
		if look == nil {
			look = &reader{follower: f}
		}
		moved, err := f.sweep(ctx, deliver, look, turns.pages)
		turns.give(f.Health().Requests - requests)
		if err != nil || f.state.Sweep == nil {
			look = nil
		}
		if moved {
			pause.Reset()
		}
		var lasting *lastingError
		switch {
		case err == nil && f.state.Sweep != nil:
			// It was the turn of another follower.
		case err == nil && once && f.readSince(started):
			return nil
		case err == nil && once:
			// The sweep was left over, or planned by a wrong clock, and does not cover what has
			// appeared since.
		case err == nil:
			// There is no time left if the sweep was left over or slow. The clock may have been
			// changed meanwhile.
			if err := sleep(ctx, min(turns.interval, turns.interval-f.now().Sub(began))); err != nil {
				return err
			}
		case errors.As(err, &lasting) && endless && ctx.Err() == nil:
			f.failed(lasting.error)
			if err := sleep(ctx, wait(lasting.error, pause)); err != nil {
				return err
			}
		case lasting != nil && (once || !lasting.token):
			return lasting.error
		case lasting != nil:
			hope.lose(f)
			select {
			case <-hope.none:
				return lasting.error
			default:
			}
			f.failed(err)
			select {
			case <-ctx.Done():
				return ended(ctx)
			case <-hope.none:
				return lasting.error
			case <-time.After(RefusedInterval):
			}
		case ctx.Err() != nil:
			return ended(ctx)
		default:
			if failures++; once && failures >= attempts {
				return fmt.Errorf("follow: %w", err)
			}
			f.failed(err)
			if err := sleep(ctx, max(pause.NextBackOff(), asked(err))); err != nil {
				return err
			}
		}
	}
}

// longestWait bounds how long the follower waits when the service asks it to.
const longestWait = time.Hour

// asked is how long the service asks to wait.
func asked(err error) time.Duration {
	if answered, ok := errors.AsType[*auditlogs.Error](err); ok {
		return min(answered.RetryAfter, longestWait)
	}
	return 0
}

// wait is the pause after an error that would end a follower that may end. What the service
// refuses, and a state that cannot be used, need somebody who acts.
func wait(err error, pause backoff.BackOff) time.Duration {
	if errors.Is(err, ErrState) || !auditlogs.Retryable(err) {
		return RefusedInterval
	}
	return pause.NextBackOff()
}

// A lastingError is permanent, unless a refused token is given its permission back.
type lastingError struct {
	error
	token bool // was refused
}

func (e *lastingError) Unwrap() error { return e.error }

// load reads the state, once, or starts one.
func (f *Follower) load(ctx context.Context) error {
	if f.state == nil {
		data, err := f.store.Load(ctx)
		if err != nil {
			return fmt.Errorf("follow: %s cannot be read: %w", f.stateName(), err)
		}
		if len(data) == 0 {
			return f.begin(ctx)
		}
		s, err := decodeState(data)
		if err == nil {
			err = s.belongs(f.log.String(), f.id)
		}
		if err != nil {
			return fmt.Errorf("follow: %s: %w", f.stateName(), err)
		}
		f.state = s
	}
	f.report(f.progressed)
	return nil
}

// begin starts a state, and saves it before the first request: a start that is given as an age, or
// not at all, would otherwise advance with each failed attempt, and leave out what happened in
// between.
func (f *Follower) begin(ctx context.Context) error {
	start := f.start
	if start.IsZero() {
		age := f.settle + f.depth.lookBack
		if f.age > 0 {
			age = f.age
		}
		start = f.now().Add(-age).UTC().Truncate(time.Second)
	}
	s := &state{Log: f.log.String(), Query: f.id, Start: start, Watermark: start, LookedBack: start, Newest: start, Seen: newMemory()}
	if err := f.put(ctx, s); err != nil {
		return fmt.Errorf("follow: %s cannot be saved, and nothing was requested: %w", f.stateName(), err)
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

// save stores the state after a delivery.
func (f *Follower) save(ctx context.Context) error {
	if err := f.put(ctx, f.state); err != nil {
		return &lastingError{error: fmt.Errorf("follow: %s cannot be saved, and the entries since the last save will be delivered again: %w", f.stateName(), err)}
	}
	return nil
}

// put stores a state, even when the run is to end: acknowledged entries must not be delivered
// again.
func (f *Follower) put(ctx context.Context, s *state) error {
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

// failed reports a failure after which the follower continues.
func (f *Follower) failed(err error) {
	f.report(func(h *Health) { h.failed(f.now(), err) })
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

// Run runs several followers, mostly one for each of several accounts, until all have ended. If one
// ends, the others continue: see [Health.Ended] and [Health.LastError]. One whose token is refused
// is tried again every [RefusedInterval], unless none of them has read anything. Run returns the
// errors of all, each with its account. Batches are passed to deliver one at a time, and only a few
// followers read at a time, in the order in which they are due, so that the pages of hundreds of
// accounts are not in memory at once. The sweeps of many followers are spread over the interval; if
// the client's budget is too small for them, see [Demand].
func Run(ctx context.Context, deliver Handler, followers ...*Follower) error {
	return together(ctx, deliver, followers, false)
}

// CatchUp lets several followers catch up at the same time; see [Follower.CatchUp] and [Run].
func CatchUp(ctx context.Context, deliver Handler, followers ...*Follower) error {
	return together(ctx, deliver, followers, true)
}

func together(ctx context.Context, deliver Handler, followers []*Follower, once bool) error {
	var running sync.WaitGroup
	delivering := make(chan struct{}, 1) // Unlike a mutex it can be waited for until the context ends.
	oneByOne := func(ctx context.Context, batch Batch) error {
		select {
		case delivering <- struct{}{}:
		case <-ctx.Done():
			return ended(ctx)
		}
		defer func() { <-delivering }()
		return deliver(ctx, batch)
	}
	turns := newTurns(followers, once)
	hope := newHope(followers...)
	failures := make([]error, len(followers))
	for i, f := range followers {
		running.Go(func() {
			if err := f.run(ctx, oneByOne, once, turns[f], hope); err != nil {
				failures[i] = fmt.Errorf("%s: %w", f.log, err)
			}
		})
	}
	running.Wait()
	return errors.Join(failures...)
}

// Hope lasts as long as one of the followers that run together has read something, or still may:
// then one whose token is refused waits. Without it they all end, so that a wrong token is noticed
// at once.
type hope struct {
	followers []*Follower
	none      chan struct{} // closed when there is none

	mu   sync.Mutex
	lost map[*Follower]bool // those that were refused, or ended
}

func newHope(followers ...*Follower) *hope {
	return &hope{followers: followers, none: make(chan struct{}), lost: map[*Follower]bool{}}
}

// lose says that a follower was refused, or ended.
func (h *hope) lose(f *Follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost[f] {
		return
	}
	h.lost[f] = true
	for _, f := range h.followers {
		if !h.lost[f] || !f.Health().LastSuccess.IsZero() {
			return
		}
	}
	close(h.none)
}
