package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// A healthReport reports the health of followers: as lines on standard error, and in a file for
// probes.
type healthReport struct {
	env  *environment
	file string // empty for none

	mu       sync.Mutex
	requests int64
	limited  int64  // of these, refused with status 429
	broken   string // why the file could not be written; empty if it could
}

// Attempted counts requests, for all accounts together.
func (r *healthReport) Attempted(a auditlogs.Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if a.StatusCode == http.StatusTooManyRequests {
		r.limited++
	}
}

// Waiting is part of auditlogs.Observer.
func (r *healthReport) Waiting(time.Duration) {}

// observer returns the observer of a log. It reports each failure once, when it happens, and a
// token that is refused repeatedly only the first time. With several logs, it also reports that one
// has stopped, since the program continues with the others.
func (r *healthReport) observer(others bool) func(follow.Health) {
	var told time.Time // when the last reported failure happened
	refused := false   // a refused token has been reported
	return func(h follow.Health) {
		if refused && !h.Refused {
			refused = false
			r.env.note("%s: the token is accepted again", h.Log)
		}
		if h.LastFailure.Equal(told) {
			return
		}
		told = h.LastFailure
		switch {
		case h.Refused && !h.Ended:
			if !refused {
				refused = true
				r.env.note("%s: %s; it is tried again every %s", h.Log, plain(h.LastError), short(follow.RefusedInterval))
			}
		case !h.Ended:
			r.env.note("%s: %s; it is tried again", h.Log, plain(h.LastError))
		case others:
			r.env.note("%s has stopped: %s", h.Log, plain(h.LastError))
		}
	}
}

// statusEvery is how often the file is rewritten.
const statusEvery = 10 * time.Second

// start reports until the context ends, and closes the returned channel after the last report.
func (r *healthReport) start(ctx context.Context, followers []*follow.Follower, lines time.Duration) (done <-chan struct{}) {
	closing := make(chan struct{})
	status := time.Tick(statusEvery)
	line := time.Tick(lines) // nil for never
	r.write(followers)
	go func() {
		defer close(closing)
		for {
			select {
			case <-status:
				r.write(followers)
			case <-line:
				r.print(followers)
			case <-ctx.Done():
				if lines > 0 {
					r.print(followers)
				}
				r.write(followers)
				return
			}
		}
	}()
	return closing
}

// print prints a line for each account.
func (r *healthReport) print(followers []*follow.Follower) {
	for _, follower := range followers {
		// A failure before anything was read has been reported.
		if h := follower.Health(); !h.Ended || !h.LastSuccess.IsZero() {
			r.env.say(healthLine(h))
		}
	}
}

func healthLine(h follow.Health) string {
	text := fmt.Sprintf("%s %s: ", h.Time.Format(time.RFC3339), h.Log)
	if h.Watermark.IsZero() {
		text += "nothing read yet"
	} else {
		text += fmt.Sprintf("read up to %s, lag %s; %s", h.Watermark.Format(time.RFC3339), h.Lag.Round(time.Second), entryCount(h.Entries))
	}
	if l := h.Lateness; l.Entries > 0 {
		text += fmt.Sprintf(", late by %s (median), %s (95 %%), %s (most)", l.Median.Round(time.Second), l.P95.Round(time.Second), l.Most.Round(time.Second))
	}
	if h.NearlyMissed > 0 {
		text += fmt.Sprintf(", %d nearly missed (look back further than %s)", h.NearlyMissed, short(h.LookBack))
	}
	if h.RateLimited > 0 {
		text += fmt.Sprintf(", %s rate limited (status 429)", count(h.RateLimited, "request", "requests"))
	}
	if h.Forgotten > 0 {
		text += fmt.Sprintf(", %d ids forgotten", h.Forgotten)
	}
	if !h.LastSuccess.IsZero() {
		text += fmt.Sprintf("; last success %s ago", h.Time.Sub(h.LastSuccess).Round(time.Second))
	}
	if h.LastError != "" {
		text += fmt.Sprintf("; last error %s ago: %s", h.Time.Sub(h.LastFailure).Round(time.Second), plain(h.LastError))
	}
	return text
}

// write rewrites the file. A failure is reported once, and does not stop the command.
func (r *healthReport) write(followers []*follow.Follower) {
	if r.file == "" {
		return
	}
	r.mu.Lock()
	s := follow.Status{Time: r.env.now().UTC(), Requests: r.requests, RateLimited: r.limited}
	r.mu.Unlock()
	for _, follower := range followers {
		s.Logs = append(s.Logs, follower.Health())
	}
	text := ""
	if err := s.WriteFile(r.file); err != nil {
		text = err.Error()
	}
	if text != "" && text != r.broken {
		r.env.note("the status is not written: %s", text)
	}
	r.broken = text
}
