package export

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

const (
	checkpointKind    = "cfaudit export checkpoint"
	checkpointVersion = 1
)

// A checkpoint is all that a later run needs to resume.
type checkpoint struct {
	Request  Request            `json:"request"`
	Window   Window             `json:"window"`         // the fixed bounds
	Header   []byte             `json:"header"`         // of the format
	Start    string             `json:"start,omitzero"` // of the requests, once the export had to start again within its window
	Position auditlogs.Position `json:"position"`
	Size     int64              `json:"size"`           // bytes of the file that count
	Sum      []byte             `json:"sum"`            // the state of the SHA-256 of the text so far
	Packed   []byte             `json:"packed"`         // that of the file
	Recent   []byte             `json:"recent"`         // see the type recent
	Again    []byte             `json:"again,omitzero"` // as well
	tally
}

func readCheckpoint(disk disk, path string, into *checkpoint) error {
	name := path + checkpointEnd
	data, err := disk.read(name)
	if err != nil {
		return err
	}
	if err := durable.Unseal(checkpointKind, checkpointVersion, data, into); err != nil {
		return fmt.Errorf("%s: %w: it is unknown how much of %s is valid: restore the checkpoint, or remove both to export again", name, err, path)
	}
	return nil
}

func writeCheckpoint(disk disk, path string, c *checkpoint) error {
	data, err := durable.Seal(checkpointKind, checkpointVersion, c)
	if err != nil {
		return err
	}
	return disk.replace(path+checkpointEnd, data)
}

// Request is what the user asked for, as it was given. It stays the same from run to run.
type Request struct {
	Log     string              `json:"log"` // its name, such as "account 4bb334f7c94c4a29a045f03944f072e5"
	Since   string              `json:"since"`
	Before  string              `json:"before"`
	Filters map[string][]string `json:"filters"` // by their names on the wire; the order of values means nothing
	Format  string              `json:"format"`
}

func newRequest(job Job, names naming) Request {
	a := Request{
		Log:     job.Log.String(),
		Since:   cmp.Or(job.Stated.Since, job.Query.Since),
		Before:  cmp.Or(job.Stated.Before, job.Query.Before),
		Filters: map[string][]string{},
		Format:  names.format,
	}
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if values := job.Query.Filter(p.Name); values != nil && len(*values) > 0 {
			a.Filters[p.Name] = slices.Compact(slices.Sorted(slices.Values(*values)))
		}
	}
	return a
}

// differs returns an error that names the difference from the file at path; nil if there is none.
func (a Request) differs(path string, from Request) error {
	differ := func(what, is, was string) error {
		return fmt.Errorf("%w: %s is of an export with %s %q, and this one has %q: want the same again, or another file", ErrForeign, path, what, was, is)
	}
	for _, field := range [][3]string{
		{"the log", a.Log, from.Log}, {"the format", a.Format, from.Format},
		{"since", a.Since, from.Since}, {"before", a.Before, from.Before},
	} {
		if what, is, was := field[0], field[1], field[2]; is != was {
			return differ(what, is, was)
		}
	}
	either := maps.Clone(a.Filters)
	maps.Copy(either, from.Filters)
	for _, name := range slices.Sorted(maps.Keys(either)) {
		if is, was := a.Filters[name], from.Filters[name]; !slices.Equal(is, was) {
			return differ("the filter "+name, fmt.Sprint(is), fmt.Sprint(was))
		}
	}
	return nil
}

// Counts are the totals of an export.
type Counts struct {
	Entries    int64     `json:"entries"`
	Lines      int64     `json:"lines"`              // of the uncompressed text; in csv with the header, and a cell can hold line breaks
	TextBytes  int64     `json:"uncompressed_bytes"` // of the uncompressed text
	Pages      int64     `json:"pages"`
	Requests   int64     `json:"requests"`       // that the pages took
	Retries    int64     `json:"retries"`        // those of them that were not the first for their page
	Repeated   int64     `json:"repeated"`       // entries that the service sent again; they are in the file once
	OutOfOrder int64     `json:"out_of_order"`   // entries in the file whose time is before that of an earlier entry
	Outside    int64     `json:"outside"`        // entries whose time is before or after the window
	Malformed  int64     `json:"malformed"`      // entries with a field of an unexpected type, which are complete in the file
	First      *EntryRef `json:"first,omitzero"` // nil if there is no entry
	Last       *EntryRef `json:"last,omitzero"`
	Runs       int64     `json:"runs"` // how many runs the export needed until it was complete
	Started    time.Time `json:"started"`
	Finished   time.Time `json:"finished,omitzero"`
}

// An EntryRef names an entry.
type EntryRef struct {
	Time time.Time `json:"time,omitzero"` // UTC; zero if the entry has none
	ID   string    `json:"id,omitzero"`   // empty if the entry has none
}

// String returns the entry's time and its id.
func (m *EntryRef) String() string {
	if m == nil {
		return "none"
	}
	return fmt.Sprintf("%s %q", auditlogs.Time(m.Time), m.ID)
}

// lastTime is the time of the last entry; zero if there is none, or it has none.
func (c *Counts) lastTime() time.Time {
	if c.Last == nil {
		return time.Time{}
	}
	return c.Last.Time
}

// A tally counts entries in the order in which they are in a file.
type tally struct {
	Latest        time.Time `json:"latest,omitzero"` // the highest time so far
	Counts        `json:"counts"`
	since, before time.Time
}

// within sets the window, before the first entry.
func (t *tally) within(window Window) error {
	var since, before error
	t.since, since = auditlogs.ParseTime(window.Since)
	t.before, before = auditlogs.ParseTime(window.Before)
	return errors.Join(since, before)
}

// add counts an entry. The service does not say whether the ends of the window belong to it: here
// both do.
func (t *tally) add(e *auditlogs.Entry) {
	t.Entries++
	if e.Err() != nil {
		t.Malformed++
	}
	at := e.Action.Time.UTC()
	if year := at.Year(); year < 0 || year > 9999 {
		at = time.Time{} // JSON cannot express it.
	}
	if !at.IsZero() {
		if at.Before(t.Latest) {
			t.OutOfOrder++
		} else {
			t.Latest = at
		}
		if at.Before(t.since) || at.After(t.before) {
			t.Outside++
		}
	}
	t.Last = &EntryRef{Time: at, ID: e.ID}
	if t.First == nil {
		t.First = t.Last
	}
}
