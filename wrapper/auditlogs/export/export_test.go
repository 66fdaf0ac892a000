package export_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
	"cfaudit.example/wrapper/auditlogstest"
)

var (
	since  = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)
	before = time.Date(2024, 10, 2, 0, 0, 0, 0, time.UTC)
)

const (
	checkpointEnd = ".checkpoint.json"
	manifestEnd   = ".manifest.json"
)

// A fixture is a server with a day of entries, a client of it, and a job that exports the day.
type fixture struct {
	server *auditlogstest.Server
	client *auditlogs.Client
	job    export.Job
}

func newFixture(t *testing.T, name string, options ...auditlogstest.Option) *fixture {
	t.Helper()
	options = append(options, auditlogstest.WithHistory(auditlogstest.History{Entries: 200, Since: since, Before: before}))
	f := &fixture{server: auditlogstest.NewServer(append(options, auditlogstest.WithT(t))...)}
	t.Cleanup(f.server.Close)
	var err error
	f.client, err = auditlogs.New("token", auditlogs.WithBaseURL(f.server.URL), auditlogs.WithHTTPClient(f.server.Client()),
		auditlogs.WithRate(0), auditlogs.WithRetry(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	f.job = export.Job{
		Log:   f.client.Account(auditlogstest.AccountID),
		Path:  filepath.Join(t.TempDir(), name),
		Query: auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before), Limit: new(40)},
	}
	return f
}

