package follow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

// An arrival is an entry that appears some time after its own.
type arrival struct {
	text    string
	at      time.Time // the entry's time
	visible time.Time
}

// A world is what happens in an account within some hours: bursts, equal times, and entries that
// appear late.
type world struct {
	hours    int
	perHour  int
	lateness time.Duration // entries appear late by up to as much
	seed     uint64
}

func (w world) arrivals(start time.Time) []arrival {
	rng := rand.New(rand.NewPCG(w.seed, 5))
	var all []arrival
	add := func(at time.Time, late time.Duration) {
		all = append(all, arrival{made(len(all), at), at, at.Add(late)})
	}
	for hour := range w.hours {
		begin := start.Add(time.Duration(hour) * time.Hour)
		for range w.perHour {
			at := begin.Add(time.Duration(rng.Int64N(int64(time.Hour)))).Truncate(time.Millisecond)
			late := time.Duration(rng.Int64N(int64(90 * time.Second)))
			switch rng.IntN(10) {
			case 0:
				late = time.Duration(rng.Int64N(int64(w.lateness)))
			case 1: // a burst of entries with the same time, one after the other
				for range 2 + rng.IntN(8) {
					add(at, late)
				}
			}
			add(at, late)
		}
		if hour%8 == 3 {
			// An automation changes everything at once: more than a page in a second.
			at := begin.Add(17 * time.Minute)
			for range 150 {
				add(at.Add(time.Duration(rng.IntN(1000))*time.Millisecond), time.Duration(rng.Int64N(int64(time.Minute))))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return a.visible.Compare(b.visible) })
	return all
}

// happen adds the entries to the fake when they appear.
func happen(ctx context.Context, s *auditlogstest.Server, all []arrival) {
	for len(all) > 0 {
		if !wait(ctx, time.Until(all[0].visible)) {
			return
		}
		for now := time.Now(); len(all) > 0 && !all[0].visible.After(now); all = all[1:] {
			s.Add(all[0].text)
		}
	}
}

// harm lets requests fail at random moments, for minutes at a time now and then.
func harm(ctx context.Context, s *auditlogstest.Server, rng *rand.Rand) {
	cut := auditlogstest.Fault{Cut: true, CutAt: 0.5}
	for {
		if !wait(ctx, time.Duration(rng.Int64N(int64(10*time.Minute)))) {
			return
		}
		switch rng.IntN(12) {
		case 0:
			s.FailNext(auditlogstest.Fault{Status: 500}, auditlogstest.Fault{Drop: true}, cut)
		case 1:
			s.FailNext(auditlogstest.Fault{Status: 429, Header: http.Header{"Retry-After": {fmt.Sprint(1 + rng.IntN(120))}}})
		case 2:
			s.FailNext(auditlogstest.Fault{}, cut, auditlogstest.Fault{Status: 408})
		case 3:
			s.FailNext(auditlogstest.Fault{Body: "<html>maintenance</html>", Status: 200}, auditlogstest.Fault{Delay: 2 * time.Minute})
		case 4:
			// An outage that no number of attempts outlasts.
			s.FailNext(slices.Repeat([]auditlogstest.Fault{{Status: 503}}, 10+rng.IntN(20))...)
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// A day of following, in virtual time. Every entry is delivered, once, whatever fails meanwhile.
func TestDay(t *testing.T) {
	t.Parallel()
	const budget, window = 30, 5 * time.Minute // small, so that it matters
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, auditlogstest.WithRateLimit(budget, window), auditlogstest.WithLatency(50*time.Millisecond))
		start := time.Now()
		all := world{hours: 24, perHour: 40, lateness: 10 * time.Minute, seed: 1}.arrivals(start)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go happen(ctx, s, all)
		go harm(ctx, s, rand.New(rand.NewPCG(1, 1)))

		store, out := &memoryStore{}, &sink{}
		client := newClient(t, s, auditlogs.WithRetry(8, time.Second, 30*time.Second), expiring(s, func(n int) bool { return n%7 == 0 }))
		var total follow.Health
		f := newFollower(t, client, auditlogs.Query{Since: auditlogs.Time(start), Limit: new(50)}, store)
		// Runs of a few hours, each of which ends wherever it happens to be.
		rng := rand.New(rand.NewPCG(2, 2))
		for time.Since(start) < 25*time.Hour {
			run, stop := context.WithTimeout(ctx, time.Duration(rng.Int64N(int64(4*time.Hour))))
			if err := f.Run(run, out.deliver); run.Err() == nil {
				t.Fatal(err)
			}
			stop()
			h := f.Health()
			total.Restarts, total.Failures, total.Repeats = total.Restarts+h.Restarts, total.Failures+h.Failures, total.Repeats+h.Repeats
			f = newFollower(t, client, auditlogs.Query{Limit: new(50)}, store)
		}
		wantAll(t, out.entries(), stored(s), false)
		if len(out.entries()) != len(all) {
			t.Errorf("%d entries are delivered, and %d happened", len(out.entries()), len(all))
		}
		asked, most := requests(s, window)
		refused := statuses(s, 429)
		if most > budget {
			t.Errorf("%d requests in 5 minutes", most)
		}
		if store.largest >= 1_000_000 {
			t.Errorf("the state holds %d bytes", store.largest)
		}
		if out.late == 0 || refused == 0 || total.Restarts == 0 || total.Failures == 0 || total.Repeats == 0 {
			t.Errorf("%d entries came late, %d requests were refused, %+v: the day tests too little", out.late, refused, total)
		}
		t.Logf("24 hours: %d of %d entries delivered, none twice, %d of them late; %d requests, at most %d in 5 minutes, %d answered with 429; %d sweeps failed, %d cursors were given up; state at most %d bytes, saved %d times",
			len(out.entries()), len(all), out.late, asked, most, refused, total.Failures, total.Restarts, store.largest, store.saves)
	})
}

// requests counts what the fake was asked, and the most of it in any window.
func requests(s *auditlogstest.Server, window time.Duration) (all, most int) {
	log := s.Requests()
	first := 0
	for i, r := range log {
		for r.Time.Sub(log[first].Time) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return len(log), most
}

func statuses(s *auditlogstest.Server, status int) (n int) {
	for _, r := range s.Requests() {
		if r.Status == status {
			n++
		}
	}
	return n
}

// Where entries appear later than the look-back reaches, some are missed, and none of the others.
// The follower cannot count those; it says how many it nearly missed.
func TestBeyondTheLookBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		start := time.Now()
		all := world{hours: 12, perHour: 60, lateness: time.Hour, seed: 2}.arrivals(start)
		ctx, cancel := context.WithTimeout(t.Context(), 14*time.Hour)
		defer cancel()
		go happen(ctx, s, all)
		out := &sink{}
		f := newFollower(t, newClient(t, s), auditlogs.Query{Since: auditlogs.Time(start)}, &memoryStore{})
		if err := f.Run(ctx, out.deliver); ctx.Err() == nil {
			t.Fatal(err)
		}
		delivered := map[string]bool{}
		for _, raw := range out.entries() {
			delivered[raw] = true
		}
		missed, beyond := 0, 0
		for _, a := range all {
			late := a.visible.Sub(a.at)
			if late > follow.DefaultLookBack {
				beyond++
			}
			if !delivered[a.text] {
				if missed++; late <= follow.DefaultLookBack {
					t.Errorf("missed, although it came only %s late: %s", late, a.text)
				}
			}
		}
		h := f.Health()
		if missed == 0 || h.NearlyMissed == 0 || h.LookBack != follow.DefaultLookBack {
			t.Errorf("%d missed, %d nearly: the health has to warn", missed, h.NearlyMissed)
		}
		t.Logf("of %d entries, %d appeared more than %s late, and %d of these were missed; the health says: %d late, by up to %s, %d of them nearly missed",
			len(all), beyond, h.LookBack, missed, h.Late, h.Lateness.Most.Round(time.Second), h.NearlyMissed)
	})
}
