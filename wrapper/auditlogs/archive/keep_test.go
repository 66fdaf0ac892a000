package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
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
	"cfaudit.example/wrapper/auditlogs/internal/durable"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestADayIsSealedOnceItHasSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t)
		sleepUntil(second)
		server.Add(made("a", first.Add(time.Hour)), made("b", second.Add(-time.Second)), made("c", second))
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first.Add(time.Hour)}
		sleepUntil(second.Add(10*time.Minute - time.Second))
		keep(t, job)
		if files := digests(t, folder); len(files) > 0 {
			t.Fatalf("a day that had not settled is in %v", files)
		}
		sleepUntil(second.Add(10 * time.Minute))
		keep(t, job)
		name := account + "/2026/11/10.ndjson.zst"
		if got := lines(t, folder); len(got) != 1 || !slices.Equal(got[name], []string{made("a", first.Add(time.Hour)), made("b", second.Add(-time.Second))}) {
			t.Errorf("the files are %v", got)
		}
		m := manifest(t, folder, account+"/2026/11/10.manifest.json")
		if m.Sequence != 1 || m.Previous != "" || m.Entries != 2 || m.First.ID != "a" || m.Last.ID != "b" || m.Final || !m.Settled ||
			m.Settle != "10m0s" || m.LookBack != "24h0m0s" || m.Available != archive.AvailableAll || m.Window.Since != "2026-11-10T00:00:00Z" ||
			m.Window.Before != "2026-11-11T00:00:00Z" || m.FileSHA256 != digests(t, folder)[name] || m.Lines != 2 {
			t.Errorf("the manifest is %+v", m)
		}
		check(t, folder)
	})
}

func TestLateEntriesGoToSupplements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t)
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first}
		at := first.Add(time.Hour)
		server.Add(made("a", at), made("c", at.Add(2)), `{"action":{"time":"2026-11-10T01:00:00Z"}}`)
		sleepUntil(second.Add(time.Hour))
		keep(t, job)
		sealed := digests(t, folder)

		keep(t, job) // Nothing is new.
		if again := digests(t, folder); !maps.Equal(again, sealed) {
			t.Errorf("a run without new entries left %v", again)
		}
		server.Add(made("b", at.Add(1)), `{"action":{"time":"2026-11-10T01:00:00Z"}}`)
		sleepUntil(second.Add(2 * time.Hour))
		keep(t, job)
		server.Add(made("d", at.Add(3)))
		sleepUntil(third.Add(10 * time.Minute)) // The look-back ends.
		keep(t, job)
		server.Add(made("e", at.Add(4))) // too late
		sleepUntil(third.Add(time.Hour))
		keep(t, job)

		for name, want := range map[string][]string{
			account + "/2026/11/10.ndjson.zst":        {made("a", at), made("c", at.Add(2)), `{"action":{"time":"2026-11-10T01:00:00Z"}}`},
			account + "/2026/11/10.late-1.ndjson.zst": {`{"action":{"time":"2026-11-10T01:00:00Z"}}`, made("b", at.Add(1))},
			account + "/2026/11/10.late-2.ndjson.zst": {made("d", at.Add(3))},
			account + "/2026/11/11.ndjson.zst":        nil,
		} {
			got := slices.Sorted(slices.Values(lines(t, folder)[name]))
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s holds %q, want %q", name, got, want)
			}
		}
		late := manifest(t, folder, account+"/2026/11/10.late-2.manifest.json")
		if !late.Final || late.LateEntries != 3 || late.Late != 2 || late.Sequence != 3 {
			t.Errorf("the last supplement is %+v", late)
		}
		for name, sum := range sealed {
			if digests(t, folder)[name] != sum {
				t.Errorf("%s has changed", name)
			}
		}
		if report := check(t, folder); report.Logs[0].Supplements != 2 || report.Logs[0].Newest != 4 {
			t.Errorf("%+v", report)
		}
	})
}

