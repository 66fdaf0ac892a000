package archive

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// categoriesFile is the file of a folder that holds the product categories, as "cfaudit products"
// prints them.
const categoriesFile = "product-categories.ndjson"

// find looks for the files of an archive at some paths. Those of entries are in the order in which
// they list entries of the same time.
func (a *Archive) find(paths []string) error {
	known := a.known
	var exports []string // their manifests
	add := func(path string) error {
		full, err := filepath.Abs(path)
		if err != nil || known[full] {
			return err
		}
		known[full] = true
		f, err := newFile(path)
		a.files = append(a.files, f)
		return err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if said := formatOf(path); !info.IsDir() && said != "" && said != format.NameNDJSON {
			return fmt.Errorf("%s: the file holds entries as %s: want one that was exported as %s", path, said, format.NameNDJSON)
		}
		if !info.IsDir() {
			if err := add(path); err != nil {
				return err
			}
			continue
		}
		before := len(known) + len(a.sealed) + len(exports)
		// A walk does not follow links.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
		err = filepath.WalkDir(path, func(at string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			switch name := entry.Name(); {
			case at != path && strings.HasPrefix(name, "."):
				if entry.IsDir() {
					return fs.SkipDir
				}
			case entry.IsDir():
			case entry.Type()&fs.ModeSymlink != 0 && isFolder(at):
				return fmt.Errorf("%s: it is a link to a folder, which is not followed: want the path of that folder as well, and the link moved away", at)
			case name == categoriesFile:
				a.categories = append(a.categories, at)
			case ofEntries(name):
				return add(at)
			case strings.HasSuffix(name, manifestEnd):
				if s, ok := slotAt(at); ok {
					a.sealed = append(a.sealed, s.file(at))
				} else if ofEntries(strings.TrimSuffix(name, manifestEnd)) {
					exports = append(exports, at)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(known)+len(a.sealed)+len(exports) == before {
			return fmt.Errorf("%s: there is no file of entries in this folder: want one with files such as 20.ndjson.zst, audit.ndjson.gz or audit.ndjson", path)
		}
	}
	for _, name := range exports {
		path := strings.TrimSuffix(name, manifestEnd)
		f, window, err := exportOf(path)
		if err != nil {
			return err
		}
		if problem := a.absent(name, filepath.Base(path)); problem != nil && window != (cover{}) {
			a.lost = append(a.lost, f.lose(window.since, window.before, fmt.Errorf("%w, or move the manifest away", problem)))
		}
	}
	slices.SortStableFunc(a.files, func(a, b *file) int {
		return cmp.Or(strings.Compare(a.log, b.log), a.since.Compare(b.since), cmp.Compare(a.late, b.late))
	})
	days := map[string]int{}
	for i, f := range a.files {
		f.number, f.alike = i, i
		if f.manifest == "" {
			continue
		}
		day := filepath.Dir(f.path) + f.since.Format(time.DateOnly)
		if _, known := days[day]; !known {
			days[day] = i
		}
		f.alike = days[day]
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ofEntries reports whether a file in a folder holds entries, by its name.
func ofEntries(name string) bool {
	return formatOf(name) == format.NameNDJSON
}

// formatOf returns the format that the name of a file says; "" if it says none.
func formatOf(path string) string {
	name := strings.ToLower(filepath.Base(path))
	for _, end := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, end)
	}
	said, _ := format.OfFile(name)
	return said
}

// newFile reads what is known of a file without reading the file itself.
func newFile(path string) (*file, error) {
	if s, ok := slotAt(path); ok {
		return s.file(path), nil
	}
	const checkpoint = ".checkpoint.json"
	if _, err := os.Stat(path + checkpoint); err == nil {
		return nil, fmt.Errorf("%s: the export to this file is not finished, see %s: want \"cfaudit export\" to finish it first", path, filepath.Base(path)+checkpoint)
	}
	f, _, err := exportOf(path)
	return f, err
}

// file is the one at a path that holds the entries of a slot, or its manifest.
func (s slot) file(path string) *file {
	return &file{path: path, log: s.folder, ordered: true, whole: true, settled: true, since: s.day, before: s.end(), late: s.late,
		manifest: filepath.Join(filepath.Dir(path), filepath.Base(s.manifest()))}
}

// exportOf reads what the manifest of an export says of a file, and its window. Both say nothing if
// there is no such manifest.
func exportOf(path string) (f *file, window cover, err error) {
	f = &file{path: path}
	data, err := os.ReadFile(path + manifestEnd)
	if errors.Is(err, fs.ErrNotExist) {
		return f, window, nil
	}
	if err != nil {
		return nil, window, err
	}
	var m export.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, window, fmt.Errorf("%s: %w: %w: restore it, or move it away", path+manifestEnd, ErrDamaged, err)
	}
	if m.Version != 1 || m.File != filepath.Base(path) {
		return f, window, nil // It is not an export's.
	}
	f.bytes, f.digest, f.log = m.Bytes, m.FileSHA256, folderOf(m.Request.Log)
	since, err := auditlogs.ParseTime(m.Window.Since)
	before, err2 := auditlogs.ParseTime(m.Window.Before)
	if err != nil || err2 != nil {
		return f, window, nil
	}
	window = cover{since, before}
	if m.Outside == 0 && m.OutOfOrder == 0 && m.Malformed == 0 {
		// The service may have counted the end to the window.
		f.ordered, f.whole, f.since, f.before = true, len(m.Request.Filters) == 0, since, before.Add(1)
		oldest, _ := auditlogs.Oldest(m.Started)
		f.settled = f.whole && m.Settled && !since.Before(oldest)
	}
	return f, window, nil
}

// slotAt returns the place in an archive of the file at a path; false for any other file.
func slotAt(path string) (slot, bool) {
	full, _ := filepath.Abs(path) // It fails where there is no working folder, and with it everything else.
	parts := strings.Split(filepath.ToSlash(full), "/")
	s, _, ok := parsePath(strings.Join(parts[max(0, len(parts)-4):], "/"))
	return s, ok && isLog(s.folder)
}

// disordered reports whether a day holds entries as the service sent them, and that was not in the
// order of time: its manifest says so.
func (f *file) disordered() bool {
	m, err := readManifest(f.manifest)
	return err == nil && m.OutOfOrder > 0
}

// isLog reports whether a folder has the name of a log.
func isLog(folder string) bool {
	p := auditlogsapi.ListAccountAuditLogsOperation.Parameters[0] // The first one names the log.
	id, organization := strings.CutPrefix(folder, stored.Organization)
	if organization {
		p = auditlogsapi.ListOrganizationAuditLogsOperation.Parameters[0]
	}
	return p.Check(id) == nil
}

// readManifest reads what a manifest says, without its checksum. It says nothing if it is missing.
func readManifest(path string) (m Manifest, err error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, nil
	case err != nil:
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s: %w: it is not a manifest: %w: restore it from a copy", path, ErrDamaged, err)
	}
	return m, nil
}
