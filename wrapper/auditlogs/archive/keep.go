// Package archive keeps the audit logs of accounts and organizations in a folder of whole days,
// each sealed once and never changed again, and checks it without the service.
//
// [Keep] reads the days that are not in the folder yet. A day is sealed when its end has settled.
// For a while after that it is requested again, and entries that appeared late go to a numbered
// supplement. Each day and each supplement is a link with a [Manifest] of its own, which names the
// digest of the manifest before it, so that a link that was changed, replaced or removed shows:
// [Check] finds it. All files are written once, which suits object storage.
//
// [Open] reads an archive, and the files of exports and followers, as logs that take the queries of
// the service.
package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// DefaultLookBack is how long after its end and the settle time a day is looked at for late
// entries.
const DefaultLookBack = 24 * time.Hour

// ErrLocked is the error of a run while another one is writing to the archive.
var ErrLocked = durable.ErrLocked

// A Job says what to keep, and where.
type Job struct {
	// Log is the audit log of an account or an organization. Several are kept in one folder by a
	// job for each, and should share a client, and so its request budget.
	Log *auditlogs.Log

	// Folder is the archive's. It is created if it is missing.
	Folder string

	// Since is in the first day (UTC) that is kept. A zero Since means the first day of the log
	// that is in the archive, and is an error if there is none.
	Since time.Time

	// Settle is the time from the end of a day until it is requested. 0 means
	// [auditlogs.SettleTime].
	Settle time.Duration

	// LookBack is for how long after that the day is requested again, for entries that appeared
	// late: at each run, and for the last time at the first run after that. 0 means
	// [DefaultLookBack].
	LookBack time.Duration

	// Compression is "zst" or "gz"; empty means "zst". It may differ between runs.
	Compression string

	// PageSize is how many entries a page holds; 0 means the most.
	PageSize int

	// Sealed is called with each day and each supplement that the run has sealed, from the
	// goroutine that called [Keep]. It may be nil.
	Sealed func(*Manifest)

	// Progress is called as that of an [export.Job] is, for each day that is read. It may be nil.
	Progress func(export.Progress)
}

// The files of a run, which start with a dot. The work ends as files of the archive.
const (
	lockName = ".archive" // followed by the ending of a lock
	workName = ".archive.work"
	sealName = "seal.json" // the manifest of the link that is being sealed
)

// Others must not read an audit log.
const (
	fileMode   = 0o600
	folderMode = 0o700
)

// Keep brings the archive up to date: it seals every day that has settled and is not sealed yet,
// from the first to the last, holes included, and looks for late entries of the days for which that
// is due. It returns nil when there is nothing left to do for now.
//
// After an error, the end of the context or a crash, the same job continues where this run stopped.
// An error is [ErrLocked], [ErrDamaged] for an archive that was changed, which is left as it is,
// [auditlogs.ErrInvalidQuery] for a wrong job, or the failure of a request or a disk.
//
// It decides by the service's clock whether a day has settled, and makes a request to see it.
//
// While it looks for late entries, it holds 16 bytes for each entry of a day; apart from that, its
// memory does not depend on how many entries there are.
func Keep(ctx context.Context, job Job) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("archive: %w", err)
		}
	}()
	if err := job.prepare(); err != nil {
		return fmt.Errorf("%w: %w", auditlogs.ErrInvalidQuery, err)
	}
	if err := os.MkdirAll(job.Folder, folderMode); err != nil {
		return err
	}
	release, err := durable.Lock(filepath.Join(job.Folder, lockName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return (&keeper{Job: &job, folder: folderOf(job.Log.String())}).keep(ctx)
}

// prepare checks the job, and fills in the defaults.
func (j *Job) prepare() error {
	j.Settle, j.LookBack = cmp.Or(j.Settle, auditlogs.SettleTime), cmp.Or(j.LookBack, DefaultLookBack)
	j.Compression, j.PageSize = cmp.Or(j.Compression, "zst"), cmp.Or(j.PageSize, auditlogs.DefaultLimit)
	switch {
	case j.Log == nil:
		return errors.New("the job has no log: want one, such as client.Account(id)")
	case j.Folder == "":
		return errors.New("the folder is missing: want a name, such as audit")
	case j.Settle < 0 || j.LookBack < 0:
		return fmt.Errorf("the settle time is %s and the look-back %s: want 0 for the default, or more, such as 10m and 24h", j.Settle, j.LookBack)
	case j.Compression != "zst" && j.Compression != "gz":
		return fmt.Errorf("the compression is %q: want zst or gz", j.Compression)
	}
	return j.Log.Check(j.query(time.Unix(0, 0), time.Unix(1, 0)))
}

func (j *Job) query(since, before time.Time) auditlogs.Query {
	return auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before), Limit: &j.PageSize}
}

// A keeper is a run of a job.
type keeper struct {
	*Job
	folder string
	links  []link // in the order of sealing
}

func (k *keeper) keep(ctx context.Context) error {
	if err := k.recover(ctx); err != nil {
		return err
	}
	if err := k.load(); err != nil {
		return err
	}
	days := map[time.Time][]link{} // the day itself, and its supplements in their order
	for _, l := range k.links {
		days[l.day] = append(days[l.day], l)
	}
	sealed := slices.SortedFunc(maps.Keys(days), time.Time.Compare)
	if k.Since.IsZero() && sealed == nil {
		return fmt.Errorf("%w: no day of %s is in %s yet: want the first day to keep, such as %s",
			auditlogs.ErrInvalidQuery, k.Log, k.Folder, time.Now().AddDate(0, -1, 0).UTC().Format(time.DateOnly))
	}
	if err := k.askTime(ctx); err != nil {
		return err
	}
	var failures []error
	failed := 0 // days in a row
	// One day that fails may do so in every run, and must not keep the others from being read; two
	// in a row mean that the service or the disk fails.
	for err := range k.steps(ctx, days, sealed) {
		switch {
		case err == nil:
			failed = 0
			continue
		case !errors.Is(err, ErrDamaged):
			failed++
		}
		if failures = append(failures, err); ctx.Err() != nil || failed == 2 {
			break
		}
	}
	if failures == nil {
		k.clean()
	}
	return errors.Join(failures...)
}

