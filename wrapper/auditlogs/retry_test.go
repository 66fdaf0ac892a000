package auditlogs_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// paused lists once in virtual time, against a fake that has the faults in store, and returns what
// came and how long it took.
func paused(t *testing.T, faults []auditlogstest.Fault, options ...auditlogs.Option) (ids []string, took time.Duration, tries int, end error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, 5)
		s.FailNext(faults...)
		start := time.Now()
		c := newClient(t, s, append([]auditlogs.Option{auditlogs.WithRetry(4, time.Second, 4*time.Second)}, options...)...)
		ids, end = collect(t, c.Account(account).Entries(t.Context(), day))
		took, tries = time.Since(start), len(s.Requests())
		s.Close()
	})
	return ids, took, tries, end
}

func TestRetries(t *testing.T) {
	wait := func(status int, retryAfter string) auditlogstest.Fault {
		return auditlogstest.Fault{Status: status, Header: http.Header{"Retry-After": {retryAfter}}}
	}
	// Where synctest's clock starts.
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name     string
		faults   []auditlogstest.Fault
		whole    bool
		tries    int
		min, max time.Duration
	}{
		{"a failure", []auditlogstest.Fault{{Status: 500}}, true, 2, 0, time.Second},
		{"three failures", []auditlogstest.Fault{{Status: 502}, {Status: 503}, {Status: 504}}, true, 4, 0, 7 * time.Second},
		{"as many failures as attempts", []auditlogstest.Fault{{Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}}, false, 4, 0, 7 * time.Second},
		{"told to wait, in seconds", []auditlogstest.Fault{wait(429, "30")}, true, 2, 30 * time.Second, 31 * time.Second},
		{"told to wait, until a date", []auditlogstest.Fault{wait(429, start.Add(time.Minute).Format(http.TimeFormat))}, true, 2, time.Minute, 61 * time.Second},
		{"told to wait by a failure", []auditlogstest.Fault{wait(503, "7")}, true, 2, 7 * time.Second, 8 * time.Second},
		{"told to wait for the longest block there is", []auditlogstest.Fault{wait(429, "300")}, true, 2, 5 * time.Minute, 5*time.Minute + time.Second},
		{"told to wait too long", []auditlogstest.Fault{wait(429, "86400")}, false, 1, 0, 0},
		{"told to wait for ever", []auditlogstest.Fault{wait(429, "99999999999")}, false, 1, 0, 0},
		{"told nonsense", []auditlogstest.Fault{wait(429, "soon")}, true, 2, 0, time.Second},
		{"told to have waited", []auditlogstest.Fault{wait(429, start.Add(-time.Hour).Format(http.TimeFormat))}, true, 2, 0, time.Second},
		{"an empty budget", []auditlogstest.Fault{{Status: 429, Header: http.Header{"Ratelimit": {`"default";r=0;t=42`}}}}, true, 2, 42 * time.Second, 43 * time.Second},
		{"a body that is cut", []auditlogstest.Fault{{Cut: true, CutAt: 0.5}}, true, 2, 0, time.Second},
		{"a body that does not begin", []auditlogstest.Fault{{Cut: true}}, true, 2, 0, time.Second},
		{"a body that drips", []auditlogstest.Fault{{Drip: time.Second}}, true, 2, time.Minute, 61 * time.Second},
		{"an answer that never comes", []auditlogstest.Fault{{Delay: 24 * time.Hour}}, true, 2, time.Minute, 61 * time.Second},
		{"a broken stream", []auditlogstest.Fault{{Mangle: func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b }}}, true, 2, 0, time.Second},
		{"no gzip", []auditlogstest.Fault{{Mangle: func([]byte) []byte { return []byte("plain") }}}, true, 2, 0, time.Second},
		{"an edge page under status 200", []auditlogstest.Fault{{Status: 200, Body: "<html>"}}, true, 2, 0, time.Second},
		{"no HTTP", []auditlogstest.Fault{{Raw: []byte("SSH-2.0\r\n")}}, true, 2, 0, time.Second},
		{"a refusal", []auditlogstest.Fault{{Status: 403}}, false, 1, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			ids, took, tries, err := paused(t, test.faults)
			if test.whole {
				wantIDs(t, ids, counted(0, 4))
			}
			if (err == nil) != test.whole {
				t.Errorf("ended with %v", err)
			}
			if tries != test.tries || took < test.min || took > test.max {
				t.Errorf("%d requests in %s, want %d in %s to %s", tries, took, test.tries, test.min, test.max)
			}
		})
	}
}

