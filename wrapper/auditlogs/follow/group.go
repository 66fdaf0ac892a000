package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

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
	g := newGroup(followers, once)
	failures := make([]error, len(followers))
	for i, f := range followers {
		running.Go(func() {
			if err := f.run(ctx, oneByOne, g); err != nil {
				failures[i] = fmt.Errorf("%s: %w", f.log, err)
			}
		})
	}
	running.Wait()
	return errors.Join(failures...)
}

const (
	// sweepsAtOnce bounds how many of the followers that run together read at a time. Each has two
	// pages in memory.
	sweepsAtOnce = 8
	// pagesATurn bounds how much of a long sweep is read while others wait. Resuming it costs a
	// request or two.
	pagesATurn = 50
)

// A group is followers that run together. There is hope as long as one of them has read something,
// or still may: then one whose token is refused waits. Without it they all end, so that a wrong
// token is noticed at once.
type group struct {
	once      bool // they only catch up
	followers []*Follower
	paces     map[*Follower]pace
	slots     chan struct{} // Waiting senders are served in the order in which they arrived.
	pages     int           // of a sweep in one turn; 0 for all
	hopeless  chan struct{} // closed when there is no hope
	giveUp    func()        // closes it

	mu   sync.Mutex
	lost map[*Follower]bool // those that were refused, or ended
}

// A pace is how often a follower of a group sweeps.
type pace struct {
	delay    time.Duration // before the first sweep
	interval time.Duration // from one sweep to the next
	starts   *starts       // nil if sweeps start at once
}

// Starts spread the sweeps of many followers over time, so that together they keep to the pace of
// the budget, also when all have much to read after an outage. Otherwise they would use it up at
// once, and stop until it is renewed.
type starts struct {
	gap time.Duration // for each request

	mu   sync.Mutex
	next time.Time
}

// reserve returns when the next sweep may start. It counts as one request.
func (s *starts) reserve() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := latest(s.next, time.Now())
	s.next = at.Add(s.gap)
	return at
}

// charge delays the next sweeps by what one has cost beyond its first request, or advances them if
// it has cost nothing.
func (s *starts) charge(requests int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = s.next.Add(time.Duration(requests-1) * s.gap)
}

// newGroup returns a group of followers. Their intervals are stretched equally if the budget of
// their client is too small for them, and their sweeps are spread evenly. Those that only catch up
// go as fast as the budget allows.
func newGroup(followers []*Follower, once bool) *group {
	hopeless := make(chan struct{})
	g := &group{
		once: once, followers: followers, paces: map[*Follower]pace{}, slots: make(chan struct{}, sweepsAtOnce),
		hopeless: hopeless, giveUp: sync.OnceFunc(func() { close(hopeless) }), lost: map[*Follower]bool{},
	}
	if len(followers) > sweepsAtOnce {
		g.pages = pagesATurn
	}
	clients := map[*auditlogs.Client][]*Follower{}
	for _, f := range followers {
		clients[f.log.Client()] = append(clients[f.log.Client()], f)
	}
	for _, sharing := range clients {
		stretch, spread := 1.0, new(starts)
		if needs, has := Demand(sharing...); has > 0 {
			stretch, spread.gap = max(1, needs/has), time.Duration(float64(time.Minute)/has)
		}
		for i, f := range sharing {
			p := pace{interval: time.Duration(float64(f.interval) * stretch)}
			if len(followers) > sweepsAtOnce && !once {
				p.delay, p.starts = p.interval*time.Duration(i)/time.Duration(len(sharing)), spread
			}
			g.paces[f] = p
		}
	}
	return g
}

// lose says that a follower was refused, or ended, and reports whether there is hope.
func (g *group) lose(f *Follower) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost[f] = true
	if slices.ContainsFunc(g.followers, func(f *Follower) bool { return !g.lost[f] || !f.Health().LastSuccess.IsZero() }) {
		return true
	}
	g.giveUp()
	return false
}

// Demand returns how many requests a minute followers need at least to keep to their intervals, and
// how many their clients can sustain; 0 if there is no bound. If the followers need more, [Run]
// stretches all intervals by the same factor, needs/has.
func Demand(followers ...*Follower) (needs, has float64) {
	rates := map[*auditlogs.Client]float64{}
	for _, f := range followers {
		needs += float64(time.Minute) / float64(f.interval)
		rates[f.log.Client()] = f.log.Client().Rate()
	}
	for _, rate := range rates {
		if rate <= 0 {
			return needs, 0
		}
		has += 60 * rate
	}
	return needs, has
}
