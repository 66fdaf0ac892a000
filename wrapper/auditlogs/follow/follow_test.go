package follow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestNewRefuses(t *testing.T) {
	s := newFake(t)
	client := newClient(t, s)
	for _, test := range []struct {
		name    string
		account string
		query   auditlogs.Query
		store   follow.Store
		option  follow.Option
		want    string
	}{
		{name: "no store", want: "log or store is nil"},
		{name: "a before", query: auditlogs.Query{Before: "2024-10-31"}, want: "a follower has no end"},
		{name: "a cursor", query: auditlogs.Query{Cursor: new("x")}, want: "keeps its own"},
		{name: "desc", query: auditlogs.Query{Direction: new("desc")}, want: "from the oldest to the newest"},
		{name: "a wrong since", query: auditlogs.Query{Since: "yesterday"}, want: "since"},
		{name: "a wrong account", account: "me", want: "account_id"},
		{name: "a wrong limit", query: auditlogs.Query{Limit: new(5000)}, want: "limit"},
		{name: "a wrong filter", query: auditlogs.Query{RawStatusCode: []string{"4xx"}}, want: "raw_status_code"},
		{name: "a nil option", option: nil, want: "option 1 is nil"},
		{name: "a short interval", option: follow.WithInterval(time.Millisecond), want: "interval is 1ms"},
		{name: "a negative settle time", option: follow.WithSettle(-1), want: "settle time is -1ns"},
		{name: "no overlap", option: follow.WithOverlap(0), want: "overlap is 0s"},
		{name: "a negative look-back", option: follow.WithLookBack(-1, time.Minute), want: "look-back is -1ns every 1m0s"},
		{name: "a look-back all the time", option: follow.WithLookBack(time.Hour, 0), want: "look-back is 1h0m0s every 0s"},
		{name: "a nil observer", option: follow.WithObserver(nil), want: "observer is nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var options []follow.Option
			if test.option != nil || test.name == "a nil option" {
				options = append(options, test.option)
			}
			if test.name != "no store" {
				test.store = &memoryStore{}
			}
			if test.account == "" {
				test.account = account
			}
			_, err := follow.New(client.Account(test.account), test.query, test.store, options...)
			if err == nil || !strings.HasPrefix(err.Error(), "follow: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// follows runs a follower in a bubble until the time is over, and returns what was delivered.
func follows(t *testing.T, f *follow.Follower, during time.Duration) *sink {
	t.Helper()
	out := &sink{}
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	if err := f.Run(ctx, out.deliver); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return out
}

// An entry is delivered once the settle time has passed, and never again.
func TestSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.Add(made("before the start", time.Now().Add(-time.Hour)), made("at the start", time.Now().Add(-30*time.Minute)))
		s.Add(made("young", time.Now().Add(-time.Minute)), made("at once", time.Now().Add(-2*time.Minute-time.Second)))
		f := newFollower(t, newClient(t, s), auditlogs.Query{}, &memoryStore{}, follow.WithSettle(2*time.Minute))
		out := follows(t, f, 30*time.Second)
		wantAll(t, out.entries(), stored(s)[1:3], false)
		out = follows(t, f, 10*time.Minute)
		wantAll(t, out.entries(), stored(s)[3:], false)
		h := f.Health()
		if h.Entries != 3 || h.Late != 0 || h.Repeats == 0 || h.Lag < 2*time.Minute || h.Lag > 3*time.Minute+time.Second || h.LastError != "" || !h.Ended {
			t.Errorf("%+v", h)
		}
	})
}

// The start is where the query says, also in the past or in the future, until there is a state.
func TestStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name  string
			since time.Duration
			want  int // of the entries
		}{
			{"long ago", -100 * time.Hour, 3},
			{"within", -36 * time.Hour, 2},
			{"to come", time.Hour, 1},
		} {
			s := newFake(t)
			now := time.Now()
			s.Add(made(1, now.Add(-48*time.Hour)), made(2, now.Add(-24*time.Hour)), made(3, now.Add(2*time.Hour)))
			store := &memoryStore{}
			f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(now.Add(test.since))}, store)
			out := follows(t, f, 3*time.Hour)
			wantAll(t, out.entries(), stored(s)[3-test.want:], false)
			f = newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(now.Add(-100 * time.Hour))}, store)
			if out = follows(t, f, time.Hour); len(out.entries()) > 0 {
				t.Errorf("%s: a later run with another since begins anew: %d entries", test.name, len(out.entries()))
			}
			s.Close()
		}
	})
}