func (f *fixture) run(t *testing.T) *export.Result {
	t.Helper()
	result, err := export.Run(t.Context(), f.job)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// interrupt runs the job until so many pages are read.
func (f *fixture) interrupt(t *testing.T, pages int) {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	job := f.job
	interrupted := errors.New("interrupted")
	job.Progress = func(p export.Progress) {
		if p.Pages >= pages {
			stop(interrupted)
		}
	}
	if _, err := export.Run(ctx, job); !errors.Is(err, interrupted) {
		t.Fatal(err)
	}
}

// want is what must be in the file.
func (f *fixture) want() string {
	var b strings.Builder
	for _, entry := range f.server.Stored(since, before) {
		b.Write(entry)
		b.WriteByte('\n')
	}
	return b.String()
}

func (f *fixture) read(t *testing.T, end string) string {
	t.Helper()
	data, err := os.ReadFile(f.job.Path + end)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (f *fixture) write(t *testing.T, end, text string) {
	t.Helper()
	if err := os.WriteFile(f.job.Path+end, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestExport(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	f.server.Add(`{"id":"odd","action":{"time":"2024-10-01T12:00:00Z","type":7}}`)
	var seen []export.Progress
	f.job.Progress = func(p export.Progress) { seen = append(seen, p) }
	result := f.run(t)
	if got := f.read(t, ""); got != f.want() {
		t.Errorf("the file has %d lines, want %d", strings.Count(got, "\n"), strings.Count(f.want(), "\n"))
	}
	stored := f.server.Stored(since, before)
	var first, last auditlogs.Entry
	if json.Unmarshal(stored[0], &first) != nil || json.Unmarshal(stored[len(stored)-1], &last) != nil {
		t.Fatal("the history is odd")
	}
	m := result.Manifest
	if result.WasComplete || m.Entries != int64(len(stored)) || m.Lines != m.Entries || m.Bytes != int64(len(f.want())) || m.FileSHA256 != m.SHA256 || m.TextBytes != m.Bytes ||
		m.File != "audit.ndjson" || m.Compression != "" || m.Request.Format != "ndjson" || m.Request.Log != "account "+auditlogstest.AccountID ||
		m.Request.Since != f.job.Query.Since || m.Window.Before != f.job.Query.Before || m.Runs != 1 || m.Malformed != 1 || m.Contract == "" ||
		m.Pages < 5 || m.Requests != m.Pages || m.Retries != 0 || m.Repeated != 0 || m.OutOfOrder != 0 ||
		m.First.ID != first.ID || !m.First.Time.Equal(first.Action.Time) || m.Last.ID != last.ID || m.Finished.Before(m.Started) {
		t.Errorf("the manifest is %+v", m)
	}
	if p := seen[len(seen)-1]; seen[0].Pages != 0 || !seen[0].From.Equal(since) || p.Entries == 0 || p.Reached.IsZero() || p.Window != m.Window {
		t.Errorf("progress %+v", seen)
	}
	if _, err := os.Stat(f.job.Path + checkpointEnd); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the checkpoint: %v", err)
	}
	if info, err := os.Stat(f.job.Path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// The same again does nothing, whatever has come in between.
	f.server.Add(`{"id":"late","action":{"time":"2024-10-01T12:00:00Z"}}`)
	asked := len(f.server.Requests())
	again := f.run(t)
	if !again.WasComplete || again.SHA256 != m.SHA256 || len(f.server.Requests()) != asked {
		t.Errorf("again: %+v", again)
	}
}

func TestFormatsAndCompressions(t *testing.T) {
	for name, as := range map[string]string{
		"a.ndjson": "", "a.jsonl.gz": "", "a.zst": "", "a.csv": "", "A.CSV.GZ": "", "a.txt": "csv", "a.ecs.ndjson": "", "a.ocsf.ndjson.zst": "",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, name)
			f.job.Format = as
			f.interrupt(t, 2)
			result := f.run(t)
			text := []byte(f.read(t, ""))
			lower := strings.ToLower(name)
			switch {
			case strings.HasSuffix(lower, ".gz"):
				r, err := gzip.NewReader(bytes.NewReader(text))
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if _, err := b.ReadFrom(r); err != nil {
					t.Fatal(err)
				}
				text = b.Bytes()
			case strings.HasSuffix(lower, ".zst"):
				r, err := zstd.NewReader(nil)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				if text, err = r.DecodeAll(text, nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, event := range []string{format.NameECS, format.NameOCSF} {
				if !strings.Contains(lower, "."+event+".") {
					continue
				}
				var entries []byte
				for line := range bytes.Lines(text) {
					e, ok := format.Read(event, line)
					if !ok {
						t.Fatalf("no event: %s", line)
					}
					entries = format.NDJSON{}.Entry(entries, e)
				}
				text = entries
			}
			if as == "" && !strings.Contains(lower, ".csv") {
				if string(text) != f.want() {
					t.Errorf("%d bytes, want %d", len(text), len(f.want()))
				}
			} else if rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll(); err != nil || len(rows) != 1+len(f.server.Stored(since, before)) || rows[0][0] != "action.time" {
				t.Errorf("%d rows, %v", len(rows), err)
			}
			if m, err := export.Check(t.Context(), f.job.Path); err != nil || m.Runs != 2 || m.SHA256 != result.SHA256 {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

func TestNothingToExport(t *testing.T) {
	for name, text := range map[string]string{"a.ndjson": "", "a.ndjson.gz": "", "a.ndjson.zst": "", "a.csv": "action.time,id,"} {
		f := newFixture(t, name)
		f.job.Query.ActorEmail = []string{"nobody@example.com"}
		if result := f.run(t); result.Entries != 0 || result.First != nil {
			t.Errorf("%s: %+v", name, result)
		}
		got := f.read(t, "")
		if (name == "a.ndjson") != (got == "") || !strings.HasPrefix(got, text) {
			t.Errorf("%s: %q", name, got)
		}
		if _, err := export.Check(t.Context(), f.job.Path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWordedWindowStaysFixed(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	want := f.want()
	f.job.Stated = export.Window{Since: "1d", Before: "now"}
	f.interrupt(t, 2)
	f.job.Query.Since, f.job.Query.Before = auditlogs.Time(since.Add(time.Hour)), auditlogs.Time(before.Add(time.Hour))
	f.server.Add(`{"id":"later","action":{"time":"2024-10-02T00:30:00Z"}}`)
	result := f.run(t)
	if got := f.read(t, ""); got != want || result.Window.Before != auditlogs.Time(before) || result.Request.Before != "now" {
		t.Errorf("%d bytes, want %d; %+v", len(got), len(want), result.Window)
	}
	if asked := f.server.Requests(); asked[len(asked)-1].Query.Get("before") > auditlogs.Time(before) {
		t.Error(asked[len(asked)-1].URL)
	}
}

func TestWhatDiffersIsRefused(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	f.job.Stated = export.Window{Since: "1d", Before: "now"}
	f.job.Query.ActorEmailNot = []string{"b@example.com", "a@example.com"}
	f.interrupt(t, 2)
	for round := range 2 {
		for want, change := range map[string]func(*export.Job){
			`the log "account 4bb334f7c94c4a29a045f03944f072e5", and this one has "organization 4bb`: func(j *export.Job) { j.Log = j.Log.Client().Organization(auditlogstest.AccountID) },
			`the format "ndjson", and this one has "csv"`:                                            func(j *export.Job) { j.Format = "csv" },
			`since "1d", and this one has "7d"`:                                                      func(j *export.Job) { j.Stated.Since = "7d" },
			`before "now", and this one has "2024-10-02T00:00:00Z"`:                                  func(j *export.Job) { j.Stated.Before = "" },
			`actor_type "[]", and this one has "[user]"`:                                             func(j *export.Job) { j.Query.ActorType = []string{"user"} },
			`actor_email.not "[a@example.com b@example.com]", and this one has "[a@example.com]"`: func(j *export.Job) {
				j.Query.ActorEmailNot = []string{"a@example.com"}
			},
		} {
			other := *f
			change(&other.job)
			if other.job.Format == "csv" {
				// The name would say otherwise first.
				other.job.Path = filepath.Join(t.TempDir(), "audit")
				for _, end := range []string{"", checkpointEnd, manifestEnd} {
					if data, err := os.ReadFile(f.job.Path + end); err == nil {
						other.write(t, end, string(data))
					}
				}
			}
			_, err := export.Run(t.Context(), other.job)
			if !errors.Is(err, export.ErrForeign) || !strings.Contains(err.Error(), want) {
				t.Errorf("round %d: %v, want %s", round, err, want)
			}
		}
		// In another order, and another size of pages, it is the same.
		f.job.Query.ActorEmailNot = []string{"a@example.com", "b@example.com", "a@example.com"}
		f.job.Query.Limit = new(50)
		f.run(t)
	}
}

func TestWrongJobs(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	for want, change := range map[string]func(*export.Job){
		"account_id":                    func(j *export.Job) { j.Log = j.Log.Client().Account("../x") },
		"since":                         func(j *export.Job) { j.Query.Since = "" },
		"direction is \"desc\"":         func(j *export.Job) { j.Query.Direction = new("desc") },
		"cursor":                        func(j *export.Job) { j.Query.Cursor = new("x") },
		"raw_status_code":               func(j *export.Job) { j.Query.RawStatusCode = []string{"4xx"} },
		`there is no format "xml"`:      func(j *export.Job) { j.Path, j.Format = j.Path+".x", "xml" },
		"says ndjson, and the format":   func(j *export.Job) { j.Format = "csv" },
		"the path names no file":        func(j *export.Job) { j.Path = filepath.Dir(j.Path) + "/" },
		"the path names no file: want ": func(j *export.Job) { j.Path = "" },
	} {
		job := f.job
		change(&job)
		if _, err := export.Run(t.Context(), job); !errors.Is(err, auditlogs.ErrInvalidQuery) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if names, err := os.ReadDir(filepath.Dir(f.job.Path)); err != nil || len(names) != 0 || len(f.server.Requests()) != 0 {
		t.Errorf("%v, %v, %d requests", names, err, len(f.server.Requests()))
	}
}

// TestWhatIsNotOursIsLeftAlone changes what lies on the disk between two runs.
func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, f *fixture)
		is     error
		want   string
	}{
		{"a file of somebody else", func(t *testing.T, f *fixture) { f.write(t, "", "mine\n") }, export.ErrForeign, "it exists without a checkpoint"},
		{"an empty file of somebody else", func(t *testing.T, f *fixture) { f.write(t, "", "") }, export.ErrForeign, "it exists without a checkpoint"},
		{"a folder", func(t *testing.T, f *fixture) {
			if err := os.Mkdir(f.job.Path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, export.ErrForeign, "not a regular file"},
		{"a checkpoint cut short", func(t *testing.T, f *fixture) {
			f.interrupt(t, 2)
			text := f.read(t, checkpointEnd)
			f.write(t, checkpointEnd, text[:len(text)/2])
		}, export.ErrDamaged, checkpointEnd},
		{"an empty checkpoint", func(t *testing.T, f *fixture) { f.interrupt(t, 2); f.write(t, checkpointEnd, "") }, export.ErrDamaged, "it is unknown how much"},
		{"garbage for a checkpoint", func(t *testing.T, f *fixture) { f.interrupt(t, 2); f.write(t, checkpointEnd, "\x00\xff{}") }, export.ErrDamaged, checkpointEnd},
		{"a digit changed in the checkpoint", func(t *testing.T, f *fixture) {
			f.interrupt(t, 2)
			f.write(t, checkpointEnd, strings.Replace(f.read(t, checkpointEnd), `"size":`, `"size":1`, 1))
		}, export.ErrDamaged, "its content has changed since it was written"},
		{"a shorter file", func(t *testing.T, f *fixture) { f.interrupt(t, 2); f.write(t, "", "{}\n") }, export.ErrDamaged, "it has 3 bytes, and "},
		{"no file", func(t *testing.T, f *fixture) { f.interrupt(t, 2); os.Remove(f.job.Path) }, export.ErrDamaged, "it is gone, and "},
		{"a finished file that is gone", func(t *testing.T, f *fixture) { f.run(t); os.Remove(f.job.Path) }, export.ErrDamaged, "it is gone, and its manifest"},
		{"a finished file of another size", func(t *testing.T, f *fixture) { f.run(t); f.write(t, "", "{}\n") }, export.ErrDamaged, "when it was finished"},
		{"garbage for a manifest", func(t *testing.T, f *fixture) { f.run(t); f.write(t, manifestEnd, "x") }, export.ErrDamaged, "it is not a manifest"},
		{"another run at this time", func(t *testing.T, f *fixture) {
			release, err := durable.Lock(f.job.Path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = release() })
		}, export.ErrLocked, "in use by another process"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, "audit.ndjson")
			c.change(t, f)
			file, _ := os.ReadFile(f.job.Path)
			asked := len(f.server.Requests())
			_, err := export.Run(t.Context(), f.job)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if after, _ := os.ReadFile(f.job.Path); !bytes.Equal(after, file) || len(f.server.Requests()) != asked {
				t.Errorf("the file had %d bytes and has %d; %d requests", len(file), len(after), len(f.server.Requests())-asked)
			}
		})
	}
}

// TestFailuresLoseNothing lets the service fail at each page in turn.
func TestFailuresLoseNothing(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	for page := range 6 {
		f.server.FailNext(append(make([]auditlogstest.Fault, page%2), auditlogstest.Fault{Status: 500})...)
		_, err := export.Run(t.Context(), f.job)
		var incomplete *auditlogs.IncompleteError
		if err == nil {
			break
		}
		if !errors.As(err, &incomplete) {
			t.Fatal(err)
		}
	}
	if result := f.run(t); f.read(t, "") != f.want() || result.Runs < 2 {
		t.Errorf("%+v", result)
	}
}

// TestExpiredCursor has the service refuse a cursor in the middle, as it does with one that it no
// longer knows.
func TestExpiredCursor(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	f.server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 400})
	result := f.run(t)
	if f.read(t, "") != f.want() || result.Repeated != 0 {
		t.Errorf("%+v", result)
	}
	// What is refused wherever it starts is refused.
	f.job.Path += "2"
	f.server.FailNext(auditlogstest.Fault{Status: 400}, auditlogstest.Fault{Status: 400})
	if _, err := export.Run(t.Context(), f.job); !errors.Is(err, auditlogs.ErrInvalidQuery) {
		t.Error(err)
	}
}

// TestCheck changes bytes all over a small export, and removes each line.
func TestCheck(t *testing.T) {
	for _, name := range []string{"a.ndjson", "a.csv", "a.ndjson.gz", "a.csv.zst"} {
		f := newFixture(t, name)
		var fourth auditlogs.Entry
		if err := json.Unmarshal(f.server.Stored(since, before)[3], &fourth); err != nil {
			t.Fatal(err)
		}
		f.job.Query.Before = auditlogs.Time(fourth.Action.Time)
		if f.run(t).Entries == 0 {
			t.Fatal("nothing to check")
		}
		whole := f.read(t, "")
		refused := func(what, text string, wants ...string) {
			t.Helper()
			f.write(t, "", text)
			_, err := export.Check(t.Context(), f.job.Path)
			if !errors.Is(err, export.ErrDamaged) {
				t.Errorf("%s: %s: %v", name, what, err)
				return
			}
			for _, want := range wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %s: %v does not say %s", name, what, err, want)
				}
			}
		}
		for i := 0; i < len(whole); i += 11 {
			changed := []byte(whole)
			changed[i] ^= 1 << (i % 8)
			wants := []string(nil)
			if !strings.Contains(name, ".gz") && !strings.Contains(name, ".zst") {
				wants = []string{"the SHA-256 of its text is "}
			}
			refused(fmt.Sprintf("byte %d flipped", i), string(changed), wants...)
		}
		refused("one byte fewer", whole[:len(whole)-1], fmt.Sprintf("it has %d bytes, and the manifest says %d", len(whole)-1, len(whole)))
		refused("one byte more", whole+"\n", fmt.Sprintf("it has %d bytes, and the manifest says %d", len(whole)+1, len(whole)))
		refused("empty", "")
		if lines := strings.SplitAfter(whole, "\n"); name == "a.ndjson" {
			for i := range lines[:len(lines)-1] {
				rest := strings.Join(lines[:i], "") + strings.Join(lines[i+1:], "")
				refused(fmt.Sprintf("line %d missing", i), rest, fmt.Sprintf("it has %d lines, and the manifest says %d", len(lines)-2, len(lines)-1))
			}
		}
		f.write(t, "", whole)
		if _, err := export.Check(t.Context(), f.job.Path); err != nil {
			t.Errorf("%s: whole again: %v", name, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := export.Check(ctx, f.job.Path); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: interrupted: %v", name, err)
		}
	}
}

func TestCheckNeedsAManifest(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	if _, err := export.Check(t.Context(), f.job.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	f.interrupt(t, 2)
	if _, err := export.Check(t.Context(), f.job.Path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "not complete yet") {
		t.Error(err)
	}
	f.run(t)
	os.Remove(f.job.Path)
	if _, err := export.Check(t.Context(), f.job.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestMarkIsGone has the very entry vanish by which the place is found again. All of its moment
// comes again then, and must not be written again.
func TestMarkIsGone(t *testing.T) {
	entry := func(i int) string {
		return fmt.Sprintf(`{"id":"%d","action":{"time":%q}}`, i, auditlogs.Time(since.Add(time.Duration(i/7)*time.Hour)))
	}
	serve := func(without int) *fixture {
		f := newFixture(t, "audit.ndjson", auditlogstest.WithMaxPageSize(10))
		f.server.Close()
		f.server = auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithMaxPageSize(10))
		t.Cleanup(f.server.Close)
		for i := range 70 {
			if i != without {
				f.server.Add(entry(i))
			}
		}
		var err error
		f.client, err = auditlogs.New("token", auditlogs.WithBaseURL(f.server.URL), auditlogs.WithHTTPClient(f.server.Client()), auditlogs.WithRate(0))
		if err != nil {
			t.Fatal(err)
		}
		f.job.Log = f.client.Account(auditlogstest.AccountID)
		return f
	}
	first := serve(-1)
	first.interrupt(t, 1)
	lines := strings.SplitAfter(first.read(t, ""), "\n")
	mark := len(lines) - 2
	if mark%7 == 0 || mark%7 == 6 {
		t.Fatalf("entry %d marks no place within a moment", mark)
	}
	second := serve(mark)
	second.job = first.job
	second.job.Log = second.client.Account(auditlogstest.AccountID)
	result := second.run(t)
	want := ""
	for i := range 70 {
		want += entry(i) + "\n"
	}
	if got := second.read(t, ""); got != want || result.Repeated == 0 {
		t.Errorf("%d lines, want 70; %d were left out", strings.Count(got, "\n"), result.Repeated)
	}
}
