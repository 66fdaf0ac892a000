package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// A busyness is what happens in an account within a few hours, as a service shows it that is late
// as was measured.
type busyness struct {
	perLookBack int // entries in 30 minutes
	pageCap     int
	faults      int // percent of the requests
	restarts    bool
	options     []follow.Option
}

const (
	happens = 4 * time.Hour
	// The service shows the last entries, and a follower looks back, until then.
	observed = happens + 2*lookBack + 3*lookBackEvery
)

// lateness draws how late an entry appears: as measured, 167 to 450 seconds, half of them within
// 289 and 95 % within 402. One in 200 takes up to 20 minutes.
func lateness(random *rand.Rand) time.Duration {
	steps := []struct{ share, seconds float64 }{{0, 167}, {0.5, 289}, {0.95, 402}, {0.995, 450}, {1, 1200}}
	share := random.Float64()
	for i, to := range steps[1:] {
		if from := steps[i]; share < to.share {
			part := (share - from.share) / (to.share - from.share)
			return time.Duration((from.seconds + part*(to.seconds-from.seconds)) * float64(time.Second))
		}
	}
	return 20 * time.Minute
}

func (b busyness) records(random *rand.Rand) (records []*record) {
	add := func(at time.Duration) {
		records = append(records, &record{
			number: len(records), key: bubbleStart.Add(at), shown: bubbleStart.Add(at), visible: at + lateness(random),
		})
	}
	for range b.perLookBack * int(happens/lookBack) * 9 / 10 {
		add(time.Duration(random.Int64N(int64(happens))).Truncate(time.Millisecond))
	}
	// A tenth happens in bursts of the same second.
	for len(records) < b.perLookBack*int(happens/lookBack) {
		at := time.Duration(random.Int64N(int64(happens))).Truncate(time.Second)
		for range 1 + random.IntN(10) {
			add(at)
		}
	}
	return records
}

// An outcome is what a judge sees who knows what happened, and when each entry was delivered.
type outcome struct {
	entries, lost, twice, foreign int
	median, p95                   time.Duration // from visible to delivered
	inOrder                       float64       // the share of entries that come after no newer one
	requests                      float64       // an interval
	health                        follow.Health
}

// follows runs a follower, in runs of some minutes to an hour if it is to be restarted.
func (b busyness) follows(t *testing.T, seed uint64) (o outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 11))
		records := b.records(random)
		service := newService(traits{sinceIncluded: true, order: byTime, ties: tiesFixed, pageCap: b.pageCap, faults: b.faults,
			pace: pace{shape: "uniform", mean: 300 * time.Millisecond}}, seed, records)
		service.most = 1 << 30
		client, err := auditlogs.New("token-of-the-simulation", auditlogs.WithHTTPClient(&http.Client{Transport: service}))
		if err != nil {
			t.Fatal(err)
		}
		type delivery struct {
			id string
			at time.Duration
		}
		var deliveries []delivery
		store := &memoryStore{}
		for time.Since(bubbleStart) < observed {
			end := bubbleStart.Add(observed)
			if b.restarts {
				end = time.Now().Add(time.Duration(random.Int64N(int64(time.Hour))))
			}
			follower, err := follow.New(client.Account(account), auditlogs.Query{Since: auditlogs.Time(bubbleStart)}, store, b.options...)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithDeadlineCause(context.Background(), end, errStopped)
			err = follower.Run(ctx, func(_ context.Context, batch follow.Batch) error {
				for _, entry := range batch.Entries {
					deliveries = append(deliveries, delivery{entry.ID, time.Since(bubbleStart)})
				}
				return nil
			})
			cancel()
			if !errors.Is(err, errStopped) {
				t.Fatal(err)
			}
			o.health = follower.Health()
			if b.restarts {
				time.Sleep(time.Duration(random.Int64N(int64(20 * time.Minute))))
			}
		}

		byID, seen := map[string]*record{}, map[string]bool{}
		for _, r := range records {
			byID[r.id()] = r
		}
		var waits []time.Duration
		var newest time.Time
		ordered := 0
		for _, d := range deliveries {
			r := byID[d.id]
			switch {
			case r == nil:
				o.foreign++
				continue
			case seen[d.id]:
				o.twice++
				continue
			}
			seen[d.id] = true
			waits = append(waits, d.at-r.visible)
			if !r.key.Before(newest) {
				ordered++
				newest = r.key
			}
		}
		o.entries, o.lost = len(records), len(records)-len(seen)
		slices.Sort(waits)
		o.median, o.p95 = waits[len(waits)/2], waits[len(waits)*95/100]
		o.inOrder = float64(ordered) / float64(len(waits))
		o.requests = float64(service.requests) / float64(observed/follow.DefaultInterval)
	})
	t.Logf("%d entries, %d lost, %d twice; visible to delivered p50 %s, p95 %s; %.2f %% in order; %.2f requests an interval; %+v",
		o.entries, o.lost, o.twice, o.median.Round(time.Second), o.p95.Round(time.Second), 100*o.inOrder, o.requests, o.health.Lateness)
	return o
}

