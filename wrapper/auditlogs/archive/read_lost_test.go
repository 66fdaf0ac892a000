package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
)

// A listing never leaves out what was sealed and removed: it ends with an error where that would
// come. What was never kept is a gap.
func TestWhatWasSealedAndRemoved(t *testing.T) {
	window := func(since, before string) auditlogs.Query {
		return auditlogs.Query{Since: "2026-11-" + since, Before: "2026-11-" + before}
	}
	all := window("10", "30")
	const lost12 = "12.manifest.json: damaged: 2026-11-12 is missing, and "
	for _, test := range []struct {
		name    string
		removed []string
		query   auditlogs.Query
		want    string // the ids before the error
		back    string // the ids before the error in the other direction
		problem string // empty for none
		since   int    // the first day that is kept at last, from the first on
	}{
		{"nothing", nil, all, "a b late c d e", "e d c late b a", "", 0},
		{"a day", []string{"12.*"}, all, "a b late", "e d", lost12 + "2 links of the chain, up to link 6, are missing", 0},
		{"a day, and not its supplement", []string{"12.manifest.json", "12.ndjson.zst"}, all, "a b late", "e d", lost12 + "link 5 of the chain is missing", 0},
		{"a day, before the window", []string{"12.*"}, window("13", "30"), "d e", "e d", "", 0},
		{"a day, in a window from before the first day", []string{"12.*"}, window("01", "30"), "", "e d", "2 links of the chain, up to link 6, are missing", 0},
		{"a day, after the window", []string{"12.*"}, window("10", "12"), "a b late", "late b a", "", 0},
		{"a day, in the middle of the window's last", []string{"12.*"}, window("10", "12T00:00:01Z"), "a b late", "", lost12, 0},
		{"the manifest of a day", []string{"12.manifest.json"}, all, "a b late", "e d", "12.manifest.json: damaged: it is missing, and 12.ndjson.zst is there", 0},
		{"the manifest of the newest day", []string{"14.manifest.json"}, all, "a b late c d", "", "14.manifest.json: damaged: it is missing, and 14.ndjson.zst is there", 0},
		{"the file of a day", []string{"12.ndjson.zst"}, all, "a b late", "e d", "12.ndjson.zst: damaged: it is missing, and 12.manifest.json says that it was there", 0},
		{"a supplement", []string{"11.late-1.*"}, all, "a", "e d c", "11.late-1.manifest.json: damaged: link 4 of the chain is missing, and can be this supplement of 2026-11-11", 0},
		{"a supplement, and the manifest of the newest day", []string{"11.late-1.*", "14.manifest.json"}, window("10", "12"), "a", "", "link 4 of the chain is missing", 0},
		{"a supplement of another day", []string{"11.late-1.*"}, window("12", "30"), "c d e", "e d c", "", 0},
		{"a day that was sealed late", []string{"09.*"}, window("07", "14"), "", "d c late b a", "09.manifest.json: damaged: 2026-11-09 is missing, and link 10 of the chain is missing", -3},
		{"a day that was sealed late, before all others", []string{"08.*"}, window("01", "30"), "", "e d c late b a", "link 11 of the chain is missing, and can be of days before 2026-11-09", -2},
		{"a day that was sealed late, before all others, and another", []string{"08.*", "12.*"}, window("01", "30"), "", "e d", "3 links of the chain, up to link 11, are missing", -2},
		{"the only day that was sealed late, and another", []string{"09.*", "12.*"}, window("09", "10"), "", "", "3 links of the chain, up to link 10, are missing, and can be of days before 2026-11-10", -1},
		{"a day that was sealed late, before all others, and the first manifest, by another", []string{"08.*", "!10.manifest.json"}, window("01", "09"), "", "", "link 11 of the chain is missing (it can be 4bb334f7c94c4a29a045f03944f072e5/2026/11/10.manifest.json, which is missing or has changed), and can be of days before 2026-11-09", -2},
		{"a manifest, by another", []string{"!12.manifest.json"}, all, "a b late", "e d", "12.manifest.json: damaged: it has changed since it was written", 0},
		{"a manifest, by another, before the window", []string{"!12.manifest.json"}, window("13", "30"), "d e", "e d", "", 0},
		{"the newest day", []string{"14.*"}, all, "a b late c d", "d c late b a", "", 0},
		{"all manifests", []string{"*.manifest.json"}, all, "a b late c d e", "e d c late b a", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newFake(t)
				folder := t.TempDir()
				job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first}
				for i, id := range []string{"a", "b", "c", "d", "e"} {
					day := first.AddDate(0, 0, i)
					server.Add(made(id, day.Add(time.Hour)))
					sleepUntil(day.Add(25 * time.Hour))
					keep(t, job)
					if id == "b" {
						server.Add(made("late", day.Add(2*time.Hour)))
					}
				}
				if test.since != 0 {
					job.Since = first.AddDate(0, 0, test.since)
					keep(t, job)
					sleepUntil(first.AddDate(0, 0, 6).Add(time.Hour))
					keep(t, job)
				}
				check(t, folder)
				for _, pattern := range test.removed {
					if name, replaced := strings.CutPrefix(pattern, "!"); replaced {
						name = filepath.Join(folder, account, "2026/11", name)
						data, err := os.ReadFile(name)
						if err != nil {
							t.Fatal(err)
						}
						create(t, name, strings.Replace(string(data), `"look_back": "24h`, `"look_back": "25h`, 1))
						continue
					}
					names, err := filepath.Glob(filepath.Join(folder, account, "2026/11", pattern))
					if err != nil || names == nil {
						t.Fatal(pattern, err)
					}
					for _, name := range names {
						if err := os.Remove(name); err != nil {
							t.Fatal(err)
						}
					}
				}
				for direction, want := range map[string]string{"asc": test.want, "desc": test.back} {
					query := test.query
					query.Direction = &direction
					got, err := ids(t, open(t, folder).Log(), query)
					if got != want || (err == nil) != (test.problem == "") {
						t.Errorf("%s: %q, %v, want %q", direction, got, err, want)
					}
					if err != nil && (!errors.Is(err, archive.ErrDamaged) || auditlogs.Retryable(err) || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), test.problem)) {
						t.Errorf("%s: %v, want %q", direction, err, test.problem)
					}
				}
			})
		})
	}
}

