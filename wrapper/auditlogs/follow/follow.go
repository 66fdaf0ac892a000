package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A Follower delivers the entries of one account that match one query, as they appear. [New] makes
// one.
type Follower struct {
	config
	log   *auditlogs.Log
	query auditlogs.Query
	start time.Time // of the first run; zero if the query has none
	id    string    // identifies the query
	store Store

	running   sync.Mutex
	state     *state         // nil until it is loaded
	looked    time.Time      // the start of the last completed sweep
	identical map[uint64]int // rows without an id that have the same bytes are distinct entries
	moment    time.Time      // their time: they are counted only within the same time

	reporting sync.Mutex
	health    Health
	lateness  histogram
}

// A Batch is what a follower delivers at once: entries of one page, oldest first, at least one.
type Batch struct {
	Log     *auditlogs.Log
	Entries []*auditlogs.Entry
	// Late counts the entries that appeared after their time had been read. Their times are before
	// those of entries that were delivered earlier.
	Late int
}

// A Handler handles a batch. When it returns nil, the batch is acknowledged, and is not delivered
// again unless the state is lost before it is saved. When it returns an error, the follower ends
// with it, and a later run delivers the batch again. It should not return nil before the entries
// are stored safely.
//
// The context ends when the run is to end. A batch that is still finished, and acknowledged,
// counts.
type Handler func(ctx context.Context, batch Batch) error

// New returns a follower of the log's entries that match the query, whose state is in store.
// It makes no request, and does not touch the store.
//
// The query's Since is where a follower without a state starts; the default is one look-back before
// the first run. The first run saves it before its first request, and after that only the state
// counts. Before, Cursor and a direction other than "asc" are refused. Several followers should
// share a client, and so its request budget.
func New(log *auditlogs.Log, query auditlogs.Query, store Store, options ...Option) (*Follower, error) {
	f := &Follower{
		config: config{
			interval: DefaultInterval,
			settle:   DefaultSettle,
			depth:    depth{overlap: DefaultOverlap, lookBack: DefaultLookBack},
			every:    DefaultLookBackEvery,
			memory:   MaxRemembered,
			observe:  func(Health) {},
			now:      time.Now,
		},
		log: log, store: store,
	}
	for i, option := range options {
		if option == nil {
			return nil, fmt.Errorf("follow: option %d is nil: want one, or leave it out", i+1)
		}
		if err := option(&f.config); err != nil {
			return nil, fmt.Errorf("follow: %w", err)
		}
	}
	switch {
	case log == nil || store == nil:
		return nil, errors.New("follow: log or store is nil: want both")
	case query.Before != "":
		return nil, fmt.Errorf("follow: %w: before is given, and a follower has no end: want it empty", auditlogs.ErrInvalidQuery)
	case query.Cursor != nil:
		return nil, fmt.Errorf("follow: %w: a cursor is given, and a follower keeps its own: want nil", auditlogs.ErrInvalidQuery)
	case query.Direction != nil && *query.Direction != "asc":
		return nil, fmt.Errorf("follow: %w: the direction is %q, and a follower goes from the oldest to the newest: want nil", auditlogs.ErrInvalidQuery, *query.Direction)
	}
	if query.Since != "" {
		start, err := auditlogs.ParseTime(query.Since)
		if err != nil {
			return nil, fmt.Errorf("follow: %w: since: %w", auditlogs.ErrInvalidQuery, err)
		}
		f.start = start.UTC()
	}
	f.query = query
	if err := log.Check(f.window(&sweep{Since: time.Unix(0, 0), Before: time.Unix(1, 0)})); err != nil {
		return nil, fmt.Errorf("follow: %w", err)
	}
	f.id = log.Fingerprint(query)
	// By the service's clock, after the first answer.
	machine := f.now
	f.now = func() time.Time { return machine().Add(log.Client().ClockOffset()) }
	f.health = Health{Log: log.String(), LookBack: f.depth.lookBack}
	return f, nil
}

// pageSize is how many entries a page holds.
func (f *Follower) pageSize() int {
	size := auditlogs.DefaultLimit
	if f.query.Limit != nil {
		size = *f.query.Limit
	}
	if learned := f.state.PageSize; learned > 0 {
		size = min(size, learned)
	}
	return size
}

// window is the query of a sweep.
func (f *Follower) window(w *sweep) auditlogs.Query {
	query := f.query
	query.Since, query.Before = auditlogs.Time(w.Since), auditlogs.Time(w.Before)
	return query
}

// Run delivers entries until the context ends or, without [WithoutEnd], until a permanent failure:
// deliver or the store fails, the state is [ErrState], or the service refuses the query (status 400
// or 404) or, before anything was read, the token (401 or 403). It always returns an error, which
// is the context's when that ended. Temporary failures are retried for as long as it takes, with
// growing pauses of up to five minutes, and show in [Health]. So is a token that is refused later,
// every [RefusedInterval].
//
// The state is saved as soon as deliver has acknowledged a batch, even if the context ends
// meanwhile.
func (f *Follower) Run(ctx context.Context, deliver Handler) error {
	return f.run(ctx, deliver, newGroup([]*Follower{f}, false))
}

// CatchUp delivers the entries up to now, less the settle time, and returns nil: a single sweep of
// [Follower.Run], for scheduled jobs. A failure that lasts for three attempts ends it.
func (f *Follower) CatchUp(ctx context.Context, deliver Handler) error {
	return f.run(ctx, deliver, newGroup([]*Follower{f}, true))
}