// The start of the first run is kept, although the first runs got no answer: nothing that happened
// since is left out.
func TestStartIsKept(t *testing.T) {
	for _, test := range []struct {
		name  string
		since time.Duration // before each run; 0 for a query without a start
		fault auditlogstest.Fault
		times int // that it strikes in a run
	}{
		{"an hour ago, with a token that is refused", time.Hour, auditlogstest.Fault{Status: 403}, 1},
		{"an hour ago, without a network", time.Hour, auditlogstest.Fault{Drop: true}, 6},
		{"wherever it is, with a token that is refused", 0, auditlogstest.Fault{Status: 401}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				start := time.Now()
				for i := range 480 {
					s.Add(made(i, start.Add(time.Duration(i)*time.Minute-30*time.Minute)))
				}
				store, out := &memoryStore{}, &sink{}
				for range 5 {
					s.FailNext(slices.Repeat([]auditlogstest.Fault{test.fault}, test.times)...)
					query := auditlogs.Query{}
					if test.since > 0 {
						query.Since = auditlogs.Time(time.Now().Add(-test.since))
					}
					if err := newFollower(t, newClient(t, s), query, store).CatchUp(t.Context(), out.deliver); err == nil {
						t.Fatal("it caught up without an answer")
					}
					time.Sleep(time.Hour)
				}
				time.Sleep(10 * time.Hour)
				if err := newFollower(t, newClient(t, s), auditlogs.Query{}, store).CatchUp(t.Context(), out.deliver); err != nil {
					t.Fatal(err)
				}
				wantAll(t, out.entries(), stored(s), false)
			})
		})
	}
}

// A start that cannot be saved is the end, before anything is requested.
func TestStartIsSavedFirst(t *testing.T) {
	s := newFake(t)
	store := &memoryStore{fail: func(int) (error, error) { return errDisk, nil }}
	f := newFollower(t, newClient(t, s), auditlogs.Query{}, store)
	for range 2 {
		err := f.CatchUp(t.Context(), (&sink{}).deliver)
		if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "state cannot be saved, and nothing was requested") {
			t.Errorf("got %v", err)
		}
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// What appears late is delivered by the next look-back, and counted.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := newFollower(t, newClient(t, s), auditlogs.Query{}, &memoryStore{}, follow.WithSettle(2*time.Minute))
		s.Add(made("usual", time.Now().Add(-10*time.Minute)))
		follows(t, f, 5*time.Minute)
		s.Add(made("a little late", time.Now().Add(-4*time.Minute)), made("late", time.Now().Add(-28*time.Minute)), made("as usual", time.Now().Add(-time.Minute)))
		out := follows(t, f, 11*time.Minute)
		wantAll(t, out.entries(), []string{stored(s)[0], stored(s)[2], stored(s)[3]}, false)
		h := f.Health()
		if out.late != 2 || h.Late != 2 || h.NearlyMissed != 1 || h.Lateness.Most < 28*time.Minute || h.Lateness.Most > 39*time.Minute {
			t.Errorf("%d late; %+v", out.late, h)
		}
	})
}

// In an account where something happens all the time, whatever appears within the look-back of its
// time is delivered, at whatever moment between two look-backs that is; and what appears within the
// overlap, without waiting for a look-back.
func TestLateAtAnyMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		start := time.Now()
		var at []time.Time // of the deliveries, in order
		store := &memoryStore{}
		f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(start.Add(-time.Hour))}, store)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		appeared := map[string]time.Time{}
		var happening sync.WaitGroup
		happening.Go(func() {
			for i := 0; wait(ctx, 20*time.Second); i++ {
				now := time.Now()
				s.Add(made(fmt.Sprint("usual-", i), now), made(fmt.Sprint("late-", i), now.Add(-follow.DefaultLookBack+time.Second)))
				text := made(fmt.Sprint("little-", i), now.Add(-follow.DefaultSettle-50*time.Second))
				s.Add(text)
				appeared[text] = now
			}
		})
		out := &sink{}
		err := f.Run(ctx, func(ctx context.Context, batch follow.Batch) error {
			for range batch.Entries {
				at = append(at, time.Now())
			}
			return out.deliver(ctx, batch)
		})
		if ctx.Err() == nil {
			t.Fatal(err)
		}
		happening.Wait()
		time.Sleep(15 * time.Minute) // until a look-back is due
		if err := newFollower(t, newClient(t, s), auditlogs.Query{}, store).CatchUp(t.Context(), out.deliver); err != nil {
			t.Fatal(err)
		}
		wantAll(t, out.entries(), stored(s), false)
		for i, raw := range out.entries()[:len(at)] {
			if visible, little := appeared[raw]; little && at[i].Sub(visible) > 61*time.Second {
				t.Errorf("delivered only %s after it appeared: %s", at[i].Sub(visible), raw)
			}
		}
	})
}

