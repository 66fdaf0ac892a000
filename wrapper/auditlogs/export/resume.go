package export

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// prepare checks the job, without a request and without access to the disk.
func (x *exporter) prepare() error {
	if x.job.Log == nil {
		return errors.New("the job has no log: want one, such as client.Account(id)")
	}
	var err error
	if x.names, err = readName(x.job.Path, x.job.Format); err == nil {
		x.format, err = format.New(x.names.format, format.Options{})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", auditlogs.ErrInvalidQuery, err)
	}
	x.query = x.job.Query
	switch {
	case x.query.Direction != nil && *x.query.Direction != "asc":
		return fmt.Errorf("%w: the direction is %q: want \"asc\", the order of the file", auditlogs.ErrInvalidQuery, *x.query.Direction)
	case x.query.Cursor != nil:
		return fmt.Errorf("%w: the query has a cursor: want it without, since the checkpoint says where to go on", auditlogs.ErrInvalidQuery)
	}
	x.request = newRequest(x.job, x.names)
	for name, values := range x.request.Filters {
		// In the order of the first run: a position belongs to one order.
		*x.query.Filter(name) = values
	}
	return x.job.Log.Check(x.query)
}

// finished checks that the file of a job that has a manifest is there.
func (x *exporter) finished(manifest *Manifest) error {
	path := x.job.Path
	if err := x.request.differs(path+manifestEnd, manifest.Request); err != nil {
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

// open finds the place to resume at, and removes everything in the file after it.
func (x *exporter) open(ctx context.Context) error {
	path, resumed := x.job.Path, x.job.Path+checkpointEnd
	size, err := x.disk.size(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	switch err = readCheckpoint(x.disk, path, &x.state); {
	case err == nil:
		err = x.request.differs(resumed, x.state.Request)
	case errors.Is(err, fs.ErrNotExist) && missing:
		// Before the file, so that the file never exists without a checkpoint.
		x.state = checkpoint{
			Request: x.request,
			Header:  x.format.Header(nil),
			Window:  Window{Since: x.query.Since, Before: x.query.Before},
			tally:   tally{Counts: Counts{Started: time.Now().UTC()}},
		}
		err = writeCheckpoint(x.disk, path, &x.state)
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%s: %w: it exists without a checkpoint or a manifest of an export: use another name, or move the file away", path, ErrForeign)
	}
	switch {
	case err != nil:
		return err
	case !bytes.Equal(x.state.Header, x.format.Header(nil)):
		return fmt.Errorf("%w: %s is of an export with other columns, by another version of this program: want that one, or another file",
			ErrForeign, resumed)
	case missing && x.state.Size > 0:
		return fmt.Errorf("%s: %w: it is gone, and %s says that %d bytes of it are written: restore it, or remove that to export again",
			path, ErrDamaged, resumed, x.state.Size)
	case size < x.state.Size:
		return fmt.Errorf("%s: %w: it has %d bytes, and %s says that %d are written: restore it, or remove both to export again",
			path, ErrDamaged, size, resumed, x.state.Size)
	}
	if x.out, err = newOutput(x.names.compression, &x.state); err != nil {
		return fmt.Errorf("%s: %w: %w", resumed, ErrDamaged, err)
	}
	if err := x.verify(ctx); err != nil {
		return err
	}
	file, err := x.disk.open(path, x.state.Size)
	if err != nil {
		return err
	}
	x.out.start(file)
	if x.state.Size == 0 {
		_, _ = x.out.text.Write(x.state.Header) // There is room for it.
	}
	x.state.Runs++
	x.recent = newRecent(x.state.Recent, x.state.Again, x.state.Latest)
	_ = x.state.within(x.state.Window) // It has been checked.
	x.next = time.Now().Add(commitPause)
	if x.from = x.state.Position.Time(); x.from.IsZero() {
		x.from, _ = auditlogs.ParseTime(cmp.Or(x.state.Start, x.state.Window.Since)) // It has been checked.
	}
	x.report(0, 0)
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
	file, err := x.disk.stream(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	is := newMeasure()
	for is.bytes < size {
		if _, err := io.CopyN(is, &untilOver{ctx, file}, min(verifyStep, size-is.bytes)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		x.report(is.bytes, size)
	}
	if is.digest() != x.out.packed.digest() {
		return fmt.Errorf("%s: %w: its first %d bytes have changed since they were written, as the digest in %s shows: restore the file, or remove both to export again",
			path, ErrDamaged, size, path+checkpointEnd)
	}
	return nil
}
