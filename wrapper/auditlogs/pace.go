package auditlogs

import (
	"context"
	"sync"
	"time"
)

// A pacer keeps a client's requests below a budget of so many in any window of time, over all goroutines. The service
// counts the requests of five minutes, whenever these begin. A token bucket, as in x/time/rate, would let nearly twice
// the budget through in the worst five minutes; a log of the last requests lets through all of it, and never more.
type pacer struct {
	window time.Duration

	mu     sync.Mutex
	sent   []time.Time // of the last requests, as many as the budget has: a ring
	oldest int
	held   time.Time // no request before: the service told the client to wait
}

// newPacer paces to requests in any window; 0 requests mean no budget.
func newPacer(requests int, window time.Duration) *pacer {
	return &pacer{window: window, sent: make([]time.Time, requests)}
}

// wait returns when the next request may be sent, and counts it. It announces each pause.
func (p *pacer) wait(ctx context.Context, announce func(time.Duration)) error {
	for {
		pause := time.Until(p.take())
		if pause <= 0 {
			return ctx.Err()
		}
		announce(pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// take counts a request that may be sent now, and else returns when to ask again.
func (p *pacer) take() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, due := time.Now(), p.held
	if len(p.sent) > 0 {
		if free := p.sent[p.oldest]; !free.IsZero() && free.Add(p.window).After(due) {
			due = free.Add(p.window)
		}
	}
	if due.After(now) {
		return due
	}
	if len(p.sent) > 0 {
		p.sent[p.oldest] = now
		p.oldest = (p.oldest + 1) % len(p.sent)
	}
	return time.Time{}
}

// hold lets no request of the client go before the pause is over.
func (p *pacer) hold(pause time.Duration) {
	until := time.Now().Add(pause)
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.held) {
		p.held = until
	}
}

// gap is the time from one request to the next once the budget is the limit; 0 as long as it is not.
func (p *pacer) gap() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent) == 0 || p.sent[p.oldest].IsZero() && len(p.sent) > 1 || len(p.sent) > 1 && time.Since(p.sent[p.oldest]) > p.window {
		return 0
	}
	return p.window / time.Duration(len(p.sent))
}

// busy reports whether the budget, and not the service, bounds how many requests there are, when so many are under way and
// each takes so long: then more of them at the same time gain nothing.
func (p *pacer) busy(each time.Duration, underway int) bool {
	gap := p.gap()
	return each <= gap*3/2 || gap > 0 && underway > int(each/gap)
}