// A null that the service sends among the entries is a malformed entry: it is sealed as it came, is
// listed again, and damages no day.
func TestWhatIsNoEntryIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t)
		folder := t.TempDir()
		client := server.Client()
		client.Transport = nulls{client.Transport}
		job := archive.Job{Log: newClient(t, server, auditlogs.WithHTTPClient(client)).Account(account), Folder: folder, Since: first}
		at := first.Add(time.Hour)
		server.Add(made("a", at))
		sleepUntil(second.Add(time.Hour))
		keep(t, job)
		server.Add(made("late", at))
		sleepUntil(second.Add(2 * time.Hour))
		keep(t, job)
		if got := lines(t, folder)[account+"/2026/11/10.late-1.ndjson.zst"]; !slices.Equal(got, []string{made("late", at)}) {
			t.Errorf("the supplement holds %q", got)
		}
		check(t, folder)

		stored, err := archive.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		query := auditlogs.Query{Since: auditlogs.Time(first), Before: auditlogs.Time(second)}
		for entry, err := range stored.Account(account).Entries(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(entry.Raw))
			if isNull := string(entry.Raw) == "null"; isNull != (entry.Err() != nil) {
				t.Errorf("the error of %s is %v", entry.Raw, entry.Err())
			}
		}
		if slices.Sort(got); !slices.Equal(got, []string{"null", made("a", at), made("late", at)}) && !slices.Equal(got, []string{made("a", at), made("late", at), "null"}) {
			t.Errorf("the archive lists %q", got)
		}
	})
}

// A transport that puts a null before the entries of each page that has some.
type nulls struct{ http.RoundTripper }

func (n nulls) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := n.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	body = bytes.Replace(body, []byte(`"result":[{`), []byte(`"result":[null,{`), 1)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, err
}

// A day without late entries gets a manifest that says so, and no file.
func TestTheLookBackEndsWithALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t)
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first}
		server.Add(made("a", first))
		sleepUntil(second.Add(time.Hour))
		keep(t, job)
		sleepUntil(third.Add(time.Hour))
		keep(t, job)
		m := manifest(t, folder, account+"/2026/11/10.late-1.manifest.json")
		if m.File != "" || !m.Final || m.Entries != 0 || m.LateEntries != 0 {
			t.Errorf("the manifest is %+v", m)
		}
		asked := len(server.Requests())
		sleepUntil(third.Add(2 * time.Hour))
		keep(t, job)
		if n := len(server.Requests()) - asked; n != 2 { // for the time, and for the second day
			t.Errorf("%d requests, want 2", n)
		}
		check(t, folder)
	})
}

// Days that are older than the look-back need no second reading. Earlier days are added from the
// last to the first, so that there is no hole wherever a run stops.
func TestEarlierDaysAreAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t, auditlogstest.WithHistory(auditlogstest.History{Entries: 500, Since: first, Before: first.AddDate(0, 0, 9)}))
		folder := t.TempDir()
		client := newClient(t, server)
		sleepUntil(first.AddDate(0, 0, 9))
		keep(t, archive.Job{Log: client.Account(account), Folder: folder, Since: first.AddDate(0, 0, 6)})
		ctx, stop := context.WithCancel(context.Background())
		err := archive.Keep(ctx, archive.Job{Log: client.Account(account), Folder: folder, Since: first, Sealed: func(*archive.Manifest) { stop() }})
		if report := check(t, folder); !errors.Is(err, context.Canceled) || report.Logs[0].First != "2026-11-15" || report.Logs[0].Days != 3 {
			t.Errorf("%v, %+v", err, report.Logs)
		}
		for _, log := range []*auditlogs.Log{client.Account(account), client.Organization(organization)} {
			keep(t, archive.Job{Log: log, Folder: folder, Since: first, Compression: "gz"})
		}
		report := check(t, folder)
		if len(report.Logs) != 2 || report.Logs[0].First != "2026-11-10" || report.Logs[0].Days != 8 || report.Logs[0].Supplements != 0 ||
			report.Logs[1].Log != "organization "+organization || report.Logs[1].Days != 8 {
			t.Errorf("%+v", report.Logs)
		}
		var all []string
		for _, name := range slices.Sorted(maps.Keys(lines(t, folder))) {
			if strings.HasPrefix(name, account) {
				all = append(all, lines(t, folder)[name]...)
			}
		}
		stored := server.Stored(first, first.AddDate(0, 0, 8))
		if len(all) != len(stored) {
			t.Fatalf("%d entries, want %d", len(all), len(stored))
		}
		for i := range stored {
			if all[i] != string(stored[i]) {
				t.Fatalf("entry %d is %s, want %s", i, all[i], stored[i])
			}
		}
	})
}

