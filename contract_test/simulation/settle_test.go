package simulation

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
)

// A settling is a number of exports, each of a window that ended some time before, on a service
// that shows entries late.
type settling struct {
	entries  int // in the windows
	missing  int // not in the exports, though the same window shows them an hour later
	tooLate  int // among the missing, those that appeared later than the settle time
	unheard  int // never shown by the service, which would be a mistake of the simulation
	settled  int // exports whose manifest says that their window was settled
	of       int // exports
	complete int // exports without a missing entry
}

// settles exports at random moments, as a user does who gives no newer end: the window ends at the
// moment less the settle time.
func settles(t *testing.T, settle, longest time.Duration) (sum settling) {
	t.Helper()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 12))
			records := busyness{perLookBack: 300}.records(random)
			for _, r := range records {
				for r.visible-r.key.Sub(bubbleStart) > longest {
					r.visible = r.key.Sub(bubbleStart) + lateness(random)
				}
			}
			service := newService(traits{sinceIncluded: true, order: byTime, ties: tiesFixed, pageCap: 100,
				pace: pace{shape: "uniform", mean: 300 * time.Millisecond}}, seed, records)
			service.most = 1 << 30
			client, err := auditlogs.New("token-of-the-simulation", auditlogs.WithHTTPClient(&http.Client{Transport: service}))
			if err != nil {
				t.Fatal(err)
			}
			folder, err := os.MkdirTemp(memoryDir(), "settle")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(folder)

			time.Sleep(time.Hour + time.Duration(random.Int64N(int64(2*time.Hour))))
			end := time.Now().Add(-settle)
			query := auditlogs.Query{Since: auditlogs.Time(bubbleStart), Before: auditlogs.Time(end)}
			path := filepath.Join(folder, "log.ndjson")
			result, err := export.Run(context.Background(), export.Job{Log: client.Account(account), Query: query, Path: path})
			if err != nil {
				t.Fatal(err)
			}
			exported := &journal{}
			if err := exported.readBack(path); err != nil {
				t.Fatal(err)
			}
			in := map[string]bool{}
			for _, id := range exported.delivered {
				in[id] = true
			}

			time.Sleep(time.Hour)
			later := map[string]bool{}
			for entry, err := range client.Account(account).Entries(context.Background(), query) {
				if err != nil {
					t.Fatal(err)
				}
				later[entry.ID] = true
			}

			sum.of++
			if result.Settled {
				sum.settled++
			}
			missing := sum.missing
			for _, r := range records {
				if !r.key.Before(end) {
					continue
				}
				sum.entries++
				if !later[r.id()] {
					sum.unheard++
				}
				if !in[r.id()] {
					sum.missing++
					if r.visible-r.key.Sub(bubbleStart) > settle {
						sum.tooLate++
					}
				}
			}
			if missing == sum.missing {
				sum.complete++
			}
		})
	}
	t.Logf("%s to settle, entries up to %s late: %+v", settle, longest, sum)
	return sum
}

// An export without a newer end has every entry of its window that is at most the settle time late,
// and so every entry of a service that is as late as was measured. An hour later the same window
// has no other entries.
func TestSettledExportIsComplete(t *testing.T) {
	measured := settles(t, auditlogs.SettleTime, 450*time.Second)
	if measured.missing > 0 || measured.unheard > 0 || measured.settled != measured.of || measured.entries < 1000 {
		t.Errorf("with the lateness that was measured: %+v", measured)
	}
	tail := settles(t, auditlogs.SettleTime, 20*time.Minute)
	if tail.missing != tail.tooLate || tail.unheard > 0 || tail.missing > tail.entries/1000 {
		t.Errorf("with entries that are up to 20 minutes late: %+v", tail)
	}
}

// The judge sees what is missing: two minutes are not enough.
func TestTwoMinutesAreNotSettled(t *testing.T) {
	if sum := settles(t, 2*time.Minute, 450*time.Second); sum.missing < sum.of || sum.unheard > 0 || sum.settled > 0 {
		t.Errorf("%+v: want an entry or more missing in each export, or the simulation shows nothing, and no window settled", sum)
	}
}