// Nothing is missed while the follower stands still for longer than it looks back, nor is anything
// delivered twice then, nor are late entries of before lost.
func TestStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		store := &memoryStore{}
		start := time.Now()
		for i := range 60 {
			s.Add(made(i, start.Add(time.Duration(i-30)*time.Minute)))
		}
		query := auditlogs.Query{Limit: new(7)}
		out := follows(t, newFollower(t, newClient(t, s), query, store), 20*time.Minute)
		time.Sleep(48 * time.Hour)
		for i := range 600 {
			s.Add(made(1000+i, start.Add(time.Duration(20+i)*time.Minute)))
		}
		s.Add(made("late", start.Add(-5*time.Minute))) // appeared at any time since
		out.raw = append(out.raw, follows(t, newFollower(t, newClient(t, s), query, store), time.Hour).entries()...)
		wantAll(t, out.entries(), stored(s), false)
	})
}

// Nothing is missed when the service shows nothing at all for hours, and then everything.
func TestServiceStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		store := &memoryStore{}
		start := time.Now()
		s.Add(made("before", start.Add(-3*time.Minute)))
		f := newFollower(t, newClient(t, s), auditlogs.Query{}, store)
		out := follows(t, f, 5*time.Hour)
		for i := range 300 {
			s.Add(made(i, start.Add(time.Duration(i)*time.Minute)))
		}
		out.raw = append(out.raw, follows(t, f, time.Hour).entries()...)
		wantAll(t, out.entries(), stored(s), false)
		if h := f.Health(); h.Late < 290 {
			t.Errorf("%d late", h.Late)
		}
	})
}

// A clock that is wrong or moved loses nothing, and no window ends before it starts: the fake would
// refuse it, which ends a follower.
func TestClockMoves(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		offset []time.Duration // of the follower's clock, from hour to hour
	}{
		{"back by an hour, and right again", []time.Duration{0, -time.Hour, 0}},
		{"an hour ahead, and put right", []time.Duration{time.Hour, time.Hour, 0}},
		{"a month ahead, and put right", []time.Duration{720 * time.Hour, 0}},
		{"ahead for good", []time.Duration{3 * time.Hour}},
		{"back by a day, and right again", []time.Duration{0, -24 * time.Hour, 0}},
		{"to and fro", []time.Duration{0, time.Minute, -time.Minute, 5 * time.Hour, -5 * time.Hour, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Answers take a while, so that the clock also moves during a sweep.
				s := newFake(t, auditlogstest.WithLatency(7*time.Second))
				start := time.Now()
				all := world{hours: len(test.offset) + 1, perHour: 20, lateness: 10 * time.Minute, seed: 3}.arrivals(start)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(len(test.offset)+2)*time.Hour)
				defer cancel()
				go happen(ctx, s, all)
				clock := func() time.Time {
					now := time.Now()
					i := min(int(now.Sub(start.Add(3*time.Second))/time.Hour), len(test.offset)-1)
					return now.Add(test.offset[i])
				}
				out := &sink{}
				f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(start)}, &memoryStore{}, follow.WithClock(clock))
				if err := f.Run(ctx, out.deliver); ctx.Err() == nil {
					t.Fatal(err)
				}
				wantAll(t, out.entries(), stored(s), true)
				if again := len(out.entries()) - len(all); again > len(all)/2 {
					t.Errorf("%d of %d entries are delivered again", again, len(all))
				}
			})
		})
	}
}

