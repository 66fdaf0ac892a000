package auditlogs_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
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

// soon lets a backfill read ahead after a few entries.
var soon = auditlogs.WithLimits(auditlogs.Limits{Remembered: 20})

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

// However the window is split, and however the service takes its bounds, a backfill lists what a
// plain listing lists.
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
						c := newClient(t, s, auditlogs.WithRate(0), soon)
						q := paged(10)
						q.Direction = &direction
						want, err := collect(t, c.Account(account).Entries(t.Context(), q))
						if err != nil {
							t.Fatal(err)
						}
						got, err := collect(t, c.Account(account).Entries(t.Context(), q, auditlogs.Backfill()))
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

// resume takes so many entries from a backfill, and the rest from a listing with the given options
// that resumes there.
func resume(t *testing.T, c *auditlogs.Client, q auditlogs.Query, taken int, options []auditlogs.ListOption) (ids []string) {
	t.Helper()
	var place auditlogs.Position
	for entry, err := range c.Account(account).Entries(t.Context(), q, auditlogs.Backfill()) {
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
	rest, err := collect(t, c.Account(account).Entries(t.Context(), q, append(options, auditlogs.From(place))...))
	if err != nil {
		t.Fatal(err)
	}
	return append(ids, rest...)
}

// untimed adds n entries to a fake in a bubble, a minute apart, those at the given numbers without
// a readable time: these the fake places where they arrive.
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
		c := newClient(t, s, auditlogs.WithRate(0), soon)
		defer c.CloseIdleConnections()
		got, err := collect(t, c.Account(account).Entries(t.Context(), q, auditlogs.Backfill()))
		if err != nil {
			t.Fatal(err)
		}
		want := counted(0, 699)
		slices.Sort(want)
		slices.Sort(got)
		wantIDs(t, got, want)
	})
}

// An error ends a backfill where it would end a listing: after complete pages, with the place to
// resume at.
func TestBackfillFails(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for skipped := range 12 {
		s := newFake(t, 0)
		for i, moment := range histories(random, 400, time.Second)["uniform"] {
			s.Add(at(i, moment))
		}
		c := newClient(t, s, auditlogs.WithRate(0), soon)
		q := paged(20)
		for range skipped {
			s.FailNext(auditlogstest.Fault{})
		}
		s.FailNext(auditlogstest.Fault{Status: 403})
		first, err := collect(t, c.Account(account).Entries(t.Context(), q, auditlogs.Backfill()))
		if err == nil {
			// The page that failed was not wanted yet, and came when it was.
			wantIDs(t, first, counted(0, 399))
			continue
		}
		rest, err := collect(t, c.Account(account).Entries(t.Context(), q, auditlogs.Backfill(), auditlogs.From(position(t, err))))
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, append(first, rest...), counted(0, 399))
	}
}

// A page that is read ahead and fails is requested again when its turn comes, and not before; so
// too if the pages before it were empty.
func TestBackfillParks(t *testing.T) {
	for _, test := range []struct {
		name  string
		fails int // how many requests for the fourth page fail
		want  []string
		wrong error
	}{
		{"a page that fails once", 1, []string{"1"}, nil},
		{"a page that always fails", 1e6, nil, auditlogs.ErrForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0 // for the fourth page
				service := doer(func(r *http.Request) (*http.Response, error) {
					time.Sleep(time.Millisecond)
					page, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
					status, body := 200, fmt.Sprintf(`{"success":true,"result":[],"result_info":{"cursor":"%d"}}`, page+1)
					switch page {
					case 3:
						if requests++; requests <= test.fails {
							status, body = 403, `{"success":false}`
						}
					case 5:
						body = `{"success":true,"result":[` + at(1, noon) + `]}`
					}
					return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
				})
				c, err := auditlogs.New(token, auditlogs.WithHTTPClient(&http.Client{Transport: service}), auditlogs.WithRate(0))
				if err != nil {
					t.Fatal(err)
				}
				var ids []string
				for page, err := range c.Account(account).Pages(t.Context(), day, auditlogs.Backfill()) {
					if err != nil {
						if !errors.Is(err, test.wrong) {
							t.Errorf("got %v, want %v", err, test.wrong)
						}
						break
					}
					for _, e := range page.Entries {
						ids = append(ids, e.ID)
					}
					time.Sleep(time.Second) // Meanwhile the next pages are read.
				}
				wantIDs(t, ids, test.want)
				if requests != 2 {
					t.Errorf("%d requests for the page that fails, want one ahead and one when its turn comes", requests)
				}
			})
		})
	}
}

// A job that outlasts the budget of five minutes bursts through it and then settles at its rate.
// The service, which counts for itself and would block everything, refuses nothing.
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
		got, err := collect(t, c.Account(account).Entries(t.Context(), paged(size), auditlogs.Backfill()))
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

