package archive

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A Gap is a time of which an archive has nothing of a log: no day and no export.
type Gap struct {
	Log           string // such as "account 4bb334f7c94c4a29a045f03944f072e5"; empty if no file says
	Since, Before time.Time
}

// String returns the gap as a part of a sentence.
func (g Gap) String() string {
	text := fmt.Sprintf("from %s up to %s", auditlogs.Time(g.Since), auditlogs.Time(g.Before))
	if g.Log != "" {
		text = g.Log + " " + text
	}
	return text
}

// Gaps returns the parts of a query's window, up to now, of which the archive has nothing of a log
// of its client: days that are not there, and those that the service no longer had. It is nil where
// that cannot be known: if there are files that do not say which window they are of, such as those
// of a follower, or that hold only what passed a filter. A listing leaves gaps out without an
// error, unless the chain of manifests shows that they were sealed and removed.
func (a *Archive) Gaps(log *auditlogs.Log, query auditlogs.Query) (gaps []Gap) {
	since, err := auditlogs.ParseTime(query.Since)
	before, err2 := auditlogs.ParseTime(query.Before)
	if err != nil || err2 != nil {
		return nil
	}
	if now := time.Now(); now.Before(before) {
		before = now
	}
	want := &filter{since: since, before: before, log: folderOf(log.String())}
	covers := map[string][]cover{}
	for _, f := range a.files {
		switch {
		case !want.of(f.log) || f.late > 0:
		case !f.whole:
			return nil
		default:
			until := f.before
			if f.manifest == "" {
				until = until.Add(-1) // The end that an export requested is within it.
			}
			covers[f.log] = append(covers[f.log], cover{f.since, until})
		}
	}
	for _, f := range a.sealed {
		if f.late > 0 || !want.of(f.log) || !want.overlaps(f.since, f.before) {
			continue
		}
		if m, err := readManifest(f.manifest); err == nil && m.Available != AvailableNone {
			covers[f.log] = append(covers[f.log], cover{f.since, f.before})
		}
	}
	for _, log := range slices.Sorted(maps.Keys(covers)) {
		all := covers[log]
		slices.SortFunc(all, func(a, b cover) int { return a.since.Compare(b.since) })
		name := ""
		if log != "" {
			name = logOf(log)
		}
		at := since
		for _, c := range append(all, cover{before, before}) {
			if start := earlier(c.since, before); start.After(at) {
				gaps = append(gaps, Gap{name, at, start})
			}
			if c.before.After(at) {
				at = c.before
			}
		}
	}
	return gaps
}

// A cover is a window of which an archive has all entries of a log.
type cover struct{ since, before time.Time }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
