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
	"context"
	"errors"
	"fmt"
	"time"

	"cfaudit.example/wrapper/auditlogs"
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
	result, err := (&exporter{job: job, disk: osDisk{}}).run(ctx)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return result, nil
}
