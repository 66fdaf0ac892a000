package auditlogs_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// at is a small entry at a time.
func at(id int, t time.Time) string {
	return fmt.Sprintf(`{"id":"%d","action":{"time":%q}}`, id, t.Format(time.RFC3339Nano))
}

// scattered draws times in the day that are scattered evenly over a stretch of it, in order.
func scattered(random *rand.Rand, n int, from time.Duration, to time.Duration, unit time.Duration) []time.Time {
	start, _ := auditlogs.ParseTime(day.Since)
	times := make([]time.Time, n)
	for i := range times {
		times[i] = start.Add(from + time.Duration(random.Int64N(int64(to-from)))).Truncate(unit)
	}
	return times
}

const wholeDay = 24 * time.Hour

// histories are the shapes of a day that a backfill meets.
func histories(random *rand.Rand, n int, unit time.Duration) map[string][]time.Time {
	shapes := map[string][]time.Time{
		"empty":   nil,
		"single":  scattered(random, 1, 0, wholeDay, unit),
		"uniform": scattered(random, n, 0, wholeDay, unit),
		"bursty": append(scattered(random, n/10, 0, wholeDay, unit),
			scattered(random, n-n/10, 10*time.Hour, 10*time.Hour+wholeDay/100, unit)...),
		"a moment": slices.Repeat(scattered(random, 1, 0, wholeDay, unit), n),
		"a night":  append(scattered(random, n/2, 0, 6*time.Hour, unit), scattered(random, n/2, 18*time.Hour, wholeDay, unit)...),
	}
	for _, times := range shapes {
		slices.SortFunc(times, time.Time.Compare)
	}
	return shapes
}

// However the window is split, and however the service takes its bounds, a backfill lists what a plain listing lists.
func TestBackfillListsTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, unit := range []time.Duration{time.Second, time.Millisecond} {
		if raced && unit == time.Second {
			continue
		}
		for shape, times := range histories(random, 90, unit) {
			for _, inclusive := range []struct{ since, before bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
				if raced && inclusive.since == inclusive.before {
					continue
				}
				for _, direction := range []string{"asc", "desc"} {
					t.Run(fmt.Sprintf("%s/%s/%v/%s", shape, unit, inclusive, direction), func(t *testing.T) {
						s := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithInclusive(inclusive.since, inclusive.before))
						t.Cleanup(s.Close)
						for i, moment := range times {
							s.Add(at(i, moment))
						}
						c := newClient(t, s, auditlogs.WithRate(0))
						q := paged(10)
						q.Direction = &direction
						want, err := collect(t, c.Entries(t.Context(), account, q))
						if err != nil {
							t.Fatal(err)
						}
						got, err := collect(t, c.Entries(t.Context(), account, q, auditlogs.Backfill()))
						if err != nil {
							t.Fatal(err)
						}
						wantIDs(t, got, want)
						for _, again := range [][]auditlogs.ListOption{nil, {auditlogs.Backfill()}} {
							resumed := resume(t, c, q, random.IntN(len(want)+1), again)
							wantIDs(t, resumed, want)
						}
					})
				}
			}
		}
	}
}

// resume takes so many entries from a backfill, and the rest from a listing with the given options that goes on there.
func resume(t *testing.T, c *auditlogs.Client, q auditlogs.Query, taken int, options []auditlogs.ListOption) (ids []string) {
	t.Helper()
	var place auditlogs.Position
	for entry, err := range c.Entries(t.Context(), account, q, auditlogs.Backfill()) {
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) == taken {
			break
		}
		ids = append(ids, entry.ID)
		place = entry.Position()
	}
	place, err := auditlogs.ParsePosition(place.String())
	if err != nil {
		t.Fatal(err)
	}
	rest, err := collect(t, c.Entries(t.Context(), account, q, append(options, auditlogs.From(place))...))
	if err != nil {
		t.Fatal(err)
	}
	return append(ids, rest...)
}

// untimed adds n entries to a fake in a bubble, a minute apart, those at the given numbers without a readable time: these the fake
// places where they arrive.
func untimed(s *auditlogstest.Server, n int, isUntimed func(i int) bool) (window auditlogs.Query) {
	since := time.Now()
	for i := range n {
		time.Sleep(time.Minute)
		if isUntimed(i) {
			s.Add(fmt.Sprintf(`{"id":"%d","action":{"time":"soon"}}`, i))
		} else {
			s.Add(at(i, time.Now()))
		}
	}
	return auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(time.Now().Add(time.Hour)), Limit: new(20)}
}

