package archive

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
)

// A loss is a part of a log that was in the archive once, as manifests show. A listing ends with
// its error where its entries would come, so that the position is right once it is restored.
type loss struct {
	since, before time.Time
	err           error
}

// unit is the part of a listing that is lost.
func (l loss) unit(o order) *unit {
	start := l.since
	if o.descends {
		start = l.before
	}
	failed := &feed{batches: make(chan []item), err: l.err}
	close(failed.batches)
	return &unit{file: &file{number: -1}, start: start, feed: failed}
}

// losses finds what manifests show to be missing of a window: the files that they name, and the
// links between those that are there.
func (a *Archive) losses(want *filter) (found []loss, err error) {
	type logFolder struct{ root, log string }
	logs := map[logFolder]bool{}
	for _, of := range a.manifests {
		s := of.slot
		if want.log != "" && s.folder != want.log {
			continue
		}
		in := logFolder{rootOf(of.path), s.folder}
		logs[in] = true
		if !s.end().After(want.since) || !s.day.Before(want.before) {
			continue
		}
		m, err := readManifest(of.path)
		if err != nil {
			return nil, err
		}
		if problem := a.absent(of.path, m.File); problem != nil && !a.hasElsewhere(in.root, s) {
			found = append(found, loss{s.day, s.end(), problem})
		}
	}
	for _, of := range a.lost {
		if (want.log == "" || of.log == "" || of.log == want.log) && of.before.After(want.since) && of.since.Before(want.before) {
			found = append(found, of.loss)
		}
	}
	for in := range logs {
		lost, err := a.lostLinks(in.root, in.log, want)
		if err != nil {
			return nil, err
		}
		found = append(found, lost...)
	}
	return found, nil
}

// absent returns an error if the archive does not have the file that a manifest names. One that was
// restored since the archive was opened is not in its listings.
func (a *Archive) absent(manifest, name string) error {
	file := filepath.Join(filepath.Dir(manifest), filepath.Base(name))
	if full, err := filepath.Abs(file); name == "" || err != nil || a.known[full] {
		return err
	}
	return fmt.Errorf("%s: %w: it is missing, and %s says that it was there: restore it from a copy", file, ErrDamaged, filepath.Base(manifest))
}

// A lostExport is an export of which only the manifest is there.
type lostExport struct {
	log string // as that of a file
	loss
}

// findLostExports reads the manifests of exports whose files are missing.
func (a *Archive) findLostExports(manifests []string) error {
	for _, name := range manifests {
		if full, err := filepath.Abs(strings.TrimSuffix(name, manifestEnd)); err != nil || a.known[full] {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var m export.Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			return notJSON(name, err)
		}
		if m.Version != 1 || m.File+manifestEnd != filepath.Base(name) {
			continue // It is not an export's.
		}
		since, err := auditlogs.ParseTime(m.Window.Since)
		before, err2 := auditlogs.ParseTime(m.Window.Before)
		if problem := a.absent(name, m.File); problem != nil && err == nil && err2 == nil {
			a.lost = append(a.lost, lostExport{folderNamed(m.Request.Log), loss{since, before, fmt.Errorf("%w, or move the manifest away", problem)}})
		}
	}
	return nil
}

// lostLinks finds the links of a log that were removed, in a window. The newest links, and those
// from link 1 on, can be missing without a trace or on purpose: they are gaps.
func (a *Archive) lostLinks(root, log string, want *filter) (found []loss, err error) {
	removed, err := a.removedSlots(root, log)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.SortedFunc(maps.Keys(removed), func(a, b slot) int { return cmp.Or(a.day.Compare(b.day), cmp.Compare(a.late, b.late)) }) {
		if !s.end().After(want.since) || !s.day.Before(want.before) || a.hasElsewhere(root, s) || removed[s].unsealed && sealing(root, s) {
			continue
		}
		found = append(found, loss{s.day, s.end(), fmt.Errorf("%s: %w: %s: restore it from a copy, or leave %s out of the window; \"cfaudit archive --check %s\" finds everything that is missing",
			filepath.Join(root, filepath.FromSlash(s.manifest())), ErrDamaged, removed[s].how, s.day.Format(time.DateOnly), root)})
	}
	return found, nil
}

// A removal says how it shows that a slot was removed or changed.
type removal struct {
	how      string
	unsealed bool // its file is there, without a manifest
}

// mostBefore is more days than the service has, of those before the first.
const mostBefore = 1000

