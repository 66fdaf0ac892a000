package archive

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// lose returns the file as one that was in the archive once, as manifests show. A listing ends with
// its error where its entries would come, so that the position is right once it is restored.
func (f *file) lose(since, before time.Time, err error) *file {
	lost := *f
	lost.number, lost.ordered, lost.since, lost.before, lost.lost = -1, true, since, before, err
	return &lost
}

// losses finds what manifests show to be missing of a window: the files that they name, and the
// links between those that are there.
func (a *Archive) losses(want *filter) ([]*file, error) {
	all := slices.Clone(a.lost)
	logs := map[string]bool{} // by their folders
	for _, f := range a.sealed {
		if !want.of(f.log) {
			continue
		}
		if name := filepath.Join(f.root(), f.log); !logs[name] {
			logs[name] = true
			removed, err := a.removed(f.root(), f.log)
			if err != nil {
				return nil, err
			}
			all = append(all, removed...)
		}
		if !want.overlaps(f.since, f.before) {
			continue
		}
		m, err := readManifest(f.manifest)
		if err != nil {
			return nil, err
		}
		if problem := a.absent(f.manifest, m.File); problem != nil {
			all = append(all, f.lose(f.since, f.before, problem))
		}
	}
	return slices.DeleteFunc(all, func(f *file) bool {
		return !want.of(f.log) || !want.overlaps(f.since, f.before) || slices.ContainsFunc(a.files, func(other *file) bool { return other.replaces(f, want) })
	}), nil
}

// replaces reports whether a file has all that a listing wants of one that is lost: an export or
// another archive can, of a day. What a supplement had cannot be known.
func (f *file) replaces(lost *file, want *filter) bool {
	return lost.manifest != "" && lost.late == 0 && f.settled && f.late == 0 && f.log == lost.log && (f.manifest == "" || f.root() != lost.root()) &&
		(!f.since.After(lost.since) || !f.since.After(want.since)) && (!f.before.Before(lost.before) || !f.before.Before(want.before))
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
func (a *Archive) removed(root, log string) ([]*file, error) {
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
func (c *chain) lost(root string) (all []*file, missing int) {
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
	add := func(s slot, since time.Time, name, problem, days string) {
		f := s.file(filepath.Join(root, filepath.FromSlash(s.manifest())))
		all = append(all, f.lose(since, s.end(), fmt.Errorf("%s: %w: %s: restore it from a copy, or leave %s out of the window; \"cfaudit archive --check %s\" finds everything that is missing",
			filepath.Join(root, filepath.FromSlash(name)), ErrDamaged, problem, days, root)))
	}
	broken := []slot{} // their files are there, and their manifests are not
	addSlot := func(s slot, problem string) { add(s, s.day, s.manifest(), problem, s.day.Format(time.DateOnly)) }
	for _, s := range slices.SortedFunc(maps.Keys(c.slots), slot.compare) {
		switch endings := c.slots[s]; {
		case links[s].Manifest != nil:
		case slices.Contains(endings, manifestEnd):
			addSlot(s, "it has changed since it was written, or another version wrote it")
			broken = append(broken, s)
		case !sealing(root, s):
			addSlot(s, fmt.Sprintf("it is missing, and %s is there", path.Base(s.stem()+endings[0])))
			broken = append(broken, s)
		}
	}
	if missing == 0 {
		return all, 0
	}
	which := fmt.Sprintf("link %d of the chain is missing", after.Sequence-1)
	if missing > 1 {
		which = fmt.Sprintf("%d links of the chain, up to link %d, are missing", missing, after.Sequence-1)
	}
	if len(broken) > 0 {
		which += fmt.Sprintf(" (it can be %s, which is missing or has changed)", broken[0].manifest())
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
			addSlot(s, day+" is missing, and "+which)
		case !last.Final && last.Sequence < after.Sequence:
			addSlot(s, which+", and can be this supplement of "+day)
		}
	}
	if c.links[0].Sequence-1 <= len(broken) { // Otherwise the oldest days were removed, as by a retention.
		day := first.Format(time.DateOnly)
		add(slot{folder: after.folder, day: first.AddDate(0, 0, -1)}, time.Time{}, after.folder, which+", and can be of days before "+day, "all before "+day)
	}
	return all, missing
}

// sealing reports whether a run is sealing a slot, or was stopped while it did. The file is
// complete before it has its name.
func sealing(root string, s slot) bool {
	if data, err := os.ReadFile(filepath.Join(root, workName, s.folder, sealName)); err == nil {
		if _, err := openLink(s, data); err == nil {
			return true
		}
	}
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(s.manifest())))
	return err == nil // By now it is sealed.
}

// root returns the folder of the archive that the file of a link is in.
func (f *file) root() string { return filepath.Join(filepath.Dir(f.manifest), "..", "..", "..") }
