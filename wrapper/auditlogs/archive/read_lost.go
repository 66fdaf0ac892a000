package archive

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// A loss is a part of a log that was in the archive once, as manifests show. A listing ends with
// its error where its entries would come, so that the position is right once it is restored.
type loss struct {
	since, before time.Time
	log           string // as that of a file
	root          string // of the archive for which another one or an export can stand in; empty if none can
	err           error
}

// loss is that of a slot. What a supplement had cannot be known, so that nothing stands in for it.
func (s slot) loss(root string, err error) loss {
	if s.late > 0 {
		root = ""
	}
	return loss{s.day, s.end(), s.folder, root, err}
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
func (a *Archive) losses(want *filter) ([]loss, error) {
	all := slices.Clone(a.lost)
	logs := map[string]bool{} // by their folders
	for _, of := range a.manifests {
		if !want.of(of.slot.folder) {
			continue
		}
		root := rootOf(of.path)
		if name := filepath.Join(root, of.slot.folder); !logs[name] {
			logs[name] = true
			removed, err := a.removed(root, of.slot.folder)
			if err != nil {
				return nil, err
			}
			all = append(all, removed...)
		}
		if !want.overlaps(of.slot.day, of.slot.end()) {
			continue
		}
		m, err := readManifest(of.path)
		if err != nil {
			return nil, err
		}
		if problem := a.absent(of.path, m.File); problem != nil {
			all = append(all, of.slot.loss(root, problem))
		}
	}
	return slices.DeleteFunc(all, func(l loss) bool {
		return !want.of(l.log) || !want.overlaps(l.since, l.before) || slices.ContainsFunc(a.files, func(f *file) bool {
			return l.root != "" && f.settled && f.late == 0 && f.log == l.log && (f.manifest == "" || rootOf(f.path) != l.root) &&
				(!f.since.After(l.since) || !f.since.After(want.since)) && (!f.before.Before(l.before) || !f.before.Before(want.before))
		})
	}), nil
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

// removed returns what is lost of a log, as its chain shows. It reads the manifests once: what is
// restored later is not in the listings either.
func (a *Archive) removed(root, log string) ([]loss, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	name := filepath.Join(root, log)
	if lost, read := a.lostLinks[name]; read {
		return lost, nil
	}
	for range 2 { // A run may have sealed days while the folders were read.
		c, err := readChain(root, log)
		if err != nil {
			return nil, err
		}
		var missing int
		if a.lostLinks[name], missing = c.lost(root); missing == 0 {
			break
		}
	}
	return a.lostLinks[name], nil
}

// lost returns the parts of a log whose links were removed or changed, and how many links are
// missing between others. The newest links, and those from link 1 on, can be missing without a
// trace or on purpose: they are gaps.
//
// Which day a missing link was of is not known. It can be any day without a final link that had
// ended when the next link was sealed, and any day before the first. All of these are taken for
// lost, so that no listing leaves out an entry in silence.
func (c *chain) lost(root string) (all []loss, missing int) {
	if c == nil || len(c.links) == 0 {
		return nil, 0 // Somebody may have made such a folder, without manifests.
	}
	links, after, first := map[slot]link{}, link{}, c.links[0].day
	for i, l := range c.links {
		links[l.slot] = l
		first = earlier(first, l.day)
		if i > 0 && l.Sequence > c.links[i-1].Sequence+1 {
			missing, after = missing+l.Sequence-c.links[i-1].Sequence-1, l
		}
	}
	damaged := func(path, problem, days string) error {
		return fmt.Errorf("%s: %w: %s: restore it from a copy, or leave %s out of the window; \"cfaudit archive --check %s\" finds everything that is missing",
			filepath.Join(root, filepath.FromSlash(path)), ErrDamaged, problem, days, root)
	}
	add := func(s slot, problem string) {
		all = append(all, s.loss(root, damaged(s.manifest(), problem, s.day.Format(time.DateOnly))))
	}
	for s, endings := range c.slots {
		if _, intact := links[s]; intact {
			continue
		}
		if slices.Contains(endings, manifestEnd) {
			add(s, "it has changed since it was written, or another version wrote it")
		} else if !sealing(root, s) {
			add(s, fmt.Sprintf("it is missing, and %s is there", path.Base(s.stem()+endings[0])))
		}
	}
	if missing == 0 {
		return all, 0
	}
	which := fmt.Sprintf("link %d of the chain is missing", after.Sequence-1)
	if missing > 1 {
		which = fmt.Sprintf("%d links of the chain, up to link %d, are missing", missing, after.Sequence-1)
	}
	for s := (slot{folder: after.folder, day: first}); !s.end().After(after.Sealed); s = (slot{folder: s.folder, day: s.end()}) {
		var last link
		for links[s].Manifest != nil {
			last = links[s]
			s.late++
		}
		switch day := s.day.Format(time.DateOnly); {
		case c.slots[s] != nil: // Its file is there, which was found above.
		case s.late == 0:
			add(s, day+" is missing, and "+which)
		case !last.Final && last.Sequence < after.Sequence:
			add(s, which+", and can be this supplement of "+day)
		}
	}
	if c.links[0].Sequence == 1 { // Otherwise the oldest days were removed, as by a retention.
		day := first.Format(time.DateOnly)
		err := damaged(after.folder, which+", and can be of days before "+day, "all before "+day)
		all = append(all, loss{time.Time{}, first, after.folder, root, err})
	}
	return all, missing
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

// rootOf returns the folder of the archive that a file of a link is in.
func rootOf(name string) string { return filepath.Join(filepath.Dir(name), "..", "..", "..") }
