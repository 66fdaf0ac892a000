package archive

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// The layout of an archive, with slashes and relative to its folder:
//
//	4bb334f7c94c4a29a045f03944f072e5/2026/11/20.ndjson.zst             a day (UTC)
//	4bb334f7c94c4a29a045f03944f072e5/2026/11/20.manifest.json          its manifest
//	4bb334f7c94c4a29a045f03944f072e5/2026/11/20.late-1.ndjson.zst      its first supplement
//	4bb334f7c94c4a29a045f03944f072e5/2026/11/20.late-1.manifest.json   the manifest of that
//
// The folder of an organization's log is "organization-" and its ID. Files and folders whose name
// starts with a dot belong to a run of [Keep], and not to the archive.

// The endings of the files of a link.
const (
	manifestEnd = ".manifest.json"
	zstdEnd     = ".ndjson.zst"
	gzipEnd     = ".ndjson.gz"
)

// A slot is the place of a link in an archive: a day of a log, or a supplement to one.
type slot struct {
	folder string    // of the log
	day    time.Time // midnight UTC at its start
	late   int       // the number of the supplement, from 1; 0 for the day itself
}

// folderOf names the folder of a log by its name, as [auditlogs.Log.String] gives it; empty for
// what is not one log.
func folderOf(log string) string {
	switch kind, id, _ := strings.Cut(log, " "); kind {
	case "account":
		return id
	case "organization":
		return stored.Organization + id
	}
	return ""
}

// logOf is the name of the log whose folder it is, as folderOf takes it.
func logOf(folder string) string {
	if id, ok := strings.CutPrefix(folder, stored.Organization); ok {
		return "organization " + id
	}
	return "account " + folder
}

// dayOf returns the start of the day, in UTC, that a time belongs to.
func dayOf(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// end is the end of the slot's day, which is the start of the next one.
func (s slot) end() time.Time { return s.day.AddDate(0, 0, 1) }

// compare orders the slots of a log by their days.
func (s slot) compare(other slot) int {
	return cmp.Or(s.day.Compare(other.day), cmp.Compare(s.late, other.late))
}

// stem is the path of the slot's files without their ending.
func (s slot) stem() string {
	stem := path.Join(s.folder, s.day.Format("2006/01/02"))
	if s.late > 0 {
		stem += fmt.Sprintf(".late-%d", s.late)
	}
	return stem
}

// manifest is the path of the slot's manifest.
func (s slot) manifest() string { return s.stem() + manifestEnd }

var slotPath = regexp.MustCompile(`^([^/]+)/(\d{4}/\d\d/\d\d)(?:\.late-([1-9]\d*))?(\.manifest\.json|\.ndjson\.zst|\.ndjson\.gz)$`)

// parsePath reads the path of a file. It reports false for one that is not of an archive.
func parsePath(name string) (s slot, ending string, ok bool) {
	parts := slotPath.FindStringSubmatch(name)
	if parts == nil {
		return slot{}, "", false
	}
	day, noDay := time.Parse("2006/01/02", parts[2])
	late, noNumber := strconv.Atoi(cmp.Or(parts[3], "0"))
	return slot{parts[1], day, late}, parts[4], noDay == nil && noNumber == nil
}