// Whether the service counts the ends of a window in or not, an entry at the end of one is
// delivered.
func TestEndsOfWindows(t *testing.T) {
	for _, in := range []struct{ since, before bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t, auditlogstest.WithInclusive(in.since, in.before))
			start := time.Now()
			for i := range 600 {
				s.Add(made(i, start.Add(time.Duration(i)*time.Second)))
			}
			f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(start.Add(-time.Second))}, &memoryStore{},
				follow.WithOverlap(time.Second), follow.WithLookBack(0, time.Hour))
			wantAll(t, follows(t, f, 15*time.Minute).entries(), stored(s), false)
		})
	}
}

// A state that was made with other options leaves no gap.
func TestOptionsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		store := &memoryStore{}
		start := time.Now()
		for i := range 240 {
			s.Add(made(i, start.Add(time.Duration(i)*time.Minute)))
		}
		out := &sink{}
		for i, settle := range []time.Duration{time.Hour, 0, 30 * time.Minute, time.Second} {
			f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(start)}, store, follow.WithSettle(settle),
				follow.WithLookBack(time.Duration(i)*time.Minute, time.Minute), follow.WithOverlap(time.Duration(4-i)*time.Second))
			out.raw = append(out.raw, follows(t, f, 75*time.Minute).entries()...)
		}
		wantAll(t, out.entries(), stored(s), true)
	})
}

// A window that no run finishes is finished all the same, each run resuming where the one before
// was.
func TestProgressWithinAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		start := time.Now()
		for i := range 100 {
			s.Add(made(i, start.Add(time.Duration(i-200)*time.Minute)))
		}
		store, out := &memoryStore{}, &sink{}
		runs := 0
		for len(out.raw) < 100 && runs < 20 {
			runs++
			ctx, stop := context.WithCancel(t.Context())
			f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(start.Add(-24 * time.Hour)), Limit: new(10)}, store)
			err := f.Run(ctx, func(ctx context.Context, batch follow.Batch) error {
				stop() // The batch is finished, and counts.
				return out.deliver(ctx, batch)
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		wantAll(t, out.entries(), stored(s), false)
		// Each asks for the page where it was, the next, and one ahead.
		if runs != 10 || len(s.Requests()) > 3*runs {
			t.Errorf("%d runs, %d requests", runs, len(s.Requests()))
		}
	})
}

// A consumer or a store that fails at any moment, and a program that ends there, costs nothing:
// what is delivered until the end is everything, and each once after repeats have been dropped.
func TestCrashes(t *testing.T) {
	t.Parallel()
	const entries = 45
	points := 0
	for _, test := range []struct {
		name    string
		fail    func(out *sink, store *memoryStore, n int)
		repeats bool
	}{
		{"before the consumer took the batch", func(out *sink, _ *memoryStore, n int) {
			out.fail = func(batch int) error { return failsAt(batch, n, errSink) }
		}, false},
		{"before the state was saved", func(_ *sink, store *memoryStore, n int) {
			store.fail = func(save int) (error, error) { return failsAt(save, n, errDisk), nil }
		}, true},
		{"after the state was saved", func(_ *sink, store *memoryStore, n int) {
			store.fail = func(save int) (error, error) { return nil, failsAt(save, n, errDisk) }
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			struck := 0
			for n := 1; n <= 26; n++ {
				synctest.Test(t, func(t *testing.T) {
					s := newFake(t)
					start := time.Now()
					for i := range entries {
						s.Add(made(i, start.Add(time.Duration(i-i%3-34)*time.Minute)))
					}
					store, out := &memoryStore{}, &sink{}
					test.fail(out, store, n)
					query := auditlogs.Query{Since: auditlogs.Time(start.Add(-time.Hour)), Limit: new(4)}
					ctx, cancel := context.WithTimeout(t.Context(), 13*time.Minute)
					defer cancel()
					for ctx.Err() == nil {
						err := newFollower(t, newClient(t, s), query, store).Run(ctx, out.deliver)
						if errors.Is(err, errSink) || errors.Is(err, errDisk) {
							struck++
						} else if ctx.Err() == nil {
							t.Fatal(err)
						}
					}
					wantAll(t, out.entries(), stored(s), test.repeats)
					wantAll(t, slices.Compact(slices.Sorted(slices.Values(out.entries()))), stored(s), false)
				})
			}
			if struck < 10 {
				t.Errorf("only %d crashes", struck)
			}
			points += struck
		})
	}
	t.Logf("%d crashes: nothing lost", points)
}