// steps does what there is to do for each day, until it is left.
func (k *keeper) steps(ctx context.Context, days map[time.Time][]link, sealed []time.Time) iter.Seq[error] {
	return func(yield func(error) bool) {
		first := dayOf(k.Since)
		if sealed != nil {
			first = sealed[0]
		}
		for _, day := range sealed {
			if !yield(k.lookBack(ctx, days[day])) {
				return
			}
		}
		for day := first; k.past(day, k.Settle); day = day.AddDate(0, 0, 1) {
			if days[day] == nil && !yield(k.seal(ctx, day)) {
				return
			}
		}
		// Backwards, so that there is no hole wherever this stops.
		for day := first.AddDate(0, 0, -1); !k.Since.IsZero() && !day.Before(dayOf(k.Since)); day = day.AddDate(0, 0, -1) {
			if !yield(k.seal(ctx, day)) {
				return
			}
		}
	}
}

// load reads the manifests of the log.
func (k *keeper) load() error {
	chain, err := readChain(k.Folder, k.folder)
	if err != nil || chain == nil {
		return err
	}
	k.links = chain.links
	if len(chain.findings) > 0 {
		first := chain.findings[0]
		return fmt.Errorf("%w, and so nothing is added: %s: %s", ErrDamaged, k.place(first.Path), first.Problem)
	}
	return nil
}

// now is the time by the service's clock, as far as it is known.
func (k *keeper) now() time.Time { return time.Now().Add(k.Log.Client().ClockOffset()).Round(0).UTC() }

// past reports whether some time has passed since the end of a day.
func (k *keeper) past(day time.Time, after time.Duration) bool {
	return !k.now().Before(slot{day: day}.end().Add(after))
}

// final reports whether the look-back of a day is over.
func (k *keeper) final(day time.Time) bool { return k.past(day, k.Settle+k.LookBack) }

// askTime makes a request only for its date: a clock of this machine that is fast would seal days
// that have not settled.
func (k *keeper) askTime(ctx context.Context) error {
	now := time.Now()
	query, one := k.query(now.Add(-time.Second), now), 1
	query.Limit = &one
	for _, err := range k.Log.Pages(ctx, query, auditlogs.Prefetch(false)) {
		return cause(err)
	}
	return nil
}

// seal reads a day, and seals it.
func (k *keeper) seal(ctx context.Context, day time.Time) error {
	s := slot{folder: k.folder, day: day}
	return k.add(ctx, s, 0, s.contains)
}

// margin is how much more than a day is requested on either side: it is not known which ends
// belong to a window, nor how precisely the service uses them.
const margin = time.Second

// contains reports whether an entry belongs to the day. One without a time belongs wherever the
// service shows it.
func (s slot) contains(e *auditlogs.Entry) bool {
	at := e.Action.Time
	return at.IsZero() || !at.Before(s.day) && at.Before(s.end())
}

// lookBack reads a day again, and seals what is not in it or its supplements yet, until its last
// link is final.
func (k *keeper) lookBack(ctx context.Context, day []link) error {
	last := day[len(day)-1]
	if last.Final {
		return nil
	}
	known, err := k.known(ctx, day)
	if err != nil {
		return err
	}
	next := last.slot
	next.late++
	if len(known.unnamed) > 0 {
		// How many of those that are alike were taken is not in the work of an earlier run.
		if err := discard(k.work(next, k.final(next.day), k.ending())); err != nil {
			return err
		}
	}
	return k.add(ctx, next, last.LateEntries, func(e *auditlogs.Entry) bool { return next.contains(e) && !known.take(e) })
}

// add reads the entries of a slot that belong there, and makes a link of them. Late entries that
// were found before count in a supplement.
func (k *keeper) add(ctx context.Context, s slot, before int64, belongs func(*auditlogs.Entry) bool) error {
	final := k.final(s.day)
	work := k.work(s, final, k.ending())
	read, err := k.read(ctx, s, work, belongs)
	if err != nil {
		return err
	}
	if s.late > 0 && read.Entries == 0 && !final {
		return discard(work)
	}
	m := k.manifest(s, final, read)
	if s.late > 0 {
		m.LateEntries = before + read.Entries
	}
	return k.commit(ctx, s, m)
}

// read exports the entries of a slot that belong there to the file at work, or the rest of them.
func (k *keeper) read(ctx context.Context, s slot, work string, belongs func(*auditlogs.Entry) bool) (*export.Result, error) {
	if err := os.MkdirAll(filepath.Dir(work), folderMode); err != nil {
		return nil, err
	}
	job := export.Job{Log: k.Log, Query: k.query(s.day.Add(-margin), s.end().Add(margin)), Path: work, Keep: belongs, Progress: k.Progress}
	read, err := export.Run(ctx, job)
	if errors.Is(err, export.ErrDamaged) || errors.Is(err, export.ErrForeign) {
		// An earlier run left something unusable, which is not a part of the archive.
		if err := discard(work); err != nil {
			return nil, err
		}
		read, err = export.Run(ctx, job)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.day.Format(time.DateOnly), cause(err))
	}
	return read, nil
}

// cause is what ended a listing, without a position: the next run finds it by itself.
func cause(err error) error {
	if incomplete := (*auditlogs.IncompleteError)(nil); errors.As(err, &incomplete) {
		return incomplete.Err
	}
	return err
}