// A follower loses nothing and repeats nothing whatever the account, and is prompt.
func TestFollowIsPrompt(t *testing.T) {
	const prompt, promptRequests = follow.DefaultInterval * 12 / 10, 1.1
	for _, test := range []struct {
		name     string
		account  busyness
		p95      time.Duration // 0 for no demand
		requests float64
	}{
		{"few entries", busyness{perLookBack: 10, pageCap: 1000}, prompt, promptRequests},
		{"some entries", busyness{perLookBack: 300, pageCap: 1000}, prompt, promptRequests},
		{"nearly a page in the look-back", busyness{perLookBack: 950, pageCap: 1000}, prompt, promptRequests},
		{"more than a page in the look-back", busyness{perLookBack: 2500, pageCap: 1000}, prompt, 1.5},
		{"many pages in the look-back", busyness{perLookBack: 6000, pageCap: 1000}, prompt, 2},
		{"pages of 100 entries whatever is asked for", busyness{perLookBack: 300, pageCap: 100}, prompt, 1.7},
		{"restarts and faults", busyness{perLookBack: 300, pageCap: 1000, faults: 10, restarts: true}, 0, 0},
		{"restarts and faults, more than a page", busyness{perLookBack: 2500, pageCap: 1000, faults: 10, restarts: true}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := test.account.follows(t, 7)
			if o.lost+o.twice+o.foreign > 0 {
				t.Errorf("%d lost, %d twice, %d foreign", o.lost, o.twice, o.foreign)
			}
			if test.p95 > 0 && o.p95 > test.p95 {
				t.Errorf("from visible to delivered p95 is %s: want at most %s", o.p95, test.p95)
			}
			if test.requests > 0 && o.requests > test.requests {
				t.Errorf("%.2f requests an interval: want at most %.1f", o.requests, test.requests)
			}
		})
	}
}

// A follower that waits for the settle time delivers in order instead, and loses nothing either.
func TestFollowInOrder(t *testing.T) {
	for _, entries := range []int{10, 300, 2500} {
		b := busyness{perLookBack: entries, pageCap: 1000, options: []follow.Option{follow.WithSettle(auditlogs.SettleTime)}}
		o := b.follows(t, 8)
		if o.lost+o.twice+o.foreign > 0 || o.inOrder < 0.99 {
			t.Errorf("%d lost, %d twice, %d foreign, %.2f %% in order", o.lost, o.twice, o.foreign, 100*o.inOrder)
		}
	}
}

// The judge sees what is lost: two minutes and no look-back are not enough.
func TestTwoMinutesLose(t *testing.T) {
	b := busyness{perLookBack: 300, pageCap: 1000, options: []follow.Option{
		follow.WithSettle(2 * time.Minute), follow.WithLookBack(0, 100*time.Hour), follow.WithOverlap(time.Second)}}
	if o := b.follows(t, 9); o.lost < o.entries/10 {
		t.Errorf("%d of %d entries are lost: want more, or the simulation shows nothing", o.lost, o.entries)
	}
}
