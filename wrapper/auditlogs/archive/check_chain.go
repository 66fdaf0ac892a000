package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// A tree is what is in the folder of an archive.
type tree struct {
	root    string
	chains  map[string]*chain // by the folder of the log
	foreign []Finding
}

// A chain is what is in the folder of a log.
type chain struct {
	mu       sync.Mutex
	slots    map[slot][]string // the endings of the files that are there
	links    []link            // those that are intact; in the order of sealing after compare
	findings []Finding
}

// walk lists the files of an archive, or of one of its folders.
func walk(root, folder string) (*tree, error) {
	t := &tree{root: root, chains: map[string]*chain{}}
	// Through os.DirFS, root may be a link.
	err := fs.WalkDir(os.DirFS(root), folder, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == folder && folder != ".":
			return nil // No day of the log is sealed yet.
		case err != nil:
			return err
		case name == workName:
			return fs.SkipDir
		case name == lockName+".lock" || name == categoriesFile || d.IsDir():
			return nil
		}
		s, ending, ok := parsePath(name)
		switch {
		case !ok:
			t.foreign = append(t.foreign, Finding{name, "it does not belong to the archive: move it away"})
			return nil
		case !d.Type().IsRegular():
			t.foreign = append(t.foreign, Finding{name, "it is not a regular file: put the file itself there"})
		}
		c := t.chains[s.folder]
		if c == nil {
			c = &chain{slots: map[slot][]string{}}
			t.chains[s.folder] = c
		}
		c.slots[s] = append(c.slots[s], ending)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", root, err) // The error names a path in it.
	}
	return t, nil
}

// readChain reads the manifests of a log. It returns nil if the log has no folder yet.
func readChain(root, log string) (*chain, error) {
	files, err := walk(root, log)
	if err != nil {
		return nil, err
	}
	c := files.chains[log]
	if c == nil {
		return nil, nil
	}
	for s := range c.slots {
		if _, _, err := c.open(root, s); err != nil {
			return nil, err
		}
	}
	c.compare()
	return c, nil
}

func (c *chain) find(path, problem string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.findings = append(c.findings, Finding{path, fmt.Sprintf(problem, args...)})
}

// verify opens every link and compares its file with its manifest, on all cores.
func (t *tree) verify(ctx context.Context) error {
	type task struct {
		*chain
		slot
	}
	var tasks []task
	for _, c := range t.chains {
		for s := range c.slots {
			tasks = append(tasks, task{c, s})
		}
	}
	failures := make([]error, len(tasks))
	sideBySide(len(tasks), runtime.GOMAXPROCS(0), func(i int) {
		if failures[i] = ctx.Err(); failures[i] != nil {
			return
		}
		l, ok, err := tasks[i].open(t.root, tasks[i].slot)
		if err == nil && ok {
			err = tasks[i].examine(ctx, t.root, l)
		}
		failures[i] = err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return cmp.Or(failures...)
}

// open reads the manifest of a slot. If that is missing or damaged, it says so in a finding.
func (c *chain) open(root string, s slot) (l link, ok bool, err error) {
	if !slices.Contains(c.slots[s], manifestEnd) {
		problem := "it has no manifest: restore %s, or move the file away"
		if _, err := os.Stat(filepath.Join(root, workName, s.folder, sealName)); err == nil {
			problem = "it has no manifest, since a run was stopped while it sealed a day: run again, which writes %s"
		}
		c.find(s.stem()+c.slots[s][0], problem, path.Base(s.manifest()))
		return link{}, false, nil
	}
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(s.manifest())))
	if err != nil {
		return link{}, false, err
	}
	if l, err = openLink(s, data); err != nil {
		c.find(s.manifest(), "%v", err)
		return link{}, false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links = append(c.links, l)
	return l, true, nil
}

// examine compares the files of a slot with its manifest.
func (c *chain) examine(ctx context.Context, root string, l link) error {
	for _, ending := range c.slots[l.slot] {
		if name := l.stem() + ending; ending != manifestEnd && l.File != path.Base(name) {
			c.find(name, "its manifest does not name it: move it away")
		}
	}
	if l.File == "" {
		return nil
	}
	switch err := l.verify(ctx, root); {
	case errors.Is(err, fs.ErrNotExist):
		c.find(l.data(), "it is missing: restore it")
	case errors.Is(err, ErrDamaged):
		c.find(l.data(), "%v: restore it", err)
	default:
		return err
	}
	return nil
}

// verify compares the link's file with its manifest.
func (l link) verify(ctx context.Context, root string) error {
	return verify(ctx, filepath.Join(root, filepath.FromSlash(l.data())), l.Bytes, l.FileSHA256)
}

// verify compares a file with what its manifest says.
func verify(ctx context.Context, name string, bytes int64, digest string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	buffer := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buffer)
	sum, size := sha256.New(), int64(0)
	for {
		n, err := file.Read(buffer[:])
		sum.Write(buffer[:n])
		size += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err = cmp.Or(err, context.Cause(ctx)); err != nil {
			return err
		}
	}
	if is := hex.EncodeToString(sum.Sum(nil)); is != digest || size != bytes {
		return fmt.Errorf("%w: it has %d bytes with the SHA-256 %s, and its manifest says %d with %s", ErrDamaged, size, is, bytes, digest)
	}
	return nil
}

// compare puts the links in the order of sealing, and compares each with the one before it.
func (c *chain) compare() {
	slices.SortFunc(c.links, func(a, b link) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.manifest(), b.manifest()))
	})
	var before *link
	final := map[slot]bool{} // by the slot of the day
	for i := range c.links {
		l := &c.links[i]
		if problem := l.follows(before); problem != "" {
			c.find(l.manifest(), "%s", problem)
		}
		before = l
		day := slot{folder: l.folder, day: l.day}
		if final[day] {
			c.find(l.manifest(), "it was sealed after the last link of its day: it was added")
		}
		final[day] = final[day] || l.Final
	}
}

// findGaps finds missing days, and missing supplements of a day.
func (c *chain) findGaps() {
	slots := slices.SortedFunc(maps.Keys(c.slots), slot.compare)
	missing := func(first, last slot) {
		through := ""
		if first != last {
			through = ", and so are all through " + path.Base(last.manifest())
		}
		c.find(first.manifest(), "it is missing%s: restore it", through)
	}
	for i, s := range slots {
		wanted := slot{folder: s.folder, day: s.day}
		if i > 0 && slots[i-1].day.Equal(s.day) {
			wanted.late = slots[i-1].late + 1
		} else if i > 0 && slots[i-1].end().Before(s.day) {
			missing(slot{folder: s.folder, day: slots[i-1].end()}, slot{folder: s.folder, day: s.day.AddDate(0, 0, -1)})
		}
		if s.late > wanted.late {
			missing(wanted, slot{s.folder, s.day, s.late - 1})
		}
	}
}

// report sums up an intact chain.
func (c *chain) report() LogReport {
	newest := c.links[len(c.links)-1]
	r := LogReport{Log: newest.Log, First: newest.Day, Newest: newest.Sequence, Digest: newest.digest}
	for _, l := range c.links {
		if l.late > 0 {
			r.Supplements++
		} else {
			r.Days++
		}
		r.First, r.Last = min(r.First, l.Day), max(r.Last, l.Day)
		r.Entries += l.Entries
		r.Bytes += l.Bytes
	}
	return r
}
