package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// These tests are cases of their own, each with fixed numbers: conditions under which a parallel
// listing once lost entries, delivered them twice, or cost too much.

// day is when the histories of these cases start.
var day = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)

// at makes records of times.
func at(times []time.Time) []*record {
	slices.SortFunc(times, time.Time.Compare)
	records := make([]*record, len(times))
	for i, t := range times {
		records[i] = &record{number: i, key: t, shown: t}
	}
	return records
}

// steady are n times at a distance, truncated to a unit.
func steady(n int, distance, unit time.Duration) []time.Time {
	times := make([]time.Time, n)
	for i := range times {
		times[i] = day.Add(time.Duration(i) * distance).Truncate(unit)
	}
	return times
}

// scattered are n times drawn from a stretch, truncated to a unit.
func scattered(seed uint64, n int, over, unit time.Duration) []time.Time {
	random := rand.New(rand.NewPCG(seed, 3))
	times := make([]time.Time, n)
	for i := range times {
		times[i] = day.Add(time.Duration(random.Int64N(int64(over)))).Truncate(unit)
	}
	return times
}

// inParallel is a parallel listing of all records from a service that behaves as the API documents.
func inParallel(seed uint64, records []*record, pageCap int) *scenario {
	return &scenario{
		seed: seed, what: "list", records: records, limit: 1000,
		since: records[0].key.Add(-time.Minute), before: records[len(records)-1].key.Add(time.Minute),
		traits: traits{
			sinceIncluded: true, order: byTime, ties: tiesFixed, pageCap: pageCap,
			pace: pace{shape: "constant", mean: 300 * time.Millisecond},
		},
		legs: []leg{{parallel: true, prefetch: true}},
	}
}

// wantAllComplete runs a case with several seeds.
func wantAllComplete(t *testing.T, seeds int, of func(seed uint64) *scenario) {
	t.Helper()
	failed, lost, twice, told := 0, 0, 0, 0
	first := ""
	for seed := range seeds {
		s := of(uint64(seed + 1))
		v, _, err := s.run(t)
		if v != nil {
			lost, twice = lost+v.lost, twice+v.twice
			if v.told {
				told++
			}
		}
		if err != nil {
			if failed++; first == "" {
				first = fmt.Sprintf("%v\n\t%s", err, s)
			}
		}
	}
	t.Logf("%d runs, %d failed: %d entries lost, %d twice; %d ended with an error that says that the service cannot be read completely",
		seeds, failed, lost, twice, told)
	if failed > 0 {
		t.Errorf("%d of %d runs; first: %s", failed, seeds, first)
	}
}

// wantCheap compares what a parallel listing costs with a plain one.
func wantCheap(t *testing.T, s *scenario) {
	t.Helper()
	parallel, plain, err := s.costs(t)
	if err != nil {
		t.Errorf("%v\n\t%s", err, s)
		return
	}
	t.Logf("%d requests in %s; plain: %d in %s", parallel.requests, parallel.took, plain.requests, plain.took)
	if err := s.tooCostly(parallel, plain); err != nil {
		t.Errorf("%v\n\t%s", err, s)
	}
}

// costs lists in parallel and plainly.
func (s *scenario) costs(t *testing.T) (parallel, plain *journal, err error) {
	if _, plain, err = s.plain().run(t); err != nil {
		return nil, nil, fmt.Errorf("plain: %w", err)
	}
	_, parallel, err = s.run(t)
	return parallel, plain, err
}

// tooCostly says what a parallel listing costs too much.
func (s *scenario) tooCostly(parallel, plain *journal) error {
	if most := 1.3*float64(plain.requests) + 1; float64(parallel.requests) > most {
		return fmt.Errorf("%d requests: want at most %.1f, 1.3 times the %d of a plain listing and one more", parallel.requests, most, plain.requests)
	}
	most := plain.took + plain.took/10 + 2*time.Second
	if s.traits.pace.shape == "constant" && parallel.took > most {
		return fmt.Errorf("it takes %s: want at most %s, 1.1 times the %s of a plain listing and 2 seconds more", parallel.took, most, plain.took)
	}
	return nil
}

func wholeSeconds(seed uint64) *scenario {
	s := inParallel(seed, at(scattered(seed, 20_000, 1000*time.Second, time.Second)), 1000)
	s.traits.pace = pace{shape: "tailed", mean: 200 * time.Millisecond}
	if seed%2 == 0 {
		s.what = "export"
	}
	return s
}

// Twenty entries a second, of times that are shown to the second, and a tenth of the requests ten
// times slower.
func TestWholeSeconds(t *testing.T) {
	t.Parallel()
	wantAllComplete(t, many(t, 40), wholeSeconds)
}

func TestWholeSecondsWithFaults(t *testing.T) {
	t.Parallel()
	wantAllComplete(t, many(t, 40), func(seed uint64) *scenario {
		s := wholeSeconds(seed)
		s.traits.faults, s.traits.fault = 4, "503"
		return s
	})
}

