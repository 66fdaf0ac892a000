package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogstest"
)

// A memoryDisk is a disk that can stop at any operation, as a program does that is killed or a
// machine whose power fails, or refuse one, as a disk does that is full.
type memoryDisk struct {
	names   map[string]*memoryFile // as programs see them
	durable map[string]*memoryFile // as they are after a power cut

	done  int   // operations so far
	stop  int   // the operation at which it stops or refuses; 0 for never
	fails error // what the operation then returns; errKilled stops everything that follows
	trace []string
}

type memoryFile struct {
	content, synced []byte
	renamed         bool // it came by replace
}

var (
	errKilled = errors.New("killed")
	errFull   = errors.New("no space left on device")
)

func newMemoryDisk() *memoryDisk {
	return &memoryDisk{names: map[string]*memoryFile{}, durable: map[string]*memoryFile{}}
}

// step counts an operation, and returns an error when it is not to happen.
func (d *memoryDisk) step(what string) error {
	d.done++
	d.trace = append(d.trace, what)
	if d.stop != 0 && (d.done == d.stop || d.done > d.stop && errors.Is(d.fails, errKilled)) {
		return d.fails
	}
	return nil
}

func (d *memoryDisk) lock(string) (func() error, error) { return func() error { return nil }, nil }

func (d *memoryDisk) read(path string) ([]byte, error) {
	file := d.names[path]
	if file == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return bytes.Clone(file.content), nil
}

// replace is two operations: the new file takes the place of the old one, and then that is on the
// disk.
func (d *memoryDisk) replace(path string, data []byte) error {
	if err := d.step("replace " + path); err != nil {
		return err
	}
	d.names[path] = &memoryFile{bytes.Clone(data), bytes.Clone(data), true}
	return d.syncDir(".")
}

func (d *memoryDisk) open(path string, size int64) (file, error) {
	if err := d.step("open " + path); err != nil {
		return nil, err
	}
	opened := d.names[path]
	if opened == nil {
		opened = &memoryFile{}
		d.names[path] = opened
	}
	opened.content = opened.content[:size]
	return &memoryHandle{d, opened}, d.syncDir(".")
}

func (d *memoryDisk) stream(path string) (io.ReadCloser, error) {
	data, err := d.read(path)
	return io.NopCloser(bytes.NewReader(data)), err
}

func (d *memoryDisk) size(path string) (int64, error) {
	data, err := d.read(path)
	return int64(len(data)), err
}

func (d *memoryDisk) remove(path string) error {
	if _, err := d.read(path); err != nil {
		return err
	}
	if err := d.step("remove " + path); err != nil {
		return err
	}
	delete(d.names, path)
	return nil
}

func (d *memoryDisk) syncDir(string) error {
	if err := d.step("sync folder"); err != nil {
		return err
	}
	d.durable = maps.Clone(d.names)
	return nil
}

type memoryHandle struct {
	disk *memoryDisk
	file *memoryFile
}

// Write writes a part when it fails.
func (h *memoryHandle) Write(p []byte) (int, error) {
	err := h.disk.step("write")
	if err != nil && h.disk.done > h.disk.stop {
		return 0, err
	}
	if err != nil {
		p = p[:len(p)/2]
	}
	h.file.content = append(h.file.content, p...)
	return len(p), err
}

func (h *memoryHandle) Truncate(size int64) error {
	if err := h.disk.step("truncate"); err != nil {
		return err
	}
	h.file.content = h.file.content[:size]
	return nil
}

func (h *memoryHandle) Sync() error {
	if err := h.disk.step("sync"); err != nil {
		return err
	}
	h.file.synced = bytes.Clone(h.file.content)
	return nil
}

func (h *memoryHandle) Close() error { return nil }

// The ways in which an operation ends a run.
const (
	killed     = "the program is killed"
	powerCut   = "the power fails, and what was not synced is lost"
	powerKept  = "the power fails, and of what was not synced only the renaming has reached the disk"
	powerZeros = "the power fails, and what was not synced is zeros"
	full       = "the operation fails"
)

// restart is what happens to the disk until the next run.
func (d *memoryDisk) restart(way string) {
	switch way {
	case powerCut, powerZeros, powerKept:
		before := d.names
		d.names = maps.Clone(d.durable)
		for name, file := range before {
			if file.renamed && way == powerKept {
				d.names[name] = file
			}
		}
		for _, file := range d.names {
			lost := len(file.content) - len(file.synced)
			file.content = bytes.Clone(file.synced)
			if way == powerZeros && lost > 0 {
				file.content = append(file.content, make([]byte, lost)...)
			}
		}
		d.durable = maps.Clone(d.names)
	}
	d.done, d.stop, d.trace = 0, 0, nil
}

