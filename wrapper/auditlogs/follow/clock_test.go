package follow_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// A machine whose clock is wrong is corrected by the dates of the answers: nothing is left out, and
// the lag is the true one. In these tests the service's clock is the bubble's, moved by the error.
func TestWrongClocks(t *testing.T) {
	for _, test := range []struct {
		name  string
		ahead time.Duration // of the machine's clock
		since bool          // the start is given as an age
		again bool          // there is a state, made while the clock was right
		once  bool
	}{
		{"right", 0, false, false, false},
		{"an hour slow", -time.Hour, false, false, false},
		{"an hour fast", time.Hour, false, false, false},
		{"ten minutes fast", 10 * time.Minute, false, false, false},
		{"an hour fast, with an age", time.Hour, true, false, false},
		{"an hour slow, going on", -time.Hour, false, true, false},
		{"an hour fast, going on", time.Hour, false, true, false},
		{"an hour slow, once", -time.Hour, false, false, true},
		{"an hour fast, once", time.Hour, false, false, true},
		{"an hour slow, once, going on", -time.Hour, false, true, true},
		{"an hour fast, once, going on", time.Hour, false, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				next := s.Client().Transport
				wrong := time.Duration(0)
				client := newClient(t, s, auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
					response, err := next.RoundTrip(r)
					if err == nil {
						response.Header.Set("Date", time.Now().Add(-wrong).UTC().Format(http.TimeFormat))
					}
					return response, err
				})}))
				store, out := &memoryStore{}, &sink{}
				// The true time is the bubble's less what the clock is ahead.
				truth := func() time.Time { return time.Now().Add(-wrong) }
				options := []follow.Option{follow.WithSettle(2 * time.Minute)}
				if test.since {
					options = append(options, follow.WithStartAge(20*time.Minute))
				}
				once := false
				run := func(lasts time.Duration) *follow.Follower {
					f := newFollower(t, client, auditlogs.Query{}, store, options...)
					ctx, cancel := context.WithTimeout(t.Context(), lasts)
					defer cancel()
					if once {
						if err := f.CatchUp(ctx, out.deliver); err != nil {
							t.Error(err)
						}
					} else {
						_ = f.Run(ctx, out.deliver)
					}
					return f
				}
				if test.again {
					run(30 * time.Minute)
					time.Sleep(max(0, test.ahead)) // The clock jumps, and the truth does not.
				}
				wrong, once = test.ahead, test.once
				// One a minute, from 15 minutes ago on, or until 3 minutes ago.
				n := 40
				if once {
					n = 13
				}
				go func() {
					for i := range n {
						if i > 15 {
							time.Sleep(time.Minute)
						}
						s.Add(made(i, truth().Add(time.Duration(min(i, 15)-15)*time.Minute)))
					}
				}()
				synctest.Wait()
				f := run(35 * time.Minute)
				wantAll(t, out.entries(), stored(s), false)
				if lag := truth().Sub(f.Health().Watermark); lag < 2*time.Minute || lag > 4*time.Minute {
					t.Errorf("the watermark lags by %s", lag)
				}
				if lag := f.Health().Lag; lag > 4*time.Minute {
					t.Errorf("the lag is said to be %s", lag)
				}
			})
		})
	}
}
