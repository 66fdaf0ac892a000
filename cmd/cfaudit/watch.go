package main

import (
	"net/http"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A watch prints what users of any command must know about the answers: that the service limits
// the request rate, and that this machine's clock is wrong.
type watch struct {
	auditlogs.Observer // receives everything too
	env                *environment
	clock              string // what a wrong clock means for the command; empty for nothing

	mu      sync.Mutex
	refused time.Time     // when a refusal was last reported
	offset  time.Duration // that was reported
}

// refusedEvery is how often refusals are reported, at most: they last for five minutes, and there
// can be hundreds.
const refusedEvery = 5 * time.Minute

// Attempted reports what is new about an attempt.
func (w *watch) Attempted(a auditlogs.Attempt) {
	w.Observer.Attempted(a)
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.StatusCode == http.StatusTooManyRequests && (w.refused.IsZero() || time.Since(w.refused) >= refusedEvery) {
		w.refused = time.Now()
		w.note("the service refuses all requests of this token's user for a while, since there were more than 1200 in five minutes (status 429): " +
			"other tools and the dashboard count too, and --rate 2 leaves them more")
	}
	if w.clock != "" && a.ClockOffset != w.offset {
		w.offset = a.ClockOffset
		w.note("%s: %s", auditlogs.DescribeClock(a.ClockOffset), w.clock)
	}
}

func (w *watch) note(format string, args ...any) {
	if p, ok := w.Observer.(*progress); ok {
		p.clear()
	}
	w.env.note(format, args...)
}
