package follow

import (
	"context"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

const (
	// sweepsAtOnce bounds how many of the followers that run together read at a time. Each has two
	// pages in memory.
	sweepsAtOnce = 8
	// pagesATurn bounds how much of a long sweep is read while others wait. Resuming it costs a
	// request or two.
	pagesATurn = 50
)

// Turns decide when a follower reads. The zero value with an interval is for one that need not wait
// for others.
type turns struct {
	slots    chan struct{} // Waiting senders are served in the order in which they arrived.
	starts   *starts
	pages    int           // of a sweep in one turn; 0 for all
	delay    time.Duration // before the first
	interval time.Duration // from one sweep to the next
}

// newTurns returns the turns of followers that run together. Their intervals are stretched equally
// if the budget of their client is too small for them, and their sweeps are spread evenly. Those
// that only catch up go as fast as the budget allows.
func newTurns(followers []*Follower, once bool) map[*Follower]turns {
	clients := map[*auditlogs.Client][]*Follower{}
	for _, f := range followers {
		clients[f.log.Client()] = append(clients[f.log.Client()], f)
	}
	slots := make(chan struct{}, sweepsAtOnce)
	all := map[*Follower]turns{}
	for _, sharing := range clients {
		needs, has := Demand(sharing...)
		spread := new(starts)
		if has > 0 {
			spread.gap = time.Duration(float64(time.Minute) / has)
		}
		for i, f := range sharing {
			t := turns{interval: f.interval}
			if has > 0 && needs > has {
				t.interval = time.Duration(float64(f.interval) * needs / has)
			}
			if len(followers) > sweepsAtOnce {
				t.slots, t.pages = slots, pagesATurn
				if !once {
					t.starts, t.delay = spread, t.interval*time.Duration(i)/time.Duration(len(sharing))
				}
			}
			all[f] = t
		}
	}
	return all
}

// Demand returns how many requests a minute followers need at least to keep to their intervals, and
// how many their clients can sustain; 0 if there is no bound. If the followers need more, [Run]
// stretches all intervals by the same factor, needs/has.
func Demand(followers ...*Follower) (needs, has float64) {
	counted, bounded := map[*auditlogs.Client]bool{}, true
	for _, f := range followers {
		needs += float64(time.Minute) / float64(f.interval)
		if !counted[f.log.Client()] {
			counted[f.log.Client()] = true
			rate := f.log.Client().Rate()
			has += 60 * rate
			bounded = bounded && rate > 0
		}
	}
	if !bounded {
		has = 0
	}
	return needs, has
}

// take waits for a turn.
func (t turns) take(ctx context.Context) error {
	if t.slots == nil {
		return nil
	}
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return ended(ctx)
	}
	if t.starts == nil {
		return nil
	}
	if err := sleep(ctx, time.Until(t.starts.reserve())); err != nil {
		<-t.slots
		return err
	}
	return nil
}

// give ends a turn that has cost the given number of requests.
func (t turns) give(requests int64) {
	if t.slots == nil {
		return
	}
	if t.starts != nil {
		t.starts.charge(requests)
	}
	<-t.slots
}

// Starts spread the sweeps of many followers over time, so that together they keep to the pace of
// the budget. Otherwise they would use it up at once, and stop until it is renewed.
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
