package export_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogstest"
)

// sorted returns the lines of a text in the order of their bytes.
func sorted(text string) []string { return slices.Sorted(strings.Lines(text)) }

// TestCursorIsRefusedAfterAnInterruption has the service refuse the cursor with which the next run
// starts. It starts again at the time of the last entry then, and writes no entry twice, with or
// without an id.
func TestCursorIsRefusedAfterAnInterruption(t *testing.T) {
	for name, fill := range map[string]func(f *fixture){
		"with ids": func(*fixture) {},
		"without ids": func(f *fixture) {
			for i := range 50 {
				// Some of these are the same to the byte, and all the same entries of their own.
				f.server.Add(fmt.Sprintf(`{"action":{"time":%q,"type":"%d"}}`, auditlogs.Time(since.Add(time.Duration(i/10))), i/2%3))
			}
		},
		"without times": func(f *fixture) {
			for i := range 90 {
				f.server.Add(fmt.Sprintf(`{"id":"untimed %d"}`, i))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "a.ndjson")
			fill(f)
			f.interrupt(t, 1)
			if f.read(t, "") == "" {
				t.Fatal("nothing was written")
			}
			f.server.FailNext(auditlogstest.Fault{Status: 400})
			result := f.run(t)
			if !slices.Equal(sorted(f.read(t, "")), sorted(f.want())) {
				t.Errorf("%d lines, want %d", strings.Count(f.read(t, ""), "\n"), strings.Count(f.want(), "\n"))
			}
			if result.Repeated == 0 {
				t.Error("the entries that came again are not counted")
			}
			if _, err := export.Check(t.Context(), f.job.Path); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRefusedForGood has a service that takes no cursor, and more entries at one moment than a
// page takes: an export that leads no further ends.
func TestRefusedForGood(t *testing.T) {
	f := newFixture(t, "a.ndjson")
	for i := range 90 {
		f.server.Add(fmt.Sprintf(`{"id":"same %d","action":{"time":%q}}`, i, auditlogs.Time(since)))
	}
	f.interrupt(t, 1)
	f.server.FailNext(auditlogstest.Fault{Status: 400})
	for range 20 {
		f.server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 400})
	}
	asked := len(f.server.Requests())
	if _, err := export.Run(t.Context(), f.job); !errors.Is(err, auditlogs.ErrInvalidQuery) {
		t.Fatal(err)
	}
	if n := len(f.server.Requests()) - asked; n > 12 {
		t.Errorf("%d requests that lead nowhere", n)
	}
}

// TestDenseEntriesOnce has 20,000 entries in two seconds, and a request that is refused for good
// among them.
func TestDenseEntriesOnce(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		for _, fault := range []int{400, 403} {
			f := newFixture(t, "a.ndjson")
			dense := make([]any, 0, 20_000)
			for i := range cap(dense) {
				dense = append(dense, fmt.Sprintf(`{"id":"dense %d","action":{"time":%q}}`, i, auditlogs.Time(since.Add(time.Duration(i)*100*time.Microsecond))))
			}
			f.server.Add(dense...)
			f.job.Query.Limit = new(1000)
			f.job.Parallel = parallel
			f.server.FailNext(append(make([]auditlogstest.Fault, 12), auditlogstest.Fault{Status: fault})...)
			// A page that is read ahead and fails is asked for again when it is wanted.
			if _, err := export.Run(t.Context(), f.job); (err != nil) != (fault == 403) && !parallel {
				t.Fatalf("status %d: %v", fault, err)
			}
			if fault == 403 {
				// And the place is not taken either.
				f.server.FailNext(auditlogstest.Fault{Status: 400})
			}
			result := f.run(t)
			if got := f.read(t, ""); !slices.Equal(sorted(got), sorted(f.want())) {
				t.Errorf("parallel %t, status %d: %d lines, want %d; %d repeated", parallel, fault, strings.Count(got, "\n"), strings.Count(f.want(), "\n"), result.Repeated)
			}
		}
	}
}