// An entry whose time cannot be read is delivered with the part that listed it, once.
func TestBackfillUntimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, 0)
		q := untimed(s, 700, func(i int) bool { return i%50 == 7 })
		c := newClient(t, s, auditlogs.WithRate(0))
		defer c.CloseIdleConnections()
		got, err := collect(t, c.Entries(t.Context(), account, q, auditlogs.Backfill()))
		if err != nil {
			t.Fatal(err)
		}
		want := counted(0, 699)
		slices.Sort(want)
		slices.Sort(got)
		wantIDs(t, got, want)
	})
}

// A place that is marked by an entry without a time, which is gone by the time it is looked for: what was read in search of it is
// delivered all the same, also where the part that looked ends before the search does. Rather twice than never.
func TestBackfillMarkIsGone(t *testing.T) {
	const n, mark = 700, 100
	synctest.Test(t, func(t *testing.T) {
		before, after := newFake(t, 0), newFake(t, 0)
		q := untimed(before, n, func(i int) bool { return i == mark })
		since, _ := auditlogs.ParseTime(q.Since)
		for i := range n {
			if i != mark {
				after.Add(at(i, since.Add(time.Duration(i+1)*time.Minute)))
			}
		}
		var place auditlogs.Position
		for entry, err := range newClient(t, before, auditlogs.WithRate(0)).Entries(t.Context(), account, q, auditlogs.Backfill()) {
			if err != nil {
				t.Fatal(err)
			}
			if place = entry.Position(); entry.ID == fmt.Sprint(mark) {
				break
			}
		}
		rest, err := collect(t, newClient(t, after, auditlogs.WithRate(0)).Entries(t.Context(), account, q, auditlogs.Backfill(), auditlogs.From(place)))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range counted(mark+1, n-1) {
			if !slices.Contains(rest, id) {
				t.Fatalf("%s is lost: %d entries behind the place", id, len(rest))
			}
		}
	})
}

// An error ends a backfill where it would end a listing: behind whole pages, with the place to go on at.
func TestBackfillFails(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for skipped := range 12 {
		s := newFake(t, 0)
		for i, moment := range histories(random, 400, time.Second)["uniform"] {
			s.Add(at(i, moment))
		}
		c := newClient(t, s, auditlogs.WithRate(0))
		q := paged(20)
		for range skipped {
			s.FailNext(auditlogstest.Fault{})
		}
		s.FailNext(auditlogstest.Fault{Status: 403})
		first, err := collect(t, c.Entries(t.Context(), account, q, auditlogs.Backfill()))
		if err == nil {
			t.Fatalf("after %d requests: no error", skipped)
		}
		rest, err := collect(t, c.Entries(t.Context(), account, q, auditlogs.Backfill(), auditlogs.From(position(t, err))))
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, append(first, rest...), counted(0, 399))
	}
}

// A job that outlasts the budget of five minutes bursts through it and then settles at its rate. The service, which counts for
// itself and would block everything, refuses nothing.
func TestBackfillKeepsTheBudget(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	const pages, size = 1500, 20
	times := histories(random, pages*size, time.Millisecond)["uniform"]
	synctest.Test(t, func(t *testing.T) {
		s := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithLatency(100*time.Millisecond), auditlogstest.WithoutGzip(),
			auditlogstest.WithRateLimit(1000, 5*time.Minute))
		defer s.Close()
		for i, moment := range times {
			s.Add(at(i, moment))
		}
		c := newClient(t, s)
		defer c.CloseIdleConnections()
		began := time.Now()
		got, err := collect(t, c.Entries(t.Context(), account, paged(size), auditlogs.Backfill()))
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, got, counted(0, pages*size-1))
		took, requests := time.Since(began), s.Requests()
		for _, r := range requests {
			if r.Status != 200 {
				t.Fatalf("a request %s after the start was answered with status %d", r.Time.Sub(began), r.Status)
			}
		}
		if len(requests) > pages*5/4 || took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("%d requests for %d pages in %s", len(requests), pages, took)
		}
	})
}

// What foresees the next pages by the last ones does not go on foreseeing entries where there are none: that a part is empty up to
// its end also answers for those that were split off it meanwhile.
func TestBackfillOfAnEmptyNight(t *testing.T) {
	for _, direction := range []string{"asc", "desc"} {
		for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, 24, auditlogstest.WithLatency(latency)) // Within half a minute, at noon.
				c := newClient(t, s, auditlogs.WithRate(0))
				defer c.CloseIdleConnections()
				q := paged(3)
				q.Direction = &direction
				got, err := collect(t, c.Entries(t.Context(), account, q, auditlogs.Backfill()))
				if err != nil {
					t.Fatal(err)
				}
				want := counted(0, 23)
				if direction == "desc" {
					slices.Reverse(want)
				}
				wantIDs(t, got, want)
				if requests := len(s.Requests()); requests > 64 {
					t.Errorf("%s, %s a page: %d requests for 8 pages", direction, latency, requests)
				}
			})
		}
	}
}