// removedSlots returns the slots whose manifest was removed or changed, and how that shows. Which
// slot a missing link had is not known: it can be any that is free now and comes before the next
// link.
func (c *chain) removedSlots() map[slot]removal {
	found := map[slot]removal{}
	if len(c.links) == 0 {
		return nil // Somebody may have made such a folder, without manifests.
	}
	links := map[slot]link{}
	first := c.links[0].day
	for _, l := range c.links {
		links[l.slot] = l
		first = earlier(first, l.day)
	}
	for s, endings := range c.slots {
		if _, intact := links[s]; !slices.Contains(endings, manifestEnd) {
			found[s] = removal{fmt.Sprintf("it is missing, and %s is there", path.Base(s.stem()+endings[0])), true}
		} else if !intact {
			found[s] = removal{how: "it has changed since it was written, or another version wrote it"}
		}
	}
	missing, after := c.removed()
	explained := len(found)
	if missing -= explained; missing <= 0 {
		return found
	}
	which := fmt.Sprintf("link %d of the chain is", after.Sequence-1)
	if missing > 1 {
		which = fmt.Sprintf("%d links of the chain, up to link %d, are", missing, after.Sequence-1)
	}
	for day := first; !(slot{day: day}).end().After(after.Sealed); day = day.AddDate(0, 0, 1) {
		s := slot{folder: after.folder, day: day}
		for slices.Contains(c.slots[s], manifestEnd) {
			s.late++
		}
		last := links[slot{s.folder, day, s.late - 1}]
		switch {
		case c.slots[s] != nil: // Its file is there, which was found above.
		case s.late == 0:
			found[s] = removal{how: fmt.Sprintf("%s is missing, and %s missing", day.Format(time.DateOnly), which)}
		case last.Manifest != nil && !last.Final && last.Sequence < after.Sequence:
			found[s] = removal{how: fmt.Sprintf("%s missing, and can be this supplement of %s", which, day.Format(time.DateOnly))}
		}
	}
	if len(found) > explained {
		missing = c.removedAfter(first)
	}
	if c.links[0].Sequence > 1 {
		missing = 0 // The oldest days were removed, and supplements that were sealed later with them.
	}
	for range min(missing, mostBefore) {
		first = first.AddDate(0, 0, -1)
		found[slot{folder: after.folder, day: first}] = removal{how: fmt.Sprintf("%s is missing, and %s missing", first.Format(time.DateOnly), which)}
	}
	return found
}

// removedAfter returns how many links are missing after that of the first day, if days before it
// can have been there: those that were added before the first of an earlier run are sealed one
// after the other, from the latest on.
func (c *chain) removedAfter(first time.Time) int {
	for i, l := range c.links[:len(c.links)-1] {
		if l.day.Equal(first) && l.late == 0 && i > 0 {
			return c.links[i+1].Sequence - l.Sequence - 1
		}
	}
	return 0
}

// removedSlots reads the manifests of a log, once: what is restored later is not in the listings
// either.
func (a *Archive) removedSlots(root, log string) (map[slot]removal, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	name := filepath.Join(root, log)
	if removed, read := a.removed[name]; read {
		return removed, nil
	}
	var c *chain
	var err error
	for range 2 { // A run may have sealed days while the folders were read.
		if c, err = readChain(root, log); err != nil {
			return nil, err
		}
		if c == nil {
			break
		}
		if missing, _ := c.removed(); missing == 0 {
			break
		}
	}
	if c != nil {
		a.removed[name] = c.removedSlots()
	}
	return a.removed[name], nil
}

// removed returns how many links are missing between others, and the link after the newest of them.
func (c *chain) removed() (missing int, after link) {
	for i := 1; i < len(c.links); i++ {
		if n := c.links[i].Sequence - c.links[i-1].Sequence - 1; n > 0 {
			missing, after = missing+n, c.links[i]
		}
	}
	return missing, after
}

// sealing reports whether a run is sealing a slot, or was stopped while it did. The file is
// complete before it has its name.
func sealing(root string, s slot) bool {
	if data, err := os.ReadFile(filepath.Join(root, workName, s.folder, sealName)); err == nil {
		if m, err := decodeManifest(data); err == nil && m.Day == s.day.Format(time.DateOnly) && m.Late == s.late {
			return true
		}
	}
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(s.manifest())))
	return err == nil // By now it is sealed.
}

// hasElsewhere reports whether another folder's archive or an export has all of a day. What a
// supplement had cannot be known.
func (a *Archive) hasElsewhere(root string, s slot) bool {
	return s.late == 0 && slices.ContainsFunc(a.files, func(f *file) bool {
		return f.settled && f.late == 0 && f.log == s.folder && !f.since.After(s.day) && !f.before.Before(s.end()) &&
			(f.manifest == "" || rootOf(f.path) != root)
	})
}

// rootOf returns the folder of the archive that a file of a link is in.
func rootOf(name string) string { return filepath.Join(filepath.Dir(name), "..", "..", "..") }

// folderNamed names the folder of the log that a manifest names.
func folderNamed(log string) string {
	kind, id, _ := strings.Cut(log, " ")
	switch kind {
	case "account":
		return id
	case "organization":
		return organizationMark + id
	}
	return ""
}

// notJSON is the error of a manifest that cannot be read.
func notJSON(name string, err error) error {
	return fmt.Errorf("%s: %w: %w: restore it, or move it away", name, ErrDamaged, err)
}