func TestADayThatTheServiceNoLongerHasIsNotEmpty(t *testing.T) {
	for _, test := range []struct {
		name       string
		now, since time.Time
		entry      bool // at noon
		want       archive.Availability
		file       bool
	}{
		{"an empty day", third.Add(time.Hour), first, false, archive.AvailableAll, true},
		{"before the log started", third, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), false, archive.AvailableNone, false},
		{"the first day", third, time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC), false, archive.AvailableAll, true},
		{"an entry from before the start", third, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), true, archive.AvailableSome, true},
		{"before the retention", first.AddDate(2, 0, 0), first.AddDate(0, 6, -1), false, archive.AvailableNone, false},
		{"across the retention", first.AddDate(2, 0, 0).Add(time.Hour), first.AddDate(0, 6, 0), false, archive.AvailableSome, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newFake(t)
				if test.entry {
					server.Add(made("a", test.since.Add(12*time.Hour)))
				}
				sleepUntil(test.now)
				folder := t.TempDir()
				ctx, stop := context.WithCancel(context.Background())
				_ = archive.Keep(ctx, archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: test.since,
					Sealed: func(*archive.Manifest) { stop() }}) // The first day is enough.
				m := manifest(t, folder, account+test.since.Format("/2006/01/02")+".manifest.json")
				_, err := os.Stat(filepath.Join(folder, account, test.since.Format("2006/01/02")+".ndjson.zst"))
				if m.Available != test.want || (m.File != "") != test.file || (err == nil) != test.file || !m.Final {
					t.Errorf("it is %q with the file %q, %v", m.Available, m.File, err)
				}
				check(t, folder)
			})
		})
	}
}

// A day that cannot be read does not keep the others from being read. The hole is a finding, and is
// filled once the day can be read.
func TestADayThatFailsLeavesAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := auditlogstest.NewServer()
		defer server.Close()
		server.Add(made("a", first), made("b", second), made("c", third))
		sleepUntil(third.AddDate(0, 0, 2).Add(time.Hour))
		bad := server.Client()
		bad.Transport = refusing{bad.Transport, "2026-11-10T23:59:59Z"}
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server, auditlogs.WithHTTPClient(bad)).Account(account), Folder: folder, Since: first}
		if err := archive.Keep(context.Background(), job); !errors.Is(err, auditlogs.ErrInvalidQuery) {
			t.Errorf("%v", err)
		}
		report, err := archive.Check(context.Background(), folder)
		if !errors.Is(err, archive.ErrDamaged) || len(report.Findings) != 1 || report.Findings[0].Path != account+"/2026/11/11.manifest.json" || report.Logs[0].Days != 3 {
			t.Errorf("%v, %+v", err, report)
		}
		job.Log = newClient(t, server).Account(account)
		keep(t, job)
		if report := check(t, folder); report.Logs[0].Days != 4 || report.Logs[0].Entries != 3 {
			t.Errorf("%+v", report)
		}
	})
}

// A refusing transport refuses a window by its start.
type refusing struct {
	http.RoundTripper
	since string
}

func (r refusing) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Query().Get("since") == r.since {
		request = request.Clone(request.Context())
		request.URL.RawQuery += "&direction=sideways"
	}
	return r.RoundTripper.RoundTrip(request)
}

