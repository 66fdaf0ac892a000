package export_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogstest"
)

// TestCheckComparesTheWholeManifest edits each value of a manifest that the file itself shows.
func TestCheckComparesTheWholeManifest(t *testing.T) {
	for _, name := range []string{"a.ndjson", "a.csv", "a.ndjson.gz", "a.csv.zst"} {
		f := newFixture(t, name)
		// What makes a difference to what can be compared: malformed entries, without a time, with
		// the id of a formula.
		f.server.Add(
			`{"id":"=1+1","action":{"time":"2024-10-01T00:00:00.000000001Z"}}`,
			`{"id":7,"action":{"time":"2024-10-01T02:00:00+01:00"}}`,
			`{"id":"last","action":{"time":"2024-10-01T23:59:59.999999999Z"}}`)
		f.run(t)
		if _, err := export.Check(t.Context(), f.job.Path); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole := f.read(t, manifestEnd)
		for _, edit := range []struct {
			field string
			value any
			want  string
		}{
			{"entries", 999999, "entries, and the manifest says 999999"},
			{"lines", 999999, "lines, and the manifest says 999999"},
			{"bytes", 999999, "bytes, and the manifest says 999999"},
			{"uncompressed_bytes", 999999, "its uncompressed text has "},
			{"sha256", strings.Repeat("0", 64), "the SHA-256 of its text is "},
			{"file_sha256", strings.Repeat("0", 64), "the SHA-256 of the file is "},
			{"out_of_order", 3, "it has 0 entries out of the order of time, and the manifest says 3"},
			{"outside", 3, "it has 0 entries outside of the window, and the manifest says 3"},
			{"malformed", 3, "entries with a field of an unexpected type, and the manifest says 3"},
			{"first", map[string]any{"id": "=1+1", "time": "2001-01-01T00:00:00Z"}, `its first entry is 2024-10-01T00:00:00.000000001Z "=1+1", and the manifest says 2001-01-01T00:00:00Z "=1+1"`},
			{"first", map[string]any{"id": "other", "time": "2024-10-01T00:00:00.000000001Z"}, `the manifest says 2024-10-01T00:00:00.000000001Z "other"`},
			{"last", map[string]any{"id": "other", "time": "2024-10-01T23:59:59.999999999Z"}, `its last entry is 2024-10-01T23:59:59.999999999Z "last", and the manifest says `},
			{"last", nil, `and the manifest says none`},
			{"file", "b.ndjson", `the manifest is that of a file named "b.ndjson"`},
			{"compression", "lzma", `and the manifest says "lzma"`},
			{"request.format", "xml", "the manifest has another format"},
			{"window.since", "2024-10-01T12:00:00Z", "entries outside of the window, and the manifest says 0"},
			{"window.before", "2024-10-01T12:00:00Z", "entries outside of the window, and the manifest says 0"},
			{"window.before", "soon", "the window in the manifest is not one"},
		} {
			if edit.field == "malformed" && strings.Contains(name, "csv") {
				continue // A cell does not show its type.
			}
			var manifest map[string]any
			if err := json.Unmarshal([]byte(whole), &manifest); err != nil {
				t.Fatal(err)
			}
			object, field := manifest, edit.field
			if outer, inner, nested := strings.Cut(field, "."); nested {
				object, field = manifest[outer].(map[string]any), inner
			} else if _, there := object[field]; !there {
				t.Fatalf("the manifest has no %s", field)
			}
			object[field] = edit.value
			edited, err := json.Marshal(manifest)
			if err != nil {
				t.Fatal(err)
			}
			f.write(t, manifestEnd, string(edited))
			if _, err := export.Check(t.Context(), f.job.Path); !errors.Is(err, export.ErrDamaged) || !strings.Contains(err.Error(), edit.want) {
				t.Errorf("%s: %s = %v: %v, want %s", name, edit.field, edit.value, err, edit.want)
			}
		}
	}
}