// TestCrashAtEveryOperation stops an export at each of its operations on the disk, in each of the
// ways, and then runs it again until it is done.
func TestCrashAtEveryOperation(t *testing.T) {
	for _, path := range []string{"audit.ndjson", "audit.ndjson.gz", "audit.csv.zst"} {
		whole := newMemoryDisk()
		e := newEndless(t, path)
		if _, err := e.run(whole); err != nil {
			t.Fatal(err)
		}
		e.check(t, whole, "without a crash")
		if !strings.Contains(strings.Join(whole.trace, ", "), "write, sync, replace "+path+checkpointEnd+", sync folder") {
			t.Errorf("%s: the operations are %v", path, whole.trace)
		}
		if whole.done < 20 {
			t.Errorf("%s: only %d operations", path, whole.done)
		}
		ways := []string{killed, powerCut, powerKept, powerZeros, full}
		if path != "audit.ndjson" {
			ways = []string{killed, powerZeros}
		}
		for _, way := range ways {
			for n := 1; n <= whole.done; n++ {
				what := fmt.Sprintf("%s: %s at operation %d of %d", path, way, n, whole.done)
				disk := newMemoryDisk()
				disk.stop, disk.fails = n, errKilled
				if way == full {
					disk.fails = errFull
				}
				e := newEndless(t, path)
				if _, err := e.run(disk); !errors.Is(err, disk.fails) {
					t.Fatalf("%s: %v", what, err)
				}
				disk.restart(way)
				e.late()
				if _, err := e.run(disk); err != nil {
					t.Errorf("%s: then %v", what, err)
					continue
				}
				e.check(t, disk, what)
				e.server.Close()
			}
		}
	}
}

// TestCrashAgainAndAgain stops an export at random operations until it happens to be done.
func TestCrashAgainAndAgain(t *testing.T) {
	for seed := range uint64(24) {
		random := rand.New(rand.NewPCG(seed, 1))
		path := []string{"audit.ndjson", "audit.ndjson.zst", "audit.csv.gz"}[seed%3]
		e := newEndless(t, path)
		shifting := seed%2 == 0
		if shifting {
			e.serve(t, auditlogstest.WithShiftingCursors())
		}
		disk := newMemoryDisk()
		runs := 0
		for ; runs < 60; runs++ {
			way := []string{killed, powerCut, powerKept, powerZeros, full}[random.IntN(5)]
			disk.stop, disk.fails = 1+random.IntN(40), errKilled
			if way == full {
				disk.fails = errFull
			}
			// Only page by page is the place found again where the server pages by number.
			e.job.Parallel = !shifting && random.IntN(2) == 0
			_, err := e.run(disk)
			if err == nil {
				break
			}
			if !errors.Is(err, disk.fails) {
				t.Fatalf("seed %d, run %d: %v", seed, runs, err)
			}
			disk.restart(way)
			e.late()
		}
		disk.stop = 0
		if _, err := e.run(disk); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		e.check(t, disk, fmt.Sprintf("seed %d, %d runs", seed, runs))
	}
}

// An endless is an export that is run until it is done, while entries keep appearing in its
// window.
type endless struct {
	server *auditlogstest.Server
	job    Job
	first  []json.RawMessage // what was there from the start
	lates  int
	window Window // of the first run that left something
	runs   int
}

var (
	endlessSince  = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)
	endlessBefore = time.Date(2024, 10, 2, 0, 0, 0, 0, time.UTC)
)

func newEndless(t *testing.T, path string) *endless {
	t.Helper()
	e := &endless{job: Job{
		Path:   path,
		Stated: Window{Before: "now"},
		Query:  auditlogs.Query{Since: auditlogs.Time(endlessSince), Limit: new(16)},
	}}
	e.serve(t)
	return e
}

func (e *endless) serve(t *testing.T, options ...auditlogstest.Option) {
	t.Helper()
	e.server = auditlogstest.NewServer(options...)
	t.Cleanup(e.server.Close)
	for i := range 60 {
		// Five of them have the same time, so that pages end within it.
		at := endlessSince.Add(time.Duration(i/5) * time.Hour)
		e.server.Add(fmt.Sprintf(`{"id":"%d", "action":{"time":%q},"actor":{"email":"=a,\nb"}}`, i, at.Format(time.RFC3339Nano)))
	}
	e.first = e.server.Stored(endlessSince, endlessBefore)
}

