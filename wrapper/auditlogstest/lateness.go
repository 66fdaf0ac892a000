package auditlogstest

import (
	"math/rand/v2"
	"time"
)

// WithLateness shows each entry only some time after its action.time, as the service does: lateness
// draws that time for each entry, in order of arrival, from a source that is the same in every run.
// It applies to made-up histories and to [Server.Add]; an entry with an earlier time is visible at
// once. [Server.Stored] returns what is stored, whether visible yet or not. Without this option
// every entry is visible at once. [MeasuredLateness] is a lateness to start with:
//
//	auditlogstest.WithLateness(auditlogstest.MeasuredLateness)
func WithLateness(lateness func(*rand.Rand) time.Duration) Option {
	require(lateness != nil, "WithLateness: no lateness")
	return func(c *config) { c.lateness = lateness }
}

// measured is the lateness of 369 entries of one account in September 2026, by the share of entries
// that were no later.
var measured = []struct {
	share    float64
	lateness time.Duration
}{
	{0, 167 * time.Second},
	{0.5, 289 * time.Second},
	{0.95, 402 * time.Second},
	{1, 450 * time.Second},
}

// MeasuredLateness draws how late the service shows an entry, as it was measured live on one
// account: 167 to 450 seconds, with a median of 289 and a 95th percentile of 402.
func MeasuredLateness(random *rand.Rand) time.Duration {
	share := random.Float64()
	for i := range measured[1:] {
		from, to := measured[i], measured[i+1]
		if share <= to.share {
			part := (share - from.share) / (to.share - from.share)
			return from.lateness + time.Duration(part*float64(to.lateness-from.lateness))
		}
	}
	return measured[len(measured)-1].lateness
}

// newLateness returns a function that draws the time between an entry and its appearance; nil if
// entries are visible at once.
func (c *config) newLateness() func() time.Duration {
	if c.lateness == nil {
		return nil
	}
	random := rand.New(rand.NewPCG(0, 0x6c6174656e657373))
	return func() time.Duration { return c.lateness(random) }
}