// What the ends of a window mean, and how precisely the service uses them, is not known.
func TestMidnightBelongsToOneDay(t *testing.T) {
	for name, options := range map[string][]auditlogstest.Option{
		"neither end": {auditlogstest.WithInclusive(false, false)},
		"both ends":   {auditlogstest.WithInclusive(true, true)},
		"by minutes":  {auditlogstest.WithBoundPrecision(time.Minute)},
		"by days":     {auditlogstest.WithBoundPrecision(24 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newFake(t, options...)
				server.Add(made("a", first), made("b", second.Add(-1)), made("c", second), made("d", third.Add(-1)), made("e", third))
				sleepUntil(third.AddDate(0, 0, 2))
				folder := t.TempDir()
				keep(t, archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first})
				got := lines(t, folder)
				for day, want := range map[string][]string{"10": {made("a", first), made("b", second.Add(-1))}, "11": {made("c", second), made("d", third.Add(-1))}, "12": {made("e", third)}} {
					if name := account + "/2026/11/" + day + ".ndjson.zst"; !slices.Equal(got[name], want) {
						t.Errorf("%s holds %q, want %q", name, got[name], want)
					}
				}
			})
		})
	}
}

// A clock of this machine that is two days fast seals nothing before its time.
func TestTheServicesClockDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t)
		server.Add(made("a", first))
		sleepUntil(third)
		slow := server.Client()
		slow.Transport = dated{slow.Transport, -48 * time.Hour}
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server, auditlogs.WithHTTPClient(slow)).Account(account), Folder: folder, Since: first}
		keep(t, job)
		if files := digests(t, folder); len(files) > 0 {
			t.Errorf("sealed by a fast clock: %v", files)
		}
	})
}

// A dated transport moves the time of the answers.
type dated struct {
	http.RoundTripper
	offset time.Duration
}

func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Header.Set("Date", time.Now().Add(d.offset).UTC().Format(http.TimeFormat))
	}
	return response, err
}

func TestWrongJobs(t *testing.T) {
	server := newFake(t)
	client := newClient(t, server)
	log := client.Account(account)
	for want, job := range map[string]archive.Job{
		"the job has no log: want one":                         {Folder: "x"},
		"the folder is missing: want a name, such as audit":    {Log: log},
		"want 0 for the default, or more, such as 10m and 24h": {Log: log, Folder: "x", Settle: -1},
		`the compression is "xz": want zst or gz`:              {Log: log, Folder: "x", Compression: "xz"},
		"account_id":                             {Log: client.Account("x"), Folder: "x"},
		"want the first day to keep, such as 20": {Log: log, Folder: t.TempDir()},
	} {
		err := archive.Keep(t.Context(), job)
		if !errors.Is(err, auditlogs.ErrInvalidQuery) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if n := len(server.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// Nothing is added to an archive that was changed, nor written over what something else wrote.
func TestADamagedArchiveIsLeftAlone(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(t *testing.T, folder string)
		want   error
		text   string
	}{
		"a missing manifest":            {func(t *testing.T, folder string) { remove(t, folder, "10.manifest.json", "10.ndjson.zst") }, archive.ErrDamaged, "11.manifest.json: it is link 2, and the links before it are missing"},
		"a changed manifest":            {func(t *testing.T, folder string) { flip(t, folder, "10.manifest.json") }, archive.ErrDamaged, "10.manifest.json: damaged: it has changed"},
		"a changed day to look back at": {func(t *testing.T, folder string) { flip(t, folder, "12.ndjson.zst") }, archive.ErrDamaged, "12.ndjson.zst: damaged: it has "},
		"a foreign file": {func(t *testing.T, folder string) {
			if err := os.WriteFile(filepath.Join(folder, account, "2026/11/13.ndjson.gz"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, archive.ErrDamaged, "13.ndjson.gz: it has no manifest"},
		"a changed day that was not sealed yet": {func(t *testing.T, folder string) {
			work := filepath.Join(folder, ".archive.work", account)
			if err := os.MkdirAll(work, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(folder, account, "2026/11/12.manifest.json"), filepath.Join(work, "seal.json")); err != nil {
				t.Fatal(err)
			}
			flip(t, folder, "12.ndjson.zst")
		}, archive.ErrDamaged, "12.ndjson.zst: damaged: it has "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newFake(t)
				server.Add(made("a", first), made("b", second), made("c", third), made("d", third.AddDate(0, 0, 1)))
				folder := t.TempDir()
				job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first}
				sleepUntil(third.AddDate(0, 0, 1).Add(time.Hour))
				keep(t, job)
				test.damage(t, folder)
				before := digests(t, folder)
				sleepUntil(third.AddDate(0, 0, 1).Add(2 * time.Hour))
				err := archive.Keep(context.Background(), job)
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), filepath.Join(folder, account, "2026/11", test.text)) {
					t.Errorf("%v, want %v: %s", err, test.want, test.text)
				}
				if !maps.Equal(digests(t, folder), before) {
					t.Error("files were changed")
				}
			})
		})
	}
}