// late adds entries everywhere, also where the export has been.
func (e *endless) late() {
	if e.lates > 500 {
		return // A place that so many push back is looked for no further.
	}
	for i := range 12 {
		e.lates++
		at := endlessSince.Add(time.Duration(i) * time.Hour)
		e.server.Add(fmt.Sprintf(`{"id":"late %d","action":{"time":%q}}`, e.lates, at.Format(time.RFC3339Nano)))
	}
}

// run is one run. The end of the window is another one in each, as that of "now" is.
func (e *endless) run(disk *memoryDisk) (*Result, error) {
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(e.server.URL), auditlogs.WithHTTPClient(e.server.Client()), auditlogs.WithRate(0))
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	e.runs++
	job := e.job
	job.Query.Before = auditlogs.Time(endlessBefore.Add(time.Duration(e.runs) * time.Second))
	var earlier checkpoint
	if readCheckpoint(disk, job.Path, &earlier) == nil {
		if e.window != (Window{}) && earlier.Window != e.window {
			return nil, fmt.Errorf("the window was %s, and is %s", e.window, earlier.Window)
		}
		e.window = earlier.Window
	} else if _, err := readManifest(disk, job.Path); err != nil {
		e.window = Window{job.Query.Since, job.Query.Before}
	}
	job.Log = client.Account(auditlogstest.AccountID)
	return (&exporter{job: job, disk: disk, eager: true}).run(context.Background())
}

// check looks for what the file should hold: what was there from the start, each entry once and in
// order, and of the late ones none twice. And the manifest must be that of the file.
func (e *endless) check(t *testing.T, disk *memoryDisk, what string) {
	t.Helper()
	text := unpacked(t, disk.names[e.job.Path].content, e.job.Path)
	lines := strings.SplitAfter(text, "\n")
	if strings.Contains(e.job.Path, ".csv") {
		header := string(format.NewCSV(nil).Header(nil))
		if !strings.HasPrefix(text, header) || strings.Count(text, header) != 1 {
			t.Errorf("%s: the header is not there once", what)
		}
	}
	for i, entry := range e.first {
		want := string(entry) + "\n"
		if strings.Contains(e.job.Path, ".csv") {
			var decoded auditlogs.Entry
			if err := json.Unmarshal(entry, &decoded); err != nil {
				t.Fatal(err)
			}
			want = string(format.NewCSV(nil).Entry(nil, &decoded))
		}
		if n := strings.Count(text, want); n != 1 {
			t.Errorf("%s: entry %d is there %d times", what, i, n)
		}
	}
	for i := range e.lates {
		if n := strings.Count(text, fmt.Sprintf(`"late %d"`, i+1)) + strings.Count(text, fmt.Sprintf(",late %d,", i+1)); n > 1 {
			t.Errorf("%s: late entry %d is there %d times", what, i+1, n)
		}
	}
	if strings.HasSuffix(e.job.Path, ".ndjson") {
		times := make([]string, 0, len(lines))
		for _, line := range lines[:len(lines)-1] {
			var entry auditlogs.Entry
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("%s: %q: %v", what, line, err)
			}
			times = append(times, entry.Action.Time.Format(time.RFC3339))
		}
		if !slices.IsSorted(times) {
			t.Errorf("%s: the entries are not in order", what)
		}
	}
	manifest, err := readManifest(disk, e.job.Path)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if wrong, err := manifest.compare(e.job.Path, bytes.NewReader(disk.names[e.job.Path].content)); wrong != nil || err != nil {
		t.Errorf("%s: %v, %v", what, wrong, err)
	}
	if disk.names[e.job.Path+checkpointEnd] != nil {
		t.Errorf("%s: the checkpoint is still there", what)
	}
	if manifest.Window != e.window {
		t.Errorf("%s: the window ends at %s, and was to end at %s", what, manifest.Window.Before, e.window.Before)
	}
}

func unpacked(t *testing.T, content []byte, path string) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(content)
	var err error
	switch {
	case strings.HasSuffix(path, ".gz"):
		r, err = gzip.NewReader(r)
	case strings.HasSuffix(path, ".zst"):
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