// What foresees the next pages by the last ones does not go on foreseeing entries where there are
// none: that a part is empty up to its end also answers for those that were split off it meanwhile.
func TestBackfillOfAnEmptyNight(t *testing.T) {
	for _, direction := range []string{"asc", "desc"} {
		for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, 24, auditlogstest.WithLatency(latency)) // Within half a minute, at noon.
				c := newClient(t, s, auditlogs.WithRate(0), soon)
				defer c.CloseIdleConnections()
				q := paged(3)
				q.Direction = &direction
				got, err := collect(t, c.Account(account).Entries(t.Context(), q, auditlogs.Backfill()))
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

// Where the service caps its pages, the few entries on one may all be one moment's, after which
// nothing can be foreseen. That costs some requests, and not a multiple of them.
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
				got, err := collect(t, c.Account(account).Entries(t.Context(), month, auditlogs.Backfill()))
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

// worked are the times of people at work over a window of weeks: by day and night, in sessions,
// where the pace of one page says little about the next one's.
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

// The table of latencies: how long a backfill takes beside a plain listing, in time that a
// simulated clock tells exactly. Where the service is slow and the budget ample, it is at least
// four times as fast. Whatever the history, it makes at most 1.3 times the requests, and takes at
// most 1.1 times the time.
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
				if (raced || os.Getenv("CFAUDIT_LATENCY") == "") && (latency != 300*time.Millisecond || rate != 40 || shape == "weeks") {
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
					for _, err := range c.Account(account).Entries(t.Context(), query, auditlogs.Backfill()) {
						if err != nil {
							t.Fatal(err)
						}
						n++
					}
					took := time.Since(began)
					if n != len(shapes[shape]) {
						t.Errorf("%d entries, want %d", n, len(shapes[shape]))
					}
					pages := max(1, n/size)
					plain := latency + time.Duration(pages-1)*max(latency, time.Duration(float64(time.Second)/rate))
					requests, speed := len(s.Requests()), float64(plain)/float64(took)
					t.Logf("%-8s %6s a page %3.0f/s: %8s, plainly %8s, %.1f times as fast, %d requests for %d pages", shape, latency, rate, took.Round(time.Millisecond), plain, speed, requests, pages)
					if most := float64(requests-1) / rate; took.Seconds() < most {
						t.Errorf("%d requests in %s are more than %g a second", requests, took, rate)
					}
					if float64(requests) > 1.3*float64(pages) || speed < 1/1.1 {
						t.Errorf("%d requests for %d pages, at %.2f times the speed of a plain listing", requests, pages, speed)
					}
					if shape != "empty" && latency == 300*time.Millisecond && rate == 40 && speed < 4 {
						t.Errorf("%.2f times as fast as a plain listing, want 4", speed)
					}
				}
				t.Run(fmt.Sprintf("%s/%s/%g", shape, latency, rate), func(t *testing.T) { synctest.Test(t, simulated) })
			}
		}
	}
}

// growing answers with pages of entries that are larger from page to page.
type growing struct{ pages, entries, least, most int }

func (g growing) RoundTrip(r *http.Request) (*http.Response, error) {
	since, err := auditlogs.ParseTime(r.URL.Query().Get("since"))
	if err != nil {
		return nil, err
	}
	start, _ := auditlogs.ParseTime(day.Since)
	first, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	if first == 0 {
		first = max(0, int(since.Add(time.Second-1).Sub(start)/time.Second))
	}
	end := min(first+g.entries, g.pages*g.entries)
	reader, writer := io.Pipe() // A whole page would be memory of the service's own.
	go func() {
		buffered := bufio.NewWriterSize(writer, 1<<16)
		fmt.Fprint(buffered, `{"success":true,"result":[`)
		before := ""
		for i := first; i < end; i++ {
			size := g.least + (g.most-g.least)*i/(g.pages*g.entries)
			if _, err := fmt.Fprintf(buffered, `%s{"id":"%d","action":{"time":%q},"resource":{"request":%q}}`, before, i,
				start.Add(time.Duration(i)*time.Second).Format(time.RFC3339), bytes.Repeat([]byte("x"), size)); err != nil {
				return
			}
			before = ","
		}
		cursor := ""
		if end < g.pages*g.entries {
			cursor = strconv.Itoa(end)
		}
		_, err := fmt.Fprintf(buffered, `],"result_info":{"cursor":%q}}`, cursor)
		_ = writer.CloseWithError(errors.Join(err, buffered.Flush()))
	}()
	time.Sleep(20 * time.Millisecond)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: reader, Request: r}, nil
}

// What is read ahead is bounded by the bytes that came, also where entries grow on the way and the
// consumer is slow.
func TestBackfillMemoryIsBounded(t *testing.T) {
	if raced {
		t.Skip("the race detector takes memory of its own")
	}
	service := growing{pages: 40, entries: 200, least: 5_000, most: 100_000}
	peak := func(options ...auditlogs.ListOption) (most uint64) {
		c, err := auditlogs.New(token, auditlogs.WithHTTPClient(&http.Client{Transport: service}), auditlogs.WithRate(0))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for page, err := range c.Account(account).Pages(t.Context(), day, options...) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(page.Entries)
			time.Sleep(5 * time.Millisecond)
			if n%1000 > 0 {
				continue
			}
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapAlloc)
		}
		if n != service.pages*service.entries {
			t.Fatalf("%d entries", n)
		}
		return most
	}
	plain, parallel := peak(), peak(auditlogs.Backfill())
	t.Logf("%d MB, plainly %d MB", parallel>>20, plain>>20)
	// 96 MB ahead, and what each request on its way reads into.
	if parallel > plain+300<<20 {
		t.Errorf("%d MB, and %d MB for a plain listing", parallel>>20, plain>>20)
	}
}
