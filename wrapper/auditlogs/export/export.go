// Package export writes a window of an account's audit log to a file: every entry once, in order
// of time, through any number of crashes.
//
// [Run] commits its progress in a checkpoint beside the file. Run again with the same [Job], it
// resumes where the checkpoint says, once it has verified what is in the file up to there, and
// removes what was written after that. When the window is complete, a manifest replaces the
// checkpoint. [Check] compares the file with it later.
//
// Every entry is in the file once, as far as an export can tell. It recognises an entry that the
// service sends again by its id, among the last 4096 entries and all those of the last three
// seconds before the newest one, at most 65536. An entry without an id is recognised by its bytes,
// and only if the export itself requests a part of the window again because the service no longer
// accepts a cursor: two such entries with the same bytes may be two events. An entry that the
// service sends again from further back, or with another id, looks like a new one, and is in the
// file twice.
package export

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// A Job says what to export, and where to.
type Job struct {
	// Log is the audit log of an account or an organization.
	Log *auditlogs.Log

	// Query is the window and the filters. Its Direction must be "asc" or nil, and its Cursor nil.
	// Its Limit, the page size, may differ between the runs of a job.
	//
	// Entries appear late. A window that ends less than [auditlogs.SettleTime] before the first run
	// is exported with the entries that have appeared, and the manifest then says that it is not
	// Settled.
	Query auditlogs.Query

	// Stated is the window as the user gave it, if that is not a fixed time, such as "30d" and
	// "now": a later run of the same job then has other bounds in Query. Those of the first run
	// apply, which are in the checkpoint. An empty field means the bound in Query itself.
	Stated Window

	// Path names the file. At its end, .gz compresses with gzip and .zst with zstd; before that,
	// .csv is the format CSV, .ndjson or .jsonl is ndjson, and .ecs.ndjson and .ocsf.ndjson are ecs
	// and ocsf. Any other end that looks like a format is refused unless Format is given.
	Path string

	// Format is one of [format.Names]. Empty means what Path says, and ndjson where it says
	// nothing.
	Format string

	// Keep reports whether an entry belongs in the file; the others are left out, and not counted.
	// It is called once for each entry that a listing shows, in order, and must decide the same in
	// every run of a job. Nil keeps all.
	Keep func(*auditlogs.Entry) bool

	// Parallel reads several parts of the window at the same time, within the client's request
	// budget; see [auditlogs.Backfill]. It is for long windows, and may differ between the runs of
	// a job. Without it, one page is read after another.
	Parallel bool

	// Progress is called while the file of an earlier run is verified, when the job starts or
	// resumes, and after each page, from the goroutine that called [Run]. It may be nil.
	Progress func(Progress)
}

// A Window is a window's two ends, as text.
type Window struct {
	Since  string `json:"since"`
	Before string `json:"before"`
}

// A Progress says how far a job has come.
type Progress struct {
	Window  Window    // the fixed bounds, as the first run set them
	From    time.Time // where this run started
	Reached time.Time // the time of the last entry; zero before there is one
	Entries int64     // in the file, including earlier runs
	Pages   int       // read by this run

	// The bytes read, and the bytes to read, while a run verifies what earlier ones wrote, before
	// its first request. Both are 0 otherwise.
	Verified, ToVerify int64
}

// A Result is the outcome of a run of a job.
type Result struct {
	Manifest
	// WasComplete reports that an earlier run had finished, and that this one did nothing.
	WasComplete bool
}

var (
	// ErrForeign: the file belongs to another job, or was not written by this package. It is left
	// unchanged.
	ErrForeign = errors.New("the file belongs to something else")
	// ErrDamaged: the file, its checkpoint or its manifest is not as an earlier run left it.
	ErrDamaged = durable.ErrDamaged
	// ErrLocked: another run is writing this file.
	ErrLocked = durable.ErrLocked
)

// The endings of the files beside the export.
const (
	checkpointEnd = ".checkpoint.json"
	manifestEnd   = ".manifest.json"
)

// Run exports a job, or the rest of it, and returns when the file is complete and synced to disk.
//
// An error before anything was done is [ErrForeign], [ErrDamaged], [ErrLocked], or
// [auditlogs.ErrInvalidQuery] if the job itself is wrong. After any other error, such as an
// [*auditlogs.IncompleteError], the end of ctx or a full disk, the same job resumes where this run
// stopped.
func Run(ctx context.Context, job Job) (*Result, error) {
	result, err := run(ctx, job, osDisk{}, tuning{})
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return result, nil
}

