package auditlogs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// A clock compares this machine's clock with the service's, by the answers' header Date.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

// clockTolerance is how far the clocks may differ before the client takes note: the header has
// whole seconds, and a few seconds do no harm.
const clockTolerance = 5 * time.Second

// see measures the offset by one answer, and reports whether it has changed.
func (c *clock) see(header http.Header, sent time.Time) (offset time.Duration, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return c.offset, false
	}
	// The service wrote the date, which leaves out the fraction of a second, between the request
	// and the answer. Only the wall clock can be compared with a date.
	least, most := date.Sub(time.Now().Round(0)), date.Add(time.Second).Sub(sent.Round(0))
	if c.offset >= least-clockTolerance && c.offset <= most+clockTolerance {
		return c.offset, false
	}
	c.offset = ((least + most - time.Second) / 2).Round(time.Second)
	if c.offset.Abs() <= clockTolerance {
		c.offset = 0
	}
	return c.offset, true
}

// ClockOffset returns the offset of the service's clock from this machine's, measured by the last
// answers: more than 0 if this machine's clock is slow. It is 0 before the first answer, and as
// long as the two differ only by a few seconds.
func (c *Client) ClockOffset() time.Duration {
	c.config.clock.mu.Lock()
	defer c.config.clock.mu.Unlock()
	return c.config.clock.offset
}

// compareClocks evaluates the answer's Date header.
func (c *config) compareClocks(ctx context.Context, response *http.Response, sent time.Time) time.Duration {
	offset, changed := c.clock.see(response.Header, sent)
	if changed {
		c.logger.WarnContext(ctx, "audit log clock: "+DescribeClock(offset), slog.Duration("offset", offset))
	}
	return offset
}

// DescribeClock says in words what a [Client.ClockOffset] means.
func DescribeClock(offset time.Duration) string {
	switch {
	case offset > 0:
		return fmt.Sprintf("this machine's clock is %s slow compared with the service's answers", offset)
	case offset < 0:
		return fmt.Sprintf("this machine's clock is %s fast compared with the service's answers", -offset)
	}
	return "this machine's clock agrees with the service's answers"
}
