package archive_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogstest"
)

// An arrival is an entry that appears some time after its own.
type arrival struct {
	text        string
	at, visible time.Time
}

// arrivals are six days of entries of an account, or of an organization. Most appear within eight
// minutes, some within hours, and a few after the look-back.
func arrivals(random *rand.Rand, owner string) []arrival {
	var all []arrival
	for day := range 6 {
		for range random.IntN(120) {
			at := first.AddDate(0, 0, day).Add(time.Duration(random.Int64N(int64(24 * time.Hour)))).Truncate(time.Millisecond)
			late := time.Duration(random.Int64N(int64(8 * time.Minute)))
			switch random.IntN(12) {
			case 0:
				late = time.Duration(random.Int64N(int64(50 * time.Hour)))
			case 1: // at midnight
				at = at.Truncate(24 * time.Hour)
			case 2: // shortly before
				at = at.Truncate(24 * time.Hour).Add(24*time.Hour - time.Nanosecond)
			}
			for range 1 + random.IntN(3) {
				text := fmt.Sprintf(`{"id":"a%d","action":{"time":%q}}`, len(all), at.Format(time.RFC3339Nano))
				if owner != "" {
					text = fmt.Sprintf(`{"id":"o%d","organization":{"id":%q},"action":{"time":%q}}`, len(all), owner, at.Format(time.RFC3339Nano))
				}
				all = append(all, arrival{text, at, at.Add(late)})
			}
		}
	}
	return all
}

// happen adds the entries to the fake when they appear.
func happen(ctx context.Context, s *auditlogstest.Server, all []arrival) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b arrival) int { return a.visible.Compare(b.visible) })
	for _, a := range all {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(a.visible)):
			s.Add(a.text)
		}
	}
}

// TestSimulation keeps an archive through late entries, failing requests, refused tokens, stops at
// any moment and runs at odd times. Each entry that appeared within the look-back is in a file of
// its day, once; the archive is whole after every run; and a copy that took only new files after
// each run is the same in the end.
func TestSimulation(t *testing.T) {
	supplements, stopped := 0, 0
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, stops := simulate(t, seed)
				supplements, stopped = supplements+s, stopped+stops
			})
		})
	}
	if supplements < 20 || stopped < 20 {
		t.Errorf("only %d supplements and %d stops", supplements, stopped)
	}
}

func simulate(t *testing.T, seed uint64) (supplements, stops int) {
	random := rand.New(rand.NewPCG(seed, 14))
	server := newFake(t, auditlogstest.WithLatency(200*time.Millisecond), auditlogstest.WithMaxPageSize(5+random.IntN(30)))
	client := newClient(t, server, auditlogs.WithRetry(3, time.Second, time.Second))
	logs := []*auditlogs.Log{client.Account(account), client.Organization(organization)}
	all := [][]arrival{arrivals(random, ""), arrivals(random, organization)}
	sleepUntil(first)
	world, end := context.WithCancel(context.Background())
	defer end()
	for _, entries := range all {
		go happen(world, server, entries)
	}
	folder, copied := t.TempDir(), t.TempDir()
	over := first.AddDate(0, 0, 9)
	for time.Now().Before(over) {
		time.Sleep(time.Duration(random.Int64N([]int64{int64(time.Minute), int64(time.Hour), int64(30 * time.Hour)}[random.IntN(3)])))
		for range random.IntN(4) {
			server.FailNext(append(make([]auditlogstest.Fault, random.IntN(6)), faults[random.IntN(len(faults))])...)
		}
		if run(t, random, logs, folder) {
			stops++
		}
		sync(t, folder, copied)
	}
	sleepUntil(over.AddDate(0, 0, 3))
	for _, log := range logs {
		for archive.Keep(context.Background(), archive.Job{Log: log, Folder: folder, Since: first}) != nil { // while there are faults
			time.Sleep(time.Second)
		}
	}
	sync(t, folder, copied)
	check(t, folder)
	if !maps.Equal(digests(t, folder), digests(t, copied)) {
		t.Error("the copy that was made step by step differs")
	}

	got := lines(t, folder)
	for i, name := range []string{account, "organization-" + organization} {
		for _, a := range all[i] {
			var in []string
			for path, lines := range got {
				for _, line := range lines {
					if line == a.text && strings.HasPrefix(path, name) {
						in = append(in, path)
					}
				}
			}
			day := name + a.at.Format("/2006/01/02")
			due := a.at.Truncate(24 * time.Hour).Add(48*time.Hour + auditlogs.SettleTime)
			switch {
			case len(in) == 0 && a.visible.Before(due):
				t.Errorf("%s appeared at %s, and is nowhere", a.text, a.visible)
			case len(in) > 1 || len(in) == 1 && !strings.HasPrefix(in[0], day):
				t.Errorf("%s is in %q", a.text, in)
			}
		}
	}
	for path := range got {
		if strings.Contains(path, ".late-") {
			supplements++
		}
	}
	return supplements, stops
}

var faults = []auditlogstest.Fault{
	{Status: 500}, {Cut: true, CutAt: 0.5}, {Drop: true}, {Delay: 5 * time.Second}, {Status: 403}, {Status: 429, Header: http.Header{"Retry-After": {"1"}}}, {Status: 400},
}

// run keeps both logs, and may be stopped. The archive is whole in any case, but for days that
// could not be read.
func run(t *testing.T, random *rand.Rand, logs []*auditlogs.Log, folder string) (stopped bool) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if random.IntN(2) == 0 {
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(4*time.Second))), stop)
		defer timer.Stop()
	}
	for _, log := range logs {
		err := archive.Keep(ctx, archive.Job{Log: log, Folder: folder, Since: first, Compression: []string{"zst", "gz"}[random.IntN(2)], PageSize: 1 + random.IntN(100)})
		if errors.Is(err, archive.ErrDamaged) || errors.Is(err, archive.ErrLocked) || errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if len(digests(t, folder)) > 0 {
		report, _ := archive.Check(context.Background(), folder)
		for _, finding := range report.Findings {
			if strings.Contains(finding.Path, ".late-") || !strings.HasPrefix(finding.Problem, "it is missing") {
				t.Errorf("%s", finding)
			}
		}
	}
	return ctx.Err() != nil
}

// sync copies new files, as object storage takes them that keeps what it has.
func sync(t *testing.T, from, to string) {
	t.Helper()
	have, want := digests(t, to), digests(t, from)
	for name, sum := range have {
		if want[name] != sum {
			t.Fatalf("%s was written before, and has changed", name)
		}
	}
	for name := range want {
		if have[name] != "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700), os.WriteFile(filepath.Join(to, name), data, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