func failsAt(call, n int, err error) error {
	if call == n {
		return err
	}
	return nil
}

// A cursor that the service refuses costs a restart of the window, shortly before what was
// acknowledged, and no repeats.
func TestExpiredCursors(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 410, 422, 500} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			start := time.Now()
			for i := range 300 {
				s.Add(made(i, start.Add(time.Duration(i-400)*time.Minute)))
			}
			// Of every two cursors, one has expired before it is used.
			transport, asked := s.Client().Transport, 0
			client := newClient(t, s, auditlogs.WithRetry(1, 0, 0), auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Has("cursor") {
					if asked++; asked%2 == 0 {
						s.FailNext(auditlogstest.Fault{Status: status})
					}
				}
				return transport.RoundTrip(r)
			})}))
			f := newFollower(t, client, auditlogs.Query{Since: auditlogs.Time(start.Add(-24 * time.Hour)), Limit: new(10)}, &memoryStore{})
			out := follows(t, f, 2*time.Hour)
			wantAll(t, out.entries(), stored(s), false)
			if h := f.Health(); status < 500 && h.Restarts < 10 || h.Failures < 10 {
				t.Errorf("%d: %+v", status, h)
			}
		})
	}
}

// A state that a kill left, whose cursor has expired meanwhile.
func TestExpiredCursorInTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		start := time.Now()
		for i := range 50 {
			s.Add(made(i, start.Add(time.Duration(i-100)*time.Minute)))
		}
		store, out := &memoryStore{}, &sink{fail: func(batch int) error { return failsAt(batch, 3, errSink) }}
		query := auditlogs.Query{Since: auditlogs.Time(start.Add(-24 * time.Hour)), Limit: new(10)}
		if err := newFollower(t, newClient(t, s), query, store).Run(t.Context(), out.deliver); !errors.Is(err, errSink) {
			t.Fatal(err)
		}
		time.Sleep(100 * 24 * time.Hour)
		client := newClient(t, s, expiring(s, func(n int) bool { return n == 1 }))
		f := newFollower(t, client, query, store)
		if err := f.CatchUp(t.Context(), out.deliver); err != nil {
			t.Fatal(err)
		}
		wantAll(t, out.entries(), stored(s), false)
		if h := f.Health(); h.Restarts != 1 {
			t.Errorf("%+v", h)
		}
	})
}

// What will not pass ends a follower; what may pass does not, however long it takes.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault auditlogstest.Fault
		ends  error
	}{
		{"400", auditlogstest.Fault{Status: 400}, auditlogs.ErrInvalidQuery},
		{"401", auditlogstest.Fault{Status: 401}, auditlogs.ErrUnauthorized},
		{"403", auditlogstest.Fault{Status: 403}, auditlogs.ErrForbidden},
		{"404", auditlogstest.Fault{Status: 404}, auditlogs.ErrNotFound},
		{"a redirect", auditlogstest.Fault{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}}, auditlogs.ErrRedirect},
		{"408", auditlogstest.Fault{Status: 408}, nil},
		{"429", auditlogstest.Fault{Status: 429}, nil},
		{"429, wait an hour", auditlogstest.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}, nil},
		{"500", auditlogstest.Fault{Status: 500}, nil},
		{"no connection", auditlogstest.Fault{Drop: true}, nil},
		{"too slow", auditlogstest.Fault{Delay: time.Hour}, nil},
		{"HTML", auditlogstest.Fault{Status: 200, Body: "<html>"}, nil},
		{"without success", auditlogstest.Fault{Status: 200, Body: `{"success":false}`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.Add(made(1, time.Now().Add(-5*time.Minute)))
				s.FailNext(slices.Repeat([]auditlogstest.Fault{test.fault}, 40)...)
				store, out := &memoryStore{}, &sink{}
				f := newFollower(t, newClient(t, s), auditlogs.Query{}, store)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Hour)
				defer cancel()
				err := f.Run(ctx, func(ctx context.Context, batch follow.Batch) error {
					cancel()
					return out.deliver(ctx, batch)
				})
				if test.ends != nil {
					if !errors.Is(err, test.ends) || !f.Health().Ended || f.Health().LastError == "" || len(out.raw) > 0 || len(s.Requests()) != 1 {
						t.Errorf("got %v after %d requests; %+v", err, len(s.Requests()), f.Health())
					}
					return
				}
				if ctx.Err() == nil {
					t.Fatalf("it ended with %v", err)
				}
				wantAll(t, out.entries(), stored(s), false)
				if h := f.Health(); h.Failures < 5 || h.LastError == "" || !h.LastSuccess.After(h.LastFailure) {
					t.Errorf("%+v", h)
				}
			})
		})
	}
}