// Where the service caps its pages, the few entries on one may all be one moment's, after which nothing can be foreseen. That
// costs some requests, and not a multiple of them.
func TestBackfillOfSmallPages(t *testing.T) {
	month := auditlogs.Query{Since: "2024-10-01", Before: "2024-10-31"}
	const pages = 150
	for _, size := range []int{20, 50, 100} {
		for _, rate := range []float64{0, 4, 40} {
			synctest.Test(t, func(t *testing.T) {
				s := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithLatency(300*time.Millisecond), auditlogstest.WithoutGzip(),
					auditlogstest.WithMaxPageSize(size))
				defer s.Close()
				for i, moment := range worked(pages*size, month) {
					s.Add(at(i, moment))
				}
				c := newClient(t, s, auditlogs.WithRate(rate))
				defer c.CloseIdleConnections()
				got, err := collect(t, c.Entries(t.Context(), account, month, auditlogs.Backfill()))
				if err != nil {
					t.Fatal(err)
				}
				wantIDs(t, got, counted(0, pages*size-1))
				if requests := len(s.Requests()); requests > 2*pages {
					t.Errorf("%d entries a page, %g requests a second: %d requests for %d pages", size, rate, requests, pages)
				}
			})
		}
	}
}

// worked are the times of people at work over a window of weeks: by day and night, in sessions, where the pace of one page says
// little about the next one's.
func worked(n int, window auditlogs.Query) (times []time.Time) {
	since, _ := auditlogs.ParseTime(window.Since)
	before, _ := auditlogs.ParseTime(window.Before)
	s := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Entries: n, Since: since, Before: before}))
	defer s.Close()
	for _, raw := range s.Stored(since, before) {
		var entry auditlogs.Entry
		if err := entry.UnmarshalJSON(raw); err != nil {
			panic(err) // The fake's own.
		}
		times = append(times, entry.Action.Time)
	}
	return times
}

// The table of latencies: how long a backfill takes beside the ideal, which is as long as the budget takes for the pages that
// hold the entries, and one request; in time that a simulated clock tells exactly.
func TestBackfillIsFast(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	const pages, size = 200, 1000
	shapes := histories(random, pages*size, time.Millisecond)
	month := auditlogs.Query{Since: "2024-10-01", Before: "2024-10-31"}
	if !raced {
		shapes["weeks"] = worked(pages*size, month)
	}
	for _, shape := range []string{"uniform", "bursty", "weeks", "empty"} {
		for _, latency := range []time.Duration{50, 300, 1000} {
			for _, rate := range []float64{4, 40} {
				latency := latency * time.Millisecond
				if raced && (latency != 300*time.Millisecond || rate != 40 || shape == "weeks") {
					continue
				}
				simulated := func(t *testing.T) {
					s := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithLatency(latency), auditlogstest.WithoutGzip())
					defer s.Close()
					for i, moment := range shapes[shape] {
						s.Add(at(i, moment))
					}
					c := newClient(t, s, auditlogs.WithRate(rate))
					defer c.CloseIdleConnections()
					began, n := time.Now(), 0
					query := day
					if shape == "weeks" {
						query = month
					}
					for _, err := range c.Entries(t.Context(), account, query, auditlogs.Backfill()) {
						if err != nil {
							t.Fatal(err)
						}
						n++
					}
					took := time.Since(began)
					if n != len(shapes[shape]) {
						t.Errorf("%d entries, want %d", n, len(shapes[shape]))
					}
					least := max(1, n/size)
					ideal := max(time.Duration(float64(least-1)/rate*float64(time.Second))+latency, latency)
					sequential := time.Duration(least) * max(latency, time.Duration(float64(time.Second)/rate))
					requests := len(s.Requests())
					ratio := float64(took) / float64(ideal)
					t.Logf("%-8s %6s a page %3.0f/s: %8s, %.2f of the ideal, sequentially %8s, %d requests", shape, latency, rate, took.Round(time.Millisecond), ratio, sequential, requests)
					if most := float64(requests-1) / rate; took.Seconds() < most {
						t.Errorf("%d requests in %s are more than %g a second", requests, took, rate)
					}
					bound := map[string]float64{"uniform": 1.3, "bursty": 1.5, "empty": 1.01}[shape]
					if rate == 4 && shape == "uniform" {
						bound = 1.1
					}
					if bound > 0 && latency <= 300*time.Millisecond && ratio > bound {
						t.Errorf("%s, %s, %g/s: %.2f times the ideal, want at most %.2f", shape, latency, rate, ratio, bound)
					}
				}
				t.Run(fmt.Sprintf("%s/%s/%g", shape, latency, rate), func(t *testing.T) { synctest.Test(t, simulated) })
			}
		}
	}
}