// On pages of two entries, a page says hardly anything about what follows.
func TestPagesOfTwo(t *testing.T) {
	t.Parallel()
	wantAllComplete(t, 18, func(seed uint64) *scenario {
		s := inParallel(seed, at(scattered(seed, 400, 2000*time.Second, time.Second)), 2)
		s.remembered = 100
		s.traits.pace = pace{shape: "tailed", mean: 200 * time.Millisecond}
		return s
	})
}

// Entries lie so close that a second holds ten pages: nothing comes twice where a listing is
// resumed.
func TestCloseEntriesResumed(t *testing.T) {
	t.Parallel()
	wantAllComplete(t, 2, func(seed uint64) *scenario {
		s := inParallel(seed, at(steady(20_000, 100*time.Microsecond, time.Microsecond)), 1000)
		s.legs = []leg{{parallel: true, prefetch: true, stop: 12_000}, {parallel: true, prefetch: true}}
		return s
	})
}

func TestCloseEntriesExportedAfterRefusal(t *testing.T) {
	t.Parallel()
	wantAllComplete(t, 4, func(seed uint64) *scenario {
		s := inParallel(seed, at(steady(20_000, 100*time.Microsecond, time.Microsecond)), 1000)
		s.what, s.traits.refuse = "export", []int{8 + 4*int(seed)}
		return s
	})
}

// A service that takes bounds less precisely than they are sent shows less of a window that ends at
// any moment.
func TestCoarseBounds(t *testing.T) {
	t.Parallel()
	for _, coarse := range []time.Duration{time.Second, time.Minute} {
		t.Run(coarse.String(), func(t *testing.T) {
			wantAllComplete(t, 2, func(seed uint64) *scenario {
				s := inParallel(seed, at(steady(60_000, 2*time.Millisecond, time.Millisecond)), 1000)
				s.descends, s.traits.coarse = true, coarse
				return s
			})
		})
	}
}

// A service that does not keep the documented order is read completely, or the listing says that it
// cannot be.
func TestUndocumentedOrder(t *testing.T) {
	t.Parallel()
	for _, order := range []order{toTheSecond, byHidden, byHiddenShown} {
		t.Run(string(order), func(t *testing.T) {
			wantAllComplete(t, 3, func(seed uint64) *scenario {
				records := at(steady(60_000, 2*time.Millisecond, time.Millisecond))
				random := rand.New(rand.NewPCG(seed, 6))
				for _, r := range records {
					if order != toTheSecond && random.IntN(100) == 0 {
						r.shown = r.shown.Add(time.Duration(random.Int64N(int64(2*farthest))) - farthest)
					}
				}
				s := inParallel(seed, records, 1000)
				s.since, s.before = s.since.Add(-farthest), s.before.Add(farthest)
				s.traits.order = order
				s.descends = seed == 2
				return s
			})
		})
	}
}

// Batches that nobody can foresee cost neither many more requests than a plain listing nor more
// time.
func TestBatchesAreCheap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		batches, entries int
		over             time.Duration
	}{
		"four of one moment":       {4, 1500, time.Millisecond},
		"ten over twenty seconds":  {10, 1500, 20 * time.Second},
		"none":                     {0, 0, 0},
		"one of half of the day's": {1, 10_000, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, 7))
			times := scattered(7, 20_000-c.batches*c.entries, 24*time.Hour, time.Millisecond)
			for range c.batches {
				start := time.Duration(random.Int64N(int64(23 * time.Hour)))
				for range c.entries {
					times = append(times, day.Add(start+time.Duration(random.Int64N(int64(c.over)))).Truncate(time.Millisecond))
				}
			}
			wantCheap(t, inParallel(1, at(times), 1000))
		})
	}
}

// TestCosts compares parallel listings with plain ones in drawn scenarios: services of the
// documented order, without faults and without late entries.
func TestCosts(t *testing.T) {
	t.Parallel()
	runs := setting(t, "CFAUDIT_SIMULATION_RUNS", 300) / 3
	judged, failed := 0, 0
	for seed := uint64(1); judged < runs; seed++ {
		s := draw(seed)
		if s.what != "list" || !s.traits.documented() {
			continue
		}
		judged++
		s.traits.faults, s.traits.refuse, s.traits.pace.stuck = 0, nil, 0
		for _, r := range s.records {
			r.visible = 0
		}
		s.legs = []leg{{parallel: true, prefetch: true}}
		parallel, plain, err := s.costs(t)
		if err == nil {
			err = s.tooCostly(parallel, plain)
		}
		if err != nil {
			if failed++; failed <= 5 {
				t.Errorf("%v\n\t%s", err, s)
			}
		}
	}
	t.Logf("%d scenarios, %d failed", judged, failed)
}

// many is how often a row is run: in a short run, a few times.
func many(t *testing.T, all int) int {
	if setting(t, "CFAUDIT_SIMULATION_RUNS", 300) < 1000 {
		return all / 8
	}
	return all
}
