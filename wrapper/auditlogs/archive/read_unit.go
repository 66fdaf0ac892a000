package archive

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How much of a listing is in memory, estimated, in decoded entries.
const (
	batchBytes = 256 << 10 // what is handed over together
	batchAhead = 8         // batches of a file that is read in order
	runBytes   = 32 << 10  // what is handed over together of what was sorted
	chunkBytes = 4 << 20   // of a file that has to be sorted; more of it goes to a temporary file
	heldBytes  = 32 << 20  // of all files that have been surveyed
)

// An order is that of a listing: by time, by file, by the place in it.
type order struct{ descends bool }

func (o order) compare(a, b *item) int {
	c := cmp.Or(a.time.Compare(b.time), cmp.Compare(a.file.number, b.file.number), cmp.Compare(a.place, b.place))
	if o.descends {
		return -c
	}
	return c
}

func (o order) arrange(items []item) {
	slices.SortFunc(items, func(a, b item) int { return o.compare(&a, &b) })
}

// before reports whether a time comes before another one.
func (o order) before(a, b time.Time) bool {
	if o.descends {
		return a.After(b)
	}
	return a.Before(b)
}

// A unit is a part of a listing that is read as one: a file, or a part of one that was sorted. None
// of its entries comes before its start.
type unit struct {
	file    *file
	start   time.Time
	ordered bool              // the file is in the order of the listing
	run     *io.SectionReader // of the temporary file, if the unit was sorted to there
	feed    *feed             // once reading has started
	items   []item            // the next ones, of those that have been read
}

// next is the time of the next entry, or one that it does not come before.
func (u *unit) next() time.Time {
	if len(u.items) > 0 {
		return u.items[0].time
	}
	return u.start
}

// A feed hands over what is read of a unit, in batches.
type feed struct {
	batches chan []item
	most    int // bytes of a batch
	batch   []item
	bytes   int
	parts   []*unit // further units of a file that had to be sorted, set before batches is closed
	err     error   // set before batches is closed
}

// ended is the feed of a unit whose entries are all in memory.
var ended = func() *feed {
	f := &feed{batches: make(chan []item)}
	close(f.batches)
	return f
}()

func (f *feed) add(ctx context.Context, i item) error {
	f.batch = append(f.batch, i)
	if f.bytes += i.bytes(); f.bytes < f.most {
		return nil
	}
	return f.flush(ctx)
}

func (f *feed) flush(ctx context.Context) error {
	if len(f.batch) == 0 {
		return nil
	}
	select {
	case f.batches <- f.batch:
		f.batch, f.bytes = nil, 0
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A reading is what the units of one listing share.
type reading struct {
	order
	filter   *filter
	decoders *sync.Pool
	spill    *spill
	running  sync.WaitGroup
}

// start starts to read a unit, until the context ends. What was read before an error is handed over
// as well.
func (r *reading) start(ctx context.Context, u *unit) {
	if u.feed != nil {
		return
	}
	u.feed = &feed{batches: make(chan []item, batchAhead), most: batchBytes}
	read := r.sort
	switch {
	case u.run != nil:
		u.feed = &feed{batches: make(chan []item), most: runBytes} // There can be many.
		read = r.unspill
	case u.ordered:
		read = r.stream
	}
	r.running.Go(func() {
		defer close(u.feed.batches)
		err := read(ctx, u)
		u.feed.err = cmp.Or(err, u.feed.flush(ctx))
	})
}

// stream hands over the entries of a file that is in order.
func (r *reading) stream(ctx context.Context, u *unit) error {
	var last time.Time
	return u.file.each(ctx, r.decoders, r.filter, func(i item) error {
		if !last.IsZero() && r.before(i.time, last) {
			return u.file.damaged(i.place, fmt.Sprintf("the entry is from %s, before the one above it: the file is not in the order of time", i.time.Format(time.RFC3339Nano)))
		}
		last = i.time
		return u.feed.add(ctx, i)
	})
}

// sort reads a whole file, in any order, and divides it into units that are sorted. All but the
// last are in the temporary file.
func (r *reading) sort(ctx context.Context, u *unit) error {
	var chunk []item
	size := 0
	err := u.file.each(ctx, r.decoders, r.filter, func(i item) error {
		chunk = append(chunk, i)
		if size += i.bytes(); size < chunkBytes {
			return nil
		}
		r.arrange(chunk)
		run, err := r.spill.write(chunk)
		u.feed.parts = append(u.feed.parts, &unit{file: u.file, start: chunk[0].time, run: run})
		chunk, size = nil, 0
		return err
	})
	r.arrange(chunk)
	u.feed.parts = append(u.feed.parts, &unit{file: u.file, items: chunk, feed: ended})
	return err
}

// survey reads files of unknown content for the first time, side by side, and returns a unit for
// each that has entries of the listing.
func (r *reading) survey(ctx context.Context, files []*file, workers int) ([]*unit, error) {
	units, problems := make([]*unit, len(files)), make([]error, len(files))
	var held atomic.Int64
	sideBySide(len(files), workers, func(i int) {
		units[i], problems[i] = r.surveyed(ctx, files[i], func(bytes int) bool { return held.Add(int64(bytes)) <= heldBytes })
	})
	if err := cmp.Or(problems...); err != nil {
		// Any entry can be missing: also the first one of the listing.
		return nil, err
	}
	return slices.DeleteFunc(units, func(u *unit) bool { return u == nil }), nil
}

// surveyed reads one file. Hold asks for memory, less of it where the number is negative.
func (r *reading) surveyed(ctx context.Context, f *file, hold func(bytes int) bool) (*unit, error) {
	u := &unit{file: f, ordered: true, feed: ended}
	n, size, holding := 0, 0, true
	var last time.Time
	err := f.each(ctx, r.decoders, r.filter, func(i item) error {
		if n == 0 || r.before(i.time, u.start) {
			u.start = i.time
		}
		u.ordered = u.ordered && (n == 0 || !r.before(i.time, last))
		last = i.time
		n++
		if !holding {
			return nil
		}
		size += i.bytes()
		u.items = append(u.items, i)
		if holding = hold(i.bytes()); !holding {
			hold(-size)
			u.items, u.feed = nil, nil
		}
		return nil
	})
	if err != nil || n == 0 {
		return nil, err
	}
	r.arrange(u.items)
	return u, nil
}

// sideBySide calls do with each number from 0 on, and returns when all calls have.
func sideBySide(n, workers int, do func(int)) {
	var taken atomic.Int64
	var working sync.WaitGroup
	for range min(n, workers) {
		working.Go(func() {
			for i := int(taken.Add(1)); i <= n; i = int(taken.Add(1)) {
				do(i - 1)
			}
		})
	}
	working.Wait()
}