// Once what was removed is restored, the position of the error leads to exactly the rest. An export
// of the day serves as well, and so does a run that has not finished sealing it.
func TestWhatWasRemovedIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t)
		server.Add(made("a", first), made("b", second), made("c", third))
		folder := t.TempDir()
		sleepUntil(third.AddDate(0, 0, 1).Add(time.Hour))
		keep(t, archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first})
		query := auditlogs.Query{Since: "2026-11-10", Before: "2026-11-13"}
		day, aside := filepath.Join(folder, account, "2026/11/11"), filepath.Join(t.TempDir(), "11")
		move := func(from, to, ending string) {
			t.Helper()
			if err := os.Rename(from+ending, to+ending); err != nil {
				t.Fatal(err)
			}
		}
		move(day, aside, ".manifest.json")
		move(day, aside, ".ndjson.zst")
		stopped := open(t, folder)
		_, err := ids(t, stopped.Log(), query)
		var incomplete *auditlogs.IncompleteError
		if !errors.As(err, &incomplete) {
			t.Fatal(err)
		}
		exported := files(t, "x.ndjson", made("b", second))
		create(t, filepath.Join(exported, "x.ndjson.manifest.json"),
			`{"version":1,"file":"x.ndjson","request":{"log":"account `+account+`"},"window":{"since":"2026-11-11","before":"2026-11-12"},"settled":false}`)
		if got, err := ids(t, open(t, folder, exported).Log(), query); got != "a" || !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("with an export of the day before it had settled: %q, %v", got, err)
		}
		create(t, filepath.Join(exported, "x.ndjson.manifest.json"),
			`{"version":1,"file":"x.ndjson","request":{"log":"account `+account+`"},"window":{"since":"2026-11-11","before":"2026-11-12"},"settled":true}`)
		if got, err := ids(t, open(t, folder, exported).Log(), query); got != "a b c" || err != nil {
			t.Errorf("with an export of the day: %q, %v", got, err)
		}
		move(aside, day, ".ndjson.zst")
		work := filepath.Join(folder, ".archive.work", account)
		if err := os.MkdirAll(work, 0o700); err != nil {
			t.Fatal(err)
		}
		manifest, err := os.ReadFile(aside + ".manifest.json")
		if err != nil {
			t.Fatal(err)
		}
		create(t, filepath.Join(work, "seal.json"), string(manifest))
		if got, err := ids(t, open(t, folder).Log(), query); got != "a b c" || err != nil {
			t.Errorf("while the day is sealed: %q, %v", got, err)
		}
		move(aside, day, ".manifest.json")
		if got, err := ids(t, open(t, folder).Log(), query, auditlogs.From(incomplete.Position)); got != "b c" || err != nil {
			t.Errorf("the rest: %q, %v", got, err)
		}
		if got, err := ids(t, stopped.Log(), query); got != "a" || !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("an archive that was opened before: %q, %v", got, err)
		}
	})
}
