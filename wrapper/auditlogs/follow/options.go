package follow

import (
	"errors"
	"fmt"
	"time"
)

// The defaults of the options of the same names, and what no option changes.
const (
	DefaultInterval      = time.Minute
	DefaultSettle        = time.Duration(0)
	DefaultOverlap       = time.Minute
	DefaultLookBack      = 30 * time.Minute
	DefaultLookBackEvery = 10 * time.Minute
	// RefusedInterval is the pause after an answer that refuses the token.
	RefusedInterval = 10 * time.Minute
	// MaxRemembered is how many ids are remembered: with them the state stays below 1 MB.
	MaxRemembered = 60_000
)

// An Option changes how a [Follower] works. [New] returns the error of an option that is wrong.
type Option func(*config) error

type config struct {
	interval time.Duration
	settle   time.Duration
	depth    depth
	every    time.Duration
	memory   int
	age      time.Duration // of the start, before the first run; 0 for the default
	endless  bool
	observe  func(Health)
	now      func() time.Time
}

// atLeast sets a length of time, which is refused if it is less than the least.
func atLeast(name string, given, least time.Duration, want string, taken func(*config) *time.Duration) Option {
	return func(c *config) error {
		if given < least {
			return fmt.Errorf("%s is %s: want %s", name, given, want)
		}
		*taken(c) = given
		return nil
	}
}

// WithInterval sets how often new entries are requested. The default is a minute, the minimum a
// second. Each time costs at least one of the requests that the service allows the user, 1200 in
// five minutes.
func WithInterval(interval time.Duration) Option {
	return atLeast("interval", interval, time.Second, "a second or more, such as 1m", func(c *config) *time.Duration { return &c.interval })
}

// WithStartAge sets how long before its first run a follower without a state starts, if the query
// has no Since. It is an age, and not a time, so that it can be corrected if this machine's clock
// turns out to be fast.
func WithStartAge(age time.Duration) Option {
	return atLeast("start age", age, 0, "0 for the default, or more, such as 24h", func(c *config) *time.Duration { return &c.age })
}

// WithSettle chooses between prompt delivery and delivery in order. With 0, the default, each entry
// is delivered as soon as a sweep finds it: within an interval after the service shows it, in the
// order in which entries appear. With [auditlogs.SettleTime], entries are requested when they are
// ten minutes old, and nearly all are delivered in the order of their times. Entries that appear
// even later are delivered too, out of order. [Health.Lateness] says how late entries appear.
func WithSettle(settle time.Duration) Option {
	return atLeast("settle time", settle, 0, "0 or more, such as 10m", func(c *config) *time.Duration { return &c.settle })
}

// WithOverlap sets how long before the end of the last sweep each sweep starts. The default is a
// minute, the minimum a second.
func WithOverlap(overlap time.Duration) Option {
	return atLeast("overlap", overlap, time.Second, "a second or more, such as 1m", func(c *config) *time.Duration { return &c.depth.overlap })
}

// WithLookBack sets how late after its time an entry may appear and still be delivered, and the
// longest time between two look-backs. If the whole span fits on a page, each sweep covers it. The
// default is 30 minutes, every 10 minutes. All ids of the two spans together should fit into the
// memory; see [MaxRemembered]. A look-back of a day every hour suits an account with some ten
// thousand entries a day.
func WithLookBack(span, every time.Duration) Option {
	return func(c *config) error {
		if span < 0 || every < time.Second {
			return fmt.Errorf("look-back is %s every %s: want 0 or more, every second or more, such as 30m every 10m", span, every)
		}
		c.depth.lookBack, c.every = span, every
		return nil
	}
}

// WithoutEnd lets only the context end [Follower.Run], for programs that run unattended. What
// otherwise ends it shows in [Health.Err], and is tried again: what the service refuses and a state
// that cannot be used every [RefusedInterval], and a handler or store that fails with growing
// pauses of up to five minutes. A batch whose handler failed is delivered again.
func WithoutEnd() Option {
	return func(c *config) error {
		c.endless = true
		return nil
	}
}

// WithObserver calls observe whenever something has changed: after each page, each sweep and each
// failure. It is called from the goroutine that runs the follower, and should return quickly.
func WithObserver(observe func(Health)) Option {
	return func(c *config) error {
		if observe == nil {
			return errors.New("observer is nil: want a function, or leave the option out")
		}
		c.observe = observe
		return nil
	}
}
