package auditlogs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A pacer keeps a client's requests below a budget for any window of time, over all goroutines, and
// releases them in the order in which they arrived.
//
// The service counts a request when it arrives, which the client does not see. That is between the
// request and its answer, so a request counts from when it is sent until one window after its
// answer: then the service never counts more than the budget in any window, however long requests
// take to arrive. A token bucket, as in x/time/rate, would let nearly twice the budget through in
// the worst window.
type pacer struct {
	requests int // the budget; 0 for none
	window   time.Duration
	strict   bool          // a request counts from when it is sent, since the bound is not the service's
	turn     chan struct{} // held by the request that is next; Go serves waiting senders in order
	waiting  atomic.Int64

	mu       sync.Mutex
	underway int         // requests without an answer
	ended    []time.Time // when the others were answered, within a window, oldest first
	last     time.Time   // when a request was sent
	held     time.Time   // no request before this time: the service asked the client to wait
	spacing  time.Duration
	spaced   time.Time // until when the spacing applies
}

// crowd is how many requests may wait or be under way before further ones are released one by one,
// at the pace of the budget. Otherwise hundreds of followers would use it up at once, and then all
// stop for minutes.
const crowd = 50

// newPacer paces to requests in any window; 0 requests mean no budget.
func newPacer(requests int, window time.Duration, strict bool) *pacer {
	return &pacer{requests: requests, window: window, strict: strict, turn: make(chan struct{}, 1)}
}

// wait returns when the next request may be sent, and counts it. It announces each pause of the
// request that is next. Each request that was sent must be reported to answered.
func (p *pacer) wait(ctx context.Context, announce func(time.Duration)) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	for ctx.Err() == nil {
		pause := p.take()
		if pause == 0 {
			return nil
		}
		announce(pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// take counts a request that may be sent now, and otherwise returns how long to wait before trying
// again.
func (p *pacer) take() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	pause := p.held.Sub(now)
	if now.Before(p.spaced) {
		pause = max(pause, p.last.Add(p.spacing).Sub(now))
	}
	if p.requests > 0 {
		switch full := p.full(now); {
		case full && len(p.ended) > 0:
			pause = max(pause, p.ended[0].Add(p.window).Sub(now))
		case full:
			pause = max(pause, p.share()) // All are under way.
		}
		if int(p.waiting.Load())+p.underway > crowd {
			pause = max(pause, p.last.Add(p.share()).Sub(now))
		}
	}
	if pause > 0 {
		return pause
	}
	p.last = now
	p.underway++
	if p.strict {
		p.end(now)
	}
	return 0
}

// answered says that a request is over.
func (p *pacer) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.strict {
		p.end(time.Now())
	}
}

func (p *pacer) end(now time.Time) {
	p.underway--
	if p.requests > 0 {
		p.ended = append(p.ended, now)
	}
}

// full reports whether the budget is used up, and forgets requests that no longer count.
func (p *pacer) full(now time.Time) bool {
	for len(p.ended) > 0 && now.Sub(p.ended[0]) >= p.window {
		p.ended = p.ended[1:]
	}
	return p.underway+len(p.ended) >= p.requests
}

// share is the time from one request to the next when the budget is used evenly.
func (p *pacer) share() time.Duration { return p.window / time.Duration(p.requests) }

// hold releases no request of the client before the pause is over.
func (p *pacer) hold(pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(pause); until.After(p.held) {
		p.held = until
	}
}

// space spreads the remaining requests evenly over the time until the service renews its budget.
func (p *pacer) space(remaining int64, reset time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spacing, p.spaced = reset/time.Duration(remaining), time.Now().Add(reset)
}

// busy reports whether the budget, and not the service, limits the rate, given the number of
// requests under way and how long each takes: then more concurrent requests gain nothing.
func (p *pacer) busy(each time.Duration, underway int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.requests == 0 || p.requests > 1 && !p.full(time.Now()) {
		return each <= 0
	}
	gap := p.share()
	return each <= gap*3/2 || underway > int(each/gap)
}

// Rate returns how many requests a second the client can sustain, by the option [WithRate] or by
// the documented budget; 0 if there is no bound.
func (c *Client) Rate() float64 {
	return float64(c.config.pace.requests) / c.config.pace.window.Seconds()
}
