package auditlogs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// clockTolerance is how far the clocks may differ before the client takes note: the header has
// whole seconds, and a few seconds do no harm.
const clockTolerance = 5 * time.Second

// compareClocks compares this machine's clock with the service's, by an answer's header Date.
func (c *config) compareClocks(ctx context.Context, response *http.Response, sent time.Time) time.Duration {
	before := time.Duration(c.clockOffset.Load())
	date, err := http.ParseTime(response.Header.Get("Date"))
	// The service wrote the date, which leaves out the fraction of a second, between the request
	// and the answer. Only the wall clock can be compared with a date.
	least, most := date.Sub(time.Now().Round(0)), date.Add(time.Second).Sub(sent.Round(0))
	if err != nil || before >= least-clockTolerance && before <= most+clockTolerance {
		return before
	}
	offset := ((least + most - time.Second) / 2).Round(time.Second)
	if offset.Abs() <= clockTolerance {
		offset = 0
	}
	if c.clockOffset.CompareAndSwap(int64(before), int64(offset)) { // Otherwise another request has said it.
		c.logger.WarnContext(ctx, "audit log clock: "+DescribeClock(offset), slog.Duration("offset", offset))
	}
	return offset
}

// ClockOffset returns the offset of the service's clock from this machine's, measured by the last
// answers: more than 0 if this machine's clock is slow. It is 0 before the first answer, and as
// long as the two differ only by a few seconds.
func (c *Client) ClockOffset() time.Duration { return time.Duration(c.config.clockOffset.Load()) }

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