func remove(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(folder, account, "2026/11", name)); err != nil {
			t.Fatal(err)
		}
	}
}

func flip(t *testing.T, folder, name string) {
	t.Helper()
	path := filepath.Join(folder, account, "2026/11", name)
	data, err := os.ReadFile(path)
	if err == nil {
		data[len(data)/2] ^= 1
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A run that stopped while it sealed a link is finished by the next one, with the same bytes.
func TestSealingIsFinishedAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t)
		server.Add(made("a", first))
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first}
		sleepUntil(second.Add(time.Hour))
		keep(t, job)
		want := digests(t, folder)
		day := filepath.Join(folder, account, "2026", "11", "10")
		work := filepath.Join(folder, ".archive.work", account)
		for _, step := range []func() error{
			func() error { return os.Rename(day+".manifest.json", filepath.Join(work, "seal.json")) },
			func() error { return os.Rename(day+".ndjson.zst", filepath.Join(work, "2026-11-10.ndjson.zst")) },
		} {
			if err := errors.Join(os.MkdirAll(work, 0o700), step()); err != nil {
				t.Fatal(err)
			}
			if step := day + ".manifest.json"; exists(step) { // The second step includes the first.
				if err := os.Rename(step, filepath.Join(work, "seal.json")); err != nil {
					t.Fatal(err)
				}
			}
			if exists(day + ".ndjson.zst") {
				report, _ := archive.Check(context.Background(), folder)
				if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].Problem, "since a run was stopped while it sealed a day: run again") {
					t.Errorf("%v", report.Findings)
				}
			}
			keep(t, job)
			if got := digests(t, folder); !maps.Equal(got, want) {
				t.Errorf("the files are %v, want %v", got, want)
			}
			if exists(work) {
				t.Error("the work is left")
			}
		}
		// Where the file is gone too, the day is read again.
		if err := errors.Join(os.MkdirAll(work, 0o700), os.Rename(day+".manifest.json", filepath.Join(work, "seal.json")), os.Remove(day+".ndjson.zst")); err != nil {
			t.Fatal(err)
		}
		keep(t, job)
		if report := check(t, folder); report.Logs[0].Entries != 1 {
			t.Errorf("%+v", report.Logs)
		}
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestASecondRunIsRefused(t *testing.T) {
	server := newFake(t)
	folder := t.TempDir()
	release, err := durable.Lock(filepath.Join(folder, ".archive"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release() }()
	err = archive.Keep(t.Context(), archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first})
	if !errors.Is(err, archive.ErrLocked) || len(server.Requests()) > 0 {
		t.Errorf("%v, %d requests", err, len(server.Requests()))
	}
}

// What an earlier run has read of a day is not requested again, even of one that takes many runs.
func TestADayGoesOnWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t, auditlogstest.WithLatency(100*time.Millisecond), auditlogstest.WithHistory(auditlogstest.History{Entries: 200, Since: first, Before: second}))
		sleepUntil(third.Add(time.Hour))
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first, PageSize: 10}
		runs := 0
		for stopped := true; stopped; runs++ {
			ctx, stop := context.WithTimeout(context.Background(), time.Second)
			stopped = archive.Keep(ctx, job) != nil
			stop()
		}
		if n := len(lines(t, folder)[account+"/2026/11/10.ndjson.zst"]); n != 200 || runs < 3 || runs > 5 {
			t.Errorf("%d entries after %d runs", n, runs)
		}
	})
}
