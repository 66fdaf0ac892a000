package auditlogs

import "time"

// An Observer receives the events of a client, to count and measure them with the program's own
// tools. Its methods are called from the goroutines that list, possibly at the same time, and
// should return quickly.
type Observer interface {
	// Attempted is called after each request.
	Attempted(Attempt)
	// Waiting is called before each pause: to keep the budget, because the service asked for it, or
	// between attempts. The pause lasts as long, unless the context ends it. Of several requests
	// that wait for the budget, only the first in the queue is reported.
	Waiting(time.Duration)
}

// An Attempt is one request and its outcome.
type Attempt struct {
	Number     int           // 1 for the first request for a page, 2 for its first retry, and so on
	StatusCode int           // 0 without an answer
	RayID      string        // empty if the answer had none
	Received   int64         // bytes of the body, as transferred
	Inflated   int64         // bytes of the body after decompression
	Duration   time.Duration // from the request to the last byte
	Err        error         // what made it fail; nil for a page
	Retried    bool          // it failed, and another request follows
	// Remaining is how many requests the service says are left to the token's user; -1 if it says
	// nothing.
	Remaining int64
	// ClockOffset is what [Client.ClockOffset] is after the answer.
	ClockOffset time.Duration
}

// WithObserver reports each request and each wait to observer.
func WithObserver(observer Observer) Option {
	return option(observer != nil, func(c *config) { c.observer = observer },
		"observer is nil: want one, or leave the option out")
}

type noObserver struct{}

func (noObserver) Attempted(Attempt)     {}
func (noObserver) Waiting(time.Duration) {}
