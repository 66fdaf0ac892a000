package export

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// An exporter is one run of a job.
type exporter struct {
	job   Job
	disk  disk
	eager bool // commits after each page, for tests

	query   auditlogs.Query // with fixed bounds
	names   naming
	format  format.Format
	request Request

	out    *output
	recent *recent
	state  checkpoint // as of the last complete page
	ahead  bool       // of the last commit
	next   time.Time  // when the next commit is due
	from   time.Time
	pages  int
}

func (x *exporter) run(ctx context.Context) (result *Result, err error) {
	path := x.job.Path
	if err := x.prepare(); err != nil {
		return nil, err
	}
	// Nothing may be created beside a device or a folder.
	if _, err := x.disk.size(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	release, err := x.disk.lock(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	switch manifest, err := readManifest(x.disk, path); {
	case err == nil:
		return &Result{Manifest: *manifest, WasComplete: true}, x.finished(manifest)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := x.open(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.out.close(x.state.Size)) }()
	if err := x.read(ctx); err != nil {
		if x.ahead && !x.out.failed {
			err = errors.Join(err, x.commit())
		}
		return nil, err
	}
	return x.finish()
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
		switch {
		case !incomplete || !errors.Is(err, auditlogs.ErrInvalidQuery):
			return err
		case x.state.Position.String() != from.String():
		case from.IsZero() || x.state.Entries == restarted:
			return err
		default:
			restarted = x.state.Entries
			x.restart()
		}
	}
}

// restart makes the next listing start at the time of the last entry in the file, without a cursor:
// a little before it, since the service may store times more precisely than it shows them, or use
// bounds less precisely.
func (x *exporter) restart() {
	last := cmp.Or(x.state.lastTime(), x.state.Latest)
	x.state.Position, x.state.Start = auditlogs.Position{}, ""
	if start := last.Truncate(time.Second).Add(-time.Second); start.After(x.state.since) {
		x.state.Start = auditlogs.Time(start)
	}
	x.recent.expectAgain()
	x.ahead = true
}

func (x *exporter) list(ctx context.Context) error {
	x.query.Since, x.query.Before = cmp.Or(x.state.Start, x.state.Window.Since), x.state.Window.Before
	options := []auditlogs.ListOption{auditlogs.From(x.state.Position)}
	if x.job.Parallel {
		options = append(options, auditlogs.Backfill())
	}
	for page, err := range x.job.Log.Pages(ctx, x.query, options...) {
		if err == nil {
			err = x.take(page)
		}
		if err != nil {
			return err
		}
		x.report(0, 0)
		if page.Next.IsZero() {
			break
		}
		x.state.Position = page.Next
		if x.eager || time.Now().After(x.next) {
			if err := x.commit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// take writes a page, and counts it.
func (x *exporter) take(page *auditlogs.Page) error {
	c := &x.state.Counts
	for _, entry := range page.Entries {
		if x.job.Keep != nil && !x.job.Keep(entry) {
			continue
		}
		if !x.recent.add(entry) {
			c.Repeated++
			continue
		}
		if _, err := x.out.text.Write(x.format.Entry(x.out.text.AvailableBuffer(), entry)); err != nil {
			return x.out.checked(err)
		}
		x.state.add(entry)
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

const (
	// Compressed output is one gzip member or zstd frame for each commit. Short ones compress
	// worse.
	commitPause  = 250 * time.Millisecond
	commitShare  = 10          // commits take at most one part in about this many of the time
	commitLatest = time.Minute // even if the last commit took very long
)

// commit syncs to disk what is written: first the data, then the checkpoint that covers it.
func (x *exporter) commit() error {
	started := time.Now()
	if err := x.out.commit(&x.state); err != nil {
		return err
	}
	x.state.Recent, x.state.Again = x.recent.list()
	if err := x.out.checked(writeCheckpoint(x.disk, x.job.Path, &x.state)); err != nil {
		return err
	}
	x.ahead = false
	x.next = time.Now().Add(min(max(commitPause, commitShare*time.Since(started)), commitLatest))
	return nil
}

// finish replaces the checkpoint with the manifest.
func (x *exporter) finish() (*Result, error) {
	if x.state.Size == 0 {
		_, _ = x.out.Write(nil) // An empty file is not a valid compressed one.
	}
	if err := x.out.commit(&x.state); err != nil {
		return nil, err
	}
	x.state.Finished = time.Now().UTC()
	manifest := x.newManifest()
	if err := x.out.checked(writeManifest(x.disk, x.job.Path, manifest)); err != nil {
		return nil, err
	}
	return &Result{Manifest: *manifest}, x.disk.remove(x.job.Path + checkpointEnd)
}