// What a client gives up after one attempt may pass all the same: a name can be missing only until
// the network is there.
func TestRetryable(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"an invalid query", fmt.Errorf("%w: since", auditlogs.ErrInvalidQuery), false},
		{"a limit that was exceeded", &auditlogs.IncompleteError{Err: auditlogs.ErrLimitExceeded}, false},
		{"a token that was refused", &auditlogs.IncompleteError{Err: &auditlogs.Error{StatusCode: 403}}, false},
		{"a failure that is to last a day", &auditlogs.Error{StatusCode: 503, RetryAfter: 24 * time.Hour}, true},
		{"a name that does not exist", &net.DNSError{IsNotFound: true}, true},
		{"a timeout", auditlogs.ErrTimeout, true},
		{"a cursor that came again", auditlogs.ErrCursorLoop, true},
	} {
		if got := auditlogs.Retryable(test.err); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

func TestTimeoutSaysSo(t *testing.T) {
	slow := auditlogstest.Fault{Delay: time.Hour}
	_, took, _, err := paused(t, []auditlogstest.Fault{slow, slow}, auditlogs.WithTimeout(5*time.Second), auditlogs.WithRetry(2, 0, 0))
	if !errors.Is(err, auditlogs.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "within 5s") || took != 10*time.Second {
		t.Errorf("%v after %s", err, took)
	}
}

func TestContextEndsEverythingAtOnce(t *testing.T) {
	for name, fault := range map[string]auditlogstest.Fault{
		"while it waits to try again":  {Status: 429, Header: http.Header{"Retry-After": {"300"}}},
		"while it waits for an answer": {Delay: time.Hour},
		"while it reads":               {Drip: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, 5)
				defer s.Close()
				s.FailNext(fault)
				ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("shutting down"))
				defer cancel()
				start := time.Now()
				_, err := collect(t, newClient(t, s).Account(account).Entries(ctx, day))
				if took := time.Since(start); took != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "shutting down") {
					t.Errorf("%v after %s", err, took)
				}
				var incomplete *auditlogs.IncompleteError
				if !errors.As(err, &incomplete) {
					t.Errorf("%v does not say where to go on", err)
				}
			})
		})
	}
}

func TestPace(t *testing.T) {
	for _, test := range []struct {
		name     string
		options  []auditlogs.Option
		requests int
		window   time.Duration // in which
		most     int           // requests may come
		took     time.Duration
	}{
		{"more than the budget", nil, 1100, 5 * time.Minute, 1000, 5*time.Minute + 10*time.Second},
		{"a rate", []auditlogs.Option{auditlogs.WithRate(4)}, 100, time.Second, 4, 24*time.Second + 750*time.Millisecond},
		{"a slow rate", []auditlogs.Option{auditlogs.WithRate(0.1)}, 5, 10 * time.Second, 1, 40 * time.Second},
		{"none", []auditlogs.Option{auditlogs.WithRate(0)}, 1100, time.Second, 1100, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, 1)
				defer s.Close()
				c := newClient(t, s, test.options...)
				start := time.Now()
				var group sync.WaitGroup
				for i := range 10 {
					group.Go(func() {
						for range (test.requests + 9 - i) / 10 {
							if _, err := collect(t, c.Account(account).Entries(t.Context(), day)); err != nil {
								t.Error(err)
							}
						}
					})
				}
				group.Wait()
				if took := time.Since(start); took != test.took {
					t.Errorf("took %s, want %s", took, test.took)
				}
				asked := s.Requests()
				if len(asked) != test.requests {
					t.Fatalf("%d requests, want %d", len(asked), test.requests)
				}
				for i := test.most; i < len(asked); i++ {
					if d := asked[i].Time.Sub(asked[i-test.most].Time); d < test.window {
						t.Fatalf("%d requests within %s", test.most+1, d)
					}
				}
			})
		})
	}
}

func TestAllWaitWhenOneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, 1)
		defer s.Close()
		s.FailNext(auditlogstest.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}})
		c := newClient(t, s)
		start := time.Now()
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if _, err := collect(t, c.Account(account).Entries(t.Context(), day)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for i, asked := range s.Requests() {
			if at := asked.Time.Sub(start); i > 0 && at < time.Minute {
				t.Errorf("request %d came after %s", i, at)
			}
		}
	})
}

// A counter counts what an observer is told.
type counter struct {
	mu       sync.Mutex
	attempts []auditlogs.Attempt
	waited   time.Duration
}

func (c *counter) Attempted(a auditlogs.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts = append(c.attempts, a)
}

func (c *counter) Waiting(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waited += d
}

func TestObserver(t *testing.T) {
	var seen counter
	ids, _, _, err := paused(t, []auditlogstest.Fault{{Status: 429, Header: http.Header{"Retry-After": {"30"}}}}, auditlogs.WithObserver(&seen))
	if err != nil || len(ids) != 5 {
		t.Fatal(ids, err)
	}
	if len(seen.attempts) != 2 {
		t.Fatalf("told of %d attempts", len(seen.attempts))
	}
	first, second := seen.attempts[0], seen.attempts[1]
	if first.Number != 1 || first.StatusCode != 429 || !first.Retried || !errors.Is(first.Err, auditlogs.ErrRateLimited) {
		t.Errorf("%+v", first)
	}
	if second.Number != 2 || second.StatusCode != 200 || second.Retried || second.Err != nil || second.RayID == "" ||
		second.Received == 0 || second.Inflated <= second.Received {
		t.Errorf("%+v", second)
	}
	if seen.waited < 30*time.Second || seen.waited > 31*time.Second {
		t.Errorf("told of %s of waiting", seen.waited)
	}
}