// TestCheckNamesEveryDifference edits several values at once.
func TestCheckNamesEveryDifference(t *testing.T) {
	f := newFixture(t, "a.ndjson")
	f.run(t)
	manifest := f.read(t, manifestEnd)
	manifest = strings.Replace(manifest, `"entries": `, `"entries": 9`, 1)
	manifest = strings.Replace(manifest, `"out_of_order": 0`, `"out_of_order": 7`, 1)
	f.write(t, manifestEnd, manifest)
	_, err := export.Check(t.Context(), f.job.Path)
	for _, want := range []string{"entries, and the manifest says 9", "out of the order of time, and the manifest says 7"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

// TestCheckOfWhatCannotBeUnpacked puts garbage after more or fewer lines than were written.
func TestCheckOfWhatCannotBeUnpacked(t *testing.T) {
	for lines, want := range map[int]string{
		3:    "it cannot be unpacked after 3 lines (",
		5346: "it cannot be unpacked after 5346 lines, more than the 200 in the manifest (",
	} {
		f := newFixture(t, "a.ndjson.gz")
		f.run(t)
		var file bytes.Buffer
		w := gzip.NewWriter(&file)
		fmt.Fprint(w, strings.Repeat("{}\n", lines))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f.write(t, "", file.String()+"garbage")
		if _, err := export.Check(t.Context(), f.job.Path); !errors.Is(err, export.ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestDamagedPartIsRefused changes what a run left, before the next one.
func TestDamagedPartIsRefused(t *testing.T) {
	for _, name := range []string{"a.ndjson", "a.csv", "a.ndjson.gz", "a.ndjson.zst"} {
		f := newFixture(t, name)
		f.interrupt(t, 2)
		whole := f.read(t, "")
		for i := range 7 {
			damaged := []byte(whole)
			damaged[i*(len(whole)-1)/6] ^= 1
			f.write(t, "", string(damaged))
			asked := len(f.server.Requests())
			_, err := export.Run(t.Context(), f.job)
			if !errors.Is(err, export.ErrDamaged) || !strings.Contains(err.Error(), f.job.Path) || !strings.Contains(err.Error(), "remove both to export again") {
				t.Errorf("%s: part %d: %v", name, i, err)
			}
			if f.read(t, "") != string(damaged) || len(f.server.Requests()) != asked {
				t.Fatalf("%s: part %d: the run went on", name, i)
			}
		}
		// What a crash left after that part is removed.
		f.write(t, "", whole+"half a li")
		var seen []export.Progress
		f.job.Progress = func(p export.Progress) { seen = append(seen, p) }
		f.run(t)
		if p := seen[0]; p.Verified != int64(len(whole)) || p.ToVerify != p.Verified || p.Pages != 0 || seen[1].ToVerify != 0 {
			t.Errorf("%s: progress %+v", name, seen[:2])
		}
		if _, err := export.Check(t.Context(), f.job.Path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyingIsInterrupted ends the context before the first byte is verified.
func TestVerifyingIsInterrupted(t *testing.T) {
	f := newFixture(t, "a.ndjson")
	f.interrupt(t, 2)
	whole, asked := f.read(t, ""), len(f.server.Requests())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var incomplete *auditlogs.IncompleteError
	if _, err := export.Run(ctx, f.job); !errors.Is(err, context.Canceled) || errors.As(err, &incomplete) {
		t.Errorf("the run was to end while it verified, and ended with %v", err)
	}
	if f.read(t, "") != whole || len(f.server.Requests()) != asked {
		t.Error("the run went on")
	}
}

// TestOnlyRegularFiles names what exists and is not a regular file.
func TestOnlyRegularFiles(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	folder := filepath.Dir(f.job.Path)
	for name, create := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"device": func(path string) error { return os.Symlink(os.DevNull, path) },
	} {
		if name == "device" && runtime.GOOS == "windows" {
			continue
		}
		f.job.Path = filepath.Join(folder, name)
		if err := create(f.job.Path); err != nil {
			t.Fatal(err)
		}
		if _, err := export.Run(t.Context(), f.job); !errors.Is(err, export.ErrForeign) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
		if beside, err := filepath.Glob(f.job.Path + ".*"); err != nil || len(beside) != 0 {
			t.Errorf("%s: %v are beside it", name, beside)
		}
	}
}

// TestParallelIsOptIn counts the requests that are under way at the same time.
func TestParallelIsOptIn(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		f := newFixture(t, "a.ndjson", auditlogstest.WithLatency(10*time.Millisecond))
		for i := range 4000 {
			f.server.Add(fmt.Sprintf(`{"id":"%d","action":{"time":%q}}`, i, auditlogs.Time(since.Add(time.Duration(i)*20*time.Second))))
		}
		counting := &concurrency{next: f.server.Client().Transport}
		var err error
		f.client, err = auditlogs.New("token", auditlogs.WithBaseURL(f.server.URL), auditlogs.WithHTTPClient(&http.Client{Transport: counting}), auditlogs.WithRate(0))
		if err != nil {
			t.Fatal(err)
		}
		f.job.Log, f.job.Parallel = f.client.Account(auditlogstest.AccountID), parallel
		f.run(t)
		if f.read(t, "") != f.want() {
			t.Errorf("parallel %t: the file is not what is stored", parallel)
		}
		if most := counting.most.Load(); (most > 1) != parallel {
			t.Errorf("parallel %t: up to %d requests were under way", parallel, most)
		}
	}
}

// A concurrency counts the requests that are under way.
type concurrency struct {
	next           http.RoundTripper
	underway, most atomic.Int32
}

func (c *concurrency) RoundTrip(r *http.Request) (*http.Response, error) {
	n := c.underway.Add(1)
	defer c.underway.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	return c.next.RoundTrip(r)
}

// TestParallelMayChange lets a run go on that read in the other way.
func TestParallelMayChange(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		f := newFixture(t, "a.ndjson", auditlogstest.WithMaxPageSize(10))
		f.job.Parallel = parallel
		f.interrupt(t, 3)
		f.job.Parallel = !parallel
		if result := f.run(t); f.read(t, "") != f.want() || result.Runs != 2 {
			t.Errorf("first parallel %t: the file is not what is stored: %+v", parallel, result)
		}
	}
}
