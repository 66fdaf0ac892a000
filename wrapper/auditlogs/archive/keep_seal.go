package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"cfaudit.example/openapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// ending is the ending of the files that are written.
func (j *Job) ending() string {
	if j.Compression == "gz" {
		return gzipEnd
	}
	return zstdEnd
}

// work is the path of the file in which the entries of a slot are collected. Whether the look-back
// was over is a part of the name, since it is the start of reading that counts.
func (k *keeper) work(s slot, final bool, ending string) string {
	name := s.day.Format("2006-01-") + path.Base(s.stem())
	if final {
		name += ".final"
	}
	return filepath.Join(k.Folder, workName, k.folder, name+ending)
}

// place is the path of a file of the archive on this system.
func (j *Job) place(name string) string { return filepath.Join(j.Folder, filepath.FromSlash(name)) }

// manifest describes a slot of which an export has read the entries.
func (k *keeper) manifest(s slot, final bool, read *export.Result) *Manifest {
	m := &Manifest{
		Version: manifestVersion, Log: k.Log.String(), Sequence: 1,
		Day: s.day.Format(time.DateOnly), Late: s.late, File: path.Base(s.stem()) + k.ending(),
		Window: export.Window{Since: auditlogs.Time(s.day), Before: auditlogs.Time(s.end())},
		Bytes:  read.Bytes, FileSHA256: read.FileSHA256, SHA256: read.SHA256,
		Settled: true, Settle: k.Settle.String(), LookBack: k.LookBack.String(), Final: final,
		Available: k.available(s, read.Entries), Sealed: k.now(), Contract: openapi.Version(), Counts: read.Counts,
	}
	if n := len(k.links); n > 0 {
		m.Sequence, m.Previous = k.links[n-1].Sequence+1, k.links[n-1].digest
	}
	if read.Entries == 0 && (s.late > 0 || m.Available == AvailableNone) {
		m.File, m.Bytes, m.FileSHA256 = "", 0, ""
	}
	return m
}

// available says how much of a day the service still had.
func (k *keeper) available(s slot, entries int64) Availability {
	switch oldest, _ := auditlogs.Oldest(k.now()); {
	case !s.day.Before(oldest):
		return AvailableAll
	case entries == 0 && !s.end().After(oldest):
		return AvailableNone
	}
	return AvailableSome
}

// commit seals a slot whose file is complete. Once the manifest of a link is written to the work, a
// later run finishes what this one does not; see [keeper.recover].
func (k *keeper) commit(ctx context.Context, s slot, m *Manifest) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(k.Folder, workName, k.folder, sealName), data, fileMode); err != nil {
		return err
	}
	return k.finish(ctx, link{s, m, digest(data)})
}

// finish moves the file and the manifest of a link to their places: the manifest last, since it is
// what seals the link.
func (k *keeper) finish(ctx context.Context, l link) error {
	place := k.place(l.manifest())
	if err := makeFolders(k.Folder, filepath.Dir(place)); err != nil {
		return err
	}
	work := k.work(l.slot, l.Final, cmp.Or(strings.TrimPrefix(l.File, path.Base(l.stem())), k.ending()))
	if l.File != "" {
		if err := k.move(ctx, work, l); err != nil {
			return err
		}
	}
	if err := discard(work); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(filepath.Dir(work), sealName), place); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(place)); err != nil {
		return err
	}
	k.links = append(k.links, l)
	if k.Sealed != nil {
		k.Sealed(l.Manifest)
	}
	return nil
}

// move moves the file of a link to its place, unless an earlier run has.
func (k *keeper) move(ctx context.Context, work string, l link) error {
	place := k.place(l.data())
	if _, err := os.Lstat(place); err == nil {
		err := l.verify(ctx, k.Folder)
		if errors.Is(err, ErrDamaged) {
			return fmt.Errorf("%s: %w: restore it from a copy", place, err)
		}
		return err
	}
	if err := os.Rename(work, place); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(place))
}

// makeFolders makes the folders from root to the one at path, and syncs their names to disk.
func makeFolders(root, path string) error {
	if path == root {
		return nil
	}
	parent := filepath.Dir(path)
	if err := makeFolders(root, parent); err != nil {
		return err
	}
	switch err := os.Mkdir(path, folderMode); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return durable.SyncDir(parent)
}

// recover seals what an earlier run was sealing when it stopped.
func (k *keeper) recover(ctx context.Context) error {
	name := filepath.Join(k.Folder, workName, k.folder, sealName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := decodeManifest(data)
	if err != nil {
		return fmt.Errorf("%s: %w: remove %s, which holds no part of the archive, and run again", name, err, filepath.Join(k.Folder, workName))
	}
	day, _ := time.Parse(time.DateOnly, m.Day) // By its checksum, it is as it was written.
	err = k.finish(ctx, link{slot{k.folder, day, m.Late}, m, digest(data)})
	if errors.Is(err, fs.ErrNotExist) {
		return os.Remove(name) // Somebody removed its file: the day is read again.
	}
	return err
}

// discard removes a file of the work, and what is beside it.
func discard(work string) error {
	for _, beside := range []string{"", ".checkpoint.json", ".checkpoint.json.tmp", manifestEnd, manifestEnd + ".tmp", ".lock"} {
		if err := os.Remove(work + beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// clean removes what runs have left of their work, once all of it is done.
func (k *keeper) clean() {
	// What cannot be removed does no harm, and the folder stays while it has work of other logs.
	_ = os.RemoveAll(filepath.Join(k.Folder, workName, k.folder))
	_ = os.Remove(filepath.Join(k.Folder, workName))
}
