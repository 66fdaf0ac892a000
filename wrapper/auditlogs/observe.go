package auditlogs

import (
	"errors"
	"time"
)

// An Observer is told what a client does, to count and measure it with whatever the program uses. Its methods are called
// from the goroutines that list, possibly at the same time, and should return quickly.
type Observer interface {
	// Attempted is called after each request.
	Attempted(Attempt)
	// Waiting is called before each pause: to keep the budget, because the service asked for it, or between attempts.
	// The pause lasts as long, unless the context ends it. Of several requests that wait for the
	// budget, only the first in the queue is told.
	Waiting(time.Duration)
}

// An Attempt is one request and what came of it.
type Attempt struct {
	Number     int           // 1 for the first request for a page, 2 for its first retry, and so on
	StatusCode int           // 0 where no status came
	RayID      string        // empty where none came
	Received   int64         // bytes of the body, as transferred
	Inflated   int64         // bytes of the body after decompression
	Duration   time.Duration // from the request to the last byte
	Err        error         // what made it fail; nil for a page
	Retried    bool          // it failed, and another request follows
	// ClockOffset is what [Client.ClockOffset] is after the answer.
	ClockOffset time.Duration
}

// WithObserver tells observer of each request and each wait.
func WithObserver(observer Observer) Option {
	return func(c *config) error {
		if observer == nil {
			return errors.New("observer is nil: want one, or leave the option out")
		}
		c.observer = observer
		return nil
	}
}

type noObserver struct{}

func (noObserver) Attempted(Attempt)     {}
func (noObserver) Waiting(time.Duration) {}