func run(ctx context.Context, job Job, disk disk, tuning tuning) (result *Result, err error) {
	x := &exporter{job: job, disk: disk, tuning: tuning}
	if err := x.prepare(); err != nil {
		return nil, err
	}
	// Nothing may be created beside a device or a folder.
	if _, err := disk.size(job.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	release, err := disk.lock(job.Path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	finished, err := x.open(ctx)
	if err != nil {
		return nil, err
	}
	if finished != nil {
		return &Result{Manifest: *finished, WasComplete: true}, nil
	}
	defer func() { err = errors.Join(err, x.close()) }()
	if err := x.read(ctx); err != nil {
		return nil, errors.Join(err, x.keep())
	}
	manifest, err := x.finish()
	if err != nil {
		return nil, err
	}
	return &Result{Manifest: *manifest}, nil
}

// A tuning holds settings that only tests change.
type tuning struct {
	each bool // commit after each page
}

// An exporter is one run of a job.
type exporter struct {
	job    Job
	disk   disk
	tuning tuning

	query  auditlogs.Query // with fixed bounds
	names  naming
	format format.Format
	asked  Request

	file   file
	out    *output
	recent *recent
	tally  tally
	state  checkpoint    // as of the last complete page
	ahead  bool          // of the last commit
	kept   int64         // bytes of the file that a checkpoint or a manifest may cover
	since  time.Time     // of the last commit
	cost   time.Duration // of that
	from   time.Time
	pages  int
}

// prepare checks the job, without a request and without access to the disk.
func (x *exporter) prepare() error {
	if x.job.Log == nil {
		return errors.New("the job has no log: want one, such as client.Account(id)")
	}
	var err error
	if x.names, err = readName(x.job.Path, x.job.Format); err != nil {
		return fmt.Errorf("%w: %w", auditlogs.ErrInvalidQuery, err)
	}
	if x.format, err = format.New(x.names.format, format.Options{}); err != nil {
		return fmt.Errorf("%w: %w", auditlogs.ErrInvalidQuery, err)
	}
	x.query = x.job.Query
	switch {
	case x.query.Direction != nil && *x.query.Direction != "asc":
		return fmt.Errorf("%w: the direction is %q: want \"asc\", the order of the file", auditlogs.ErrInvalidQuery, *x.query.Direction)
	case x.query.Cursor != nil:
		return fmt.Errorf("%w: the query has a cursor: want it without, since the checkpoint says where to go on", auditlogs.ErrInvalidQuery)
	}
	x.asked = newRequest(x.job, x.names)
	for name, values := range x.asked.Filters {
		// In the order of the first run: a position belongs to one order.
		*x.query.Filter(name) = values
	}
	return x.job.Log.Check(x.query)
}

// open finds the place to resume at. It returns the manifest instead if an earlier run has
// finished.
func (x *exporter) open(ctx context.Context) (*Manifest, error) {
	path := x.job.Path
	manifest, err := readManifest(x.disk, path)
	if err == nil {
		return manifest, x.finished(manifest)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	switch err = readCheckpoint(x.disk, path, &x.state); {
	case err == nil:
		err = x.asked.differs(path+checkpointEnd, x.state.Request)
	case errors.Is(err, fs.ErrNotExist):
		err = x.create()
	}
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(x.state.Header, x.format.Header(nil)) {
		return nil, fmt.Errorf("%w: %s is of an export with other columns, by another version of this program: want that one, or another file",
			ErrForeign, path+checkpointEnd)
	}
	if err := x.openFile(ctx); err != nil {
		return nil, err
	}
	x.state.Runs++
	x.query.Since, x.query.Before = cmp.Or(x.state.Start, x.state.Window.Since), x.state.Window.Before
	x.recent = newRecent(x.state.Recent, x.state.Again, x.state.Latest)
	x.tally = newTally(&x.state.Counts, &x.state.Latest, x.state.Window)
	if x.out, err = newOutput(x.file, x.names.compression, &x.state); err != nil {
		_ = x.file.Close()
		return nil, fmt.Errorf("%s: %w", path+checkpointEnd, err)
	}
	x.since = time.Now()
	if x.from = x.state.Position.Time(); x.from.IsZero() {
		x.from, _ = auditlogs.ParseTime(x.query.Since) // It has been checked.
	}
	x.report(0, 0)
	return nil, nil
}

// finished checks that the file of a job that has a manifest is there.
func (x *exporter) finished(manifest *Manifest) error {
	path := x.job.Path
	if err := x.asked.differs(path+manifestEnd, manifest.Request); err != nil {
		return err
	}
	switch size, err := x.disk.size(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: it is gone, and its manifest says that it was finished: restore it, or remove %s to export again",
			path, ErrDamaged, path+manifestEnd)
	case err != nil:
		return err
	case size != manifest.Bytes:
		return fmt.Errorf("%s: %w: it has %d bytes, and had %d when it was finished: restore it, or remove it and its manifest to export again", path, ErrDamaged, size, manifest.Bytes)
	}
	// A run can have ended after writing the manifest and before this.
	if err := x.disk.remove(path + checkpointEnd); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// create makes the first checkpoint: before the file, so that the file never exists without one.
func (x *exporter) create() error {
	path := x.job.Path
	switch _, err := x.disk.size(path); {
	case err == nil:
		return fmt.Errorf("%s: %w: it exists without a checkpoint or a manifest of an export: use another name, or move the file away",
			path, ErrForeign)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	x.state = checkpoint{
		Request: x.asked,
		Header:  x.format.Header(nil),
		Window:  Window{Since: x.query.Since, Before: x.query.Before},
		Counts:  Counts{Started: time.Now().UTC()},
	}
	return writeCheckpoint(x.disk, path, &x.state)
}

// openFile opens the file and removes everything after the part that the checkpoint covers.
func (x *exporter) openFile(ctx context.Context) error {
	path := x.job.Path
	size, err := x.disk.size(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return err
	case missing && x.state.Size > 0:
		return fmt.Errorf("%s: %w: it is gone, and %s says that %d bytes of it are written: restore it, or remove that to export again",
			path, ErrDamaged, path+checkpointEnd, x.state.Size)
	case size < x.state.Size:
		return fmt.Errorf("%s: %w: it has %d bytes, and %s says that %d are written: restore it, or remove both to export again",
			path, ErrDamaged, size, path+checkpointEnd, x.state.Size)
	}
	if err := x.verify(ctx); err != nil {
		return err
	}
	x.kept = x.state.Size
	if x.file, err = x.disk.open(path, x.kept); err != nil {
		return err
	}
	// Its name must be synced before a checkpoint covers its content.
	if err := x.disk.syncDir(filepath.Dir(path)); err != nil {
		_ = x.file.Close()
		return err
	}
	return nil
}

// verifyStep is how much is verified between two reports.
const verifyStep = 16 << 20

// verify compares what earlier runs wrote with the digest in the checkpoint, before anything is
// added to it.
func (x *exporter) verify(ctx context.Context) error {
	path, size := x.job.Path, x.state.Size
	if size == 0 {
		return nil
	}
	want, is := sha256.New(), sha256.New()
	if err := restore(want, x.state.Packed); err != nil {
		return fmt.Errorf("%s: %w: %w", path+checkpointEnd, ErrDamaged, err)
	}
	file, err := x.disk.stream(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	for read := int64(0); read < size; {
		n, err := io.CopyN(is, &untilOver{ctx, file}, min(verifyStep, size-read))
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", path, context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		read += n
		x.report(read, size)
	}
	if !bytes.Equal(is.Sum(nil), want.Sum(nil)) {
		return fmt.Errorf("%s: %w: its first %d bytes have changed since they were written, as the digest in %s shows: restore the file, or remove both to export again",
			path, ErrDamaged, size, path+checkpointEnd)
	}
	return nil
}

// read reads the rest of the window. If the service refuses to continue, as when a cursor has
// expired, the listing resumes after the last page. If that is refused too, as long after an
// interruption, it starts again at the time of the last entry, and relies on the service to sort by
// time. If that shows nothing new, the export ends with the service's error.
func (x *exporter) read(ctx context.Context) error {
	restarted := int64(-1) // the number of entries at the last restart
	for {
		from := x.state.Position
		err := x.list(ctx)
		_, incomplete := errors.AsType[*auditlogs.IncompleteError](err)
		if !incomplete || !errors.Is(err, auditlogs.ErrInvalidQuery) {
			return err
		}
		if x.state.Position.String() != from.String() {
			continue
		}
		if from.IsZero() || x.state.Entries == restarted {
			return err
		}
		restarted = x.state.Entries
		x.restart()
	}
}

// restart makes the next listing start at the time of the last entry in the file, without a cursor:
// a little before it, since the service may store times more precisely than it shows them, or use
// bounds less precisely.
func (x *exporter) restart() {
	last := x.state.lastTime()
	if last.IsZero() {
		last = x.state.Latest
	}
	x.state.Position, x.state.Start = auditlogs.Position{}, ""
	if start := last.Truncate(time.Second).Add(-time.Second); start.After(x.tally.since) {
		x.state.Start = auditlogs.Time(start)
	}
	x.query.Since = cmp.Or(x.state.Start, x.state.Window.Since)
	x.recent.expectAgain()
	x.ahead = true
}

func (x *exporter) list(ctx context.Context) error {
	options := []auditlogs.ListOption{auditlogs.From(x.state.Position)}
	if x.job.Parallel {
		options = append(options, auditlogs.Backfill())
	}
	for page, err := range x.job.Log.Pages(ctx, x.query, options...) {
		if err != nil {
			return err
		}
		if err := x.take(page); err != nil {
			return err
		}
		x.report(0, 0)
		if page.Next.IsZero() {
			break
		}
		x.state.Position = page.Next
		if x.due() {
			if err := x.commit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// head writes the text before the first entry, unless it has been written.
func (x *exporter) head() error {
	if !x.out.empty() {
		return nil
	}
	return x.out.write(x.format.Header(x.out.line()))
}

// take writes a page, and counts it.
func (x *exporter) take(page *auditlogs.Page) error {
	c := &x.state.Counts
	if err := x.head(); err != nil {
		return err
	}
	for _, entry := range page.Entries {
		if x.job.Keep != nil && !x.job.Keep(entry) {
			continue
		}
		if !x.recent.add(entry) {
			c.Repeated++
			continue
		}
		if err := x.out.write(x.format.Entry(x.out.line(), entry)); err != nil {
			return err
		}
		x.tally.add(entry)
	}
	x.pages++
	x.ahead = true
	c.Pages++
	c.Requests += int64(page.Attempts)
	c.Retries += int64(page.Attempts - 1)
	c.Repeated += int64(page.Repeated)
	return nil
}

func (x *exporter) report(verified, toVerify int64) {
	if x.job.Progress == nil {
		return
	}
	x.job.Progress(Progress{
		Window: x.state.Window, From: x.from, Reached: x.state.lastTime(), Entries: x.state.Entries, Pages: x.pages,
		Verified: verified, ToVerify: toVerify,
	})
}

// commit syncs to disk what is written: first the data, then the checkpoint that covers it.
func (x *exporter) commit() error {
	started := time.Now()
	if err := x.out.commit(&x.state); err != nil {
		return err
	}
	x.kept = x.state.Size
	x.state.Recent, x.state.Again = x.recent.list()
	if err := x.out.checked(writeCheckpoint(x.disk, x.job.Path, &x.state)); err != nil {
		return err
	}
	x.ahead = false
	x.since = time.Now()
	x.cost = x.since.Sub(started)
	return nil
}

// keep commits what a run has read before it ends, unless it ends because commits fail.
func (x *exporter) keep() error {
	if x.out.failed || !x.ahead {
		return nil
	}
	return x.commit()
}

// finish replaces the checkpoint with the manifest.
func (x *exporter) finish() (*Manifest, error) {
	if err := x.head(); err != nil {
		return nil, err
	}
	if err := x.out.end(&x.state); err != nil {
		return nil, err
	}
	x.kept = x.state.Size
	x.state.Finished = time.Now().UTC()
	manifest := x.newManifest()
	if err := x.out.checked(writeManifest(x.disk, x.job.Path, manifest)); err != nil {
		return nil, err
	}
	if err := x.disk.remove(x.job.Path + checkpointEnd); err != nil {
		return nil, err
	}
	return manifest, nil
}

// close cuts the file to the part that the checkpoint covers. On a full disk that frees space;
// if it fails, the next run does it.
func (x *exporter) close() error {
	if !x.out.failed {
		return x.file.Close()
	}
	_ = x.file.Truncate(x.kept)
	_ = x.file.Close()
	return nil
}

const (
	// Compressed output is one gzip member or zstd frame for each commit. Short ones compress
	// worse.
	commitBytes  = 1 << 20
	commitPause  = 250 * time.Millisecond
	commitShare  = 10 // commits take at most one part in this many of the time
	commitAnyway = 32 << 20
)

// due reports whether enough has been written, or enough time has passed, for a commit to be worth
// its cost.
func (x *exporter) due() bool {
	passed, written := time.Since(x.since), x.out.uncommitted
	return x.tuning.each || written >= commitAnyway || passed >= commitShare*x.cost && (written >= commitBytes || passed >= commitPause)
}
