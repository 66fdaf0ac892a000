package auditlogstest

import (
	"fmt"
	"net/http"
	"time"
)

// published is the budget that the service documents. It is not enforced.
var published = budget{requests: 1200, window: 5 * time.Minute}

// A budget is a rate limit: a number of requests in any window. Overdrawing it blocks everything
// for a whole window.
type budget struct {
	enforced bool
	requests int
	window   time.Duration
	spent    []time.Time // the requests of the last window, oldest first
	blocked  time.Time   // no request passes before this time
}

// spend takes one request from the budget, and reports the rest in the header. If there is nothing
// left, it refuses the request, and returns how long to wait.
func (b *budget) spend(now time.Time, header http.Header) (wait time.Duration, refused bool) {
	left, renewal := b.requests-1, b.window
	if b.enforced {
		if !now.Before(b.blocked) {
			for len(b.spent) > 0 && now.Sub(b.spent[0]) >= b.window {
				b.spent = b.spent[1:]
			}
			if len(b.spent) < b.requests {
				b.spent = append(b.spent, now)
			} else {
				b.blocked = now.Add(b.window)
			}
		}
		if wait = b.blocked.Sub(now); wait > 0 {
			left, renewal, refused = 0, wait, true
		} else {
			wait, left, renewal = 0, b.requests-len(b.spent), b.spent[0].Add(b.window).Sub(now)
		}
	}
	header.Set("Ratelimit", fmt.Sprintf(`"default";r=%d;t=%d`, left, seconds(renewal)))
	header.Set("Ratelimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, b.requests, seconds(b.window)))
	return wait, refused
}

// seconds rounds up, so that no client retries too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