// CatchUp gives up after a few attempts, and says so.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		start := time.Now()
		for i := range 30 {
			s.Add(made(i, start.Add(time.Duration(i-27)*time.Minute)))
		}
		store, out := &memoryStore{}, &sink{}
		query := auditlogs.Query{Limit: new(4)}
		s.FailNext(slices.Repeat([]auditlogstest.Fault{{Status: 500}}, 20)...)
		if err := newFollower(t, newClient(t, s), query, store).CatchUp(t.Context(), out.deliver); err == nil || len(s.Requests()) != 6 {
			t.Errorf("%v after %d requests", err, len(s.Requests()))
		}
		out.fail = func(batch int) error { return failsAt(batch, 2, errSink) } // in the middle of a window
		for len(s.Requests()) < 20 {
			_ = newFollower(t, newClient(t, s), query, store).CatchUp(t.Context(), out.deliver)
		}
		for range 3 {
			began := time.Now()
			if err := newFollower(t, newClient(t, s), query, store).CatchUp(t.Context(), out.deliver); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it waited %s for nothing", took)
			}
			time.Sleep(time.Hour)
		}
		wantAll(t, out.entries(), stored(s), false)
	})
}

// Where there is no room for all ids, entries come again and none is lost; the state stays small
// and the count is told.
func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		start := time.Now()
		all := world{hours: 3, perHour: 200, lateness: 10 * time.Minute, seed: 4}.arrivals(start)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Hour)
		defer cancel()
		go happen(ctx, s, all)
		store, out := &memoryStore{}, &sink{}
		f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(start)}, store, follow.WithMemory(20), follow.WithSettle(2*time.Minute))
		if err := f.Run(ctx, out.deliver); ctx.Err() == nil {
			t.Fatal(err)
		}
		wantAll(t, out.entries(), stored(s), true)
		h := f.Health()
		if len(out.entries()) == len(all) || h.Forgotten < int64(len(out.entries())-len(all)) || store.largest > 2000 {
			t.Errorf("%d of %d entries delivered, %d ids forgotten, a state of %d bytes", len(out.entries()), len(all), h.Forgotten, store.largest)
		}
		t.Logf("%d of %d entries are delivered again", len(out.entries())-len(all), len(all))
		if h.Late > int64(len(all))/5 {
			t.Errorf("%d late: entries that come again are not late", h.Late)
		}
	})
}

// Entries without an id are told apart by their bytes, and those of the same bytes by their number.
func TestWithoutID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		at := time.Now().Add(-10 * time.Minute)
		same := fmt.Sprintf(`{"action":{"time":%q}}`, at.UTC().Format(time.RFC3339))
		for i := range 20 {
			s.Add(strings.Replace(same, "{", fmt.Sprintf(`{"zone":{"name":"%d"},`, i), 1))
		}
		// Side by side: a listing cannot tell rows of the same bytes on different pages from a page
		// that overlaps.
		s.Add(same, same, same)
		s.Add(`{"actor":{"email":"nowhere@example.com"}}`) // without a time: the fake sorts it as of now
		store := &memoryStore{}
		out := follows(t, newFollower(t, newClient(t, s), auditlogs.Query{Limit: new(5)}, store), 2*time.Hour)
		count := map[string]int{}
		for _, raw := range out.entries() {
			count[raw]++
		}
		if len(out.entries()) != 24 || count[same] != 3 || len(count) != 22 {
			t.Errorf("%d entries, %d of them the same, %d different", len(out.entries()), count[same], len(count))
		}

		s.Add(same) // one more, which appears later
		if later := follows(t, newFollower(t, newClient(t, s), auditlogs.Query{}, store), time.Hour); len(later.raw) != 1 || later.raw[0] != same {
			t.Errorf("one more of the same: %q", later.raw)
		}

		// Also where runs end among them.
		store, out = &memoryStore{}, &sink{}
		for n := range 10 {
			out.fail = func(batch int) error { return failsAt(batch, n*2, errSink) }
			_ = newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(at.Add(-time.Hour)), Limit: new(5)}, store).CatchUp(t.Context(), out.deliver)
		}
		clear(count)
		for _, raw := range out.entries() {
			count[raw]++
		}
		if len(out.entries()) != 25 || count[same] != 4 || len(count) != 22 {
			t.Errorf("in several runs: %d entries, %d of them the same, %d different", len(out.entries()), count[same], len(count))
		}
	})
}

// Each account has its own state. One that fails leaves the others alone, and all share one budget.
func TestSeveralAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accounts := []string{account, strings.Repeat("a", 32), strings.Repeat("b", 32)}
		s := newFake(t, auditlogstest.WithAccounts(accounts[0], accounts[2]))
		for i := range 100 {
			s.Add(made(i, time.Now().Add(time.Duration(i-150)*time.Minute)))
		}
		client := newClient(t, s, auditlogs.WithRate(2))
		out := map[string][]string{}
		var followers []*follow.Follower
		for _, id := range accounts {
			f, err := follow.New(client.Account(id), auditlogs.Query{Since: auditlogs.Time(time.Now().Add(-5 * time.Hour)), Limit: new(5)}, &memoryStore{})
			if err != nil {
				t.Fatal(err)
			}
			followers = append(followers, f)
		}
		deliver := func(_ context.Context, batch follow.Batch) error {
			for _, e := range batch.Entries {
				out[batch.Log.String()] = append(out[batch.Log.String()], string(e.Raw)) // one batch at a time, so that no lock is needed
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := follow.Run(ctx, deliver, followers...)
		if errors.Is(err, auditlogs.ErrForbidden) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if h := followers[1].Health(); h.Failures != 6 || !strings.Contains(h.LastError, "403") || !h.Refused {
			t.Errorf("%+v", h)
		}
		wantAll(t, out["account "+accounts[0]], stored(s), false)
		wantAll(t, out["account "+accounts[2]], stored(s), false)
		if _, most := requests(s, 10*time.Second); most > 20 {
			t.Errorf("%d requests in 10 seconds, and 2 a second are allowed", most)
		}
		err = follow.CatchUp(t.Context(), deliver, followers...)
		if !errors.Is(err, auditlogs.ErrForbidden) || strings.Count(err.Error(), "follow: ") != 1 {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.Add(made(1, time.Now().Add(-5*time.Minute)))
		f := newFollower(t, newClient(t, s), auditlogs.Query{}, &memoryStore{})
		err := f.CatchUp(t.Context(), func(ctx context.Context, _ follow.Batch) error {
			if err := f.Run(ctx, nil); err == nil || err.Error() != "follow: the follower is running already" {
				t.Errorf("a second run: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.Add(made(1, time.Now().Add(-5*time.Minute)))
		var seen []follow.Health
		f := newFollower(t, newClient(t, s), auditlogs.Query{}, &memoryStore{}, follow.WithObserver(func(h follow.Health) { seen = append(seen, h) }))
		if h := f.Health(); !h.Watermark.IsZero() || h.Lag != 0 || h.Ended {
			t.Errorf("before the first run: %+v", h)
		}
		s.FailNext(auditlogstest.Fault{Status: 500}, auditlogstest.Fault{Status: 500})
		follows(t, f, 150*time.Second) // Between two sweeps.
		if len(seen) < 5 || seen[len(seen)-1] != f.Health() {
			t.Errorf("%d times observed: %+v", len(seen), seen)
		}
		h := f.Health()
		if h.Log != "account "+account || h.Entries != 1 || h.Pages != 3 || h.Requests != 5 || h.Failures != 1 || h.LookBack != 30*time.Minute {
			t.Errorf("%+v", h)
		}
		data, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"lag_seconds":`, `"look_back_seconds":1800`, `"entries":1`, `"last_error":"`, `"ended":true`} {
			if !strings.Contains(string(data), want) {
				t.Errorf("%s is not in %s", want, data)
			}
		}
	})
}
