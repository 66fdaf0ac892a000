// Package durable replaces small files atomically: a reader finds either the new content or the
// previous one, even if the program or the machine stopped in between, and a lock excludes a second
// program.
package durable

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrLocked is what [Lock] returns while another process holds the lock.
var ErrLocked = errors.New("in use by another process")

// ErrNotRegular is what [Lock] returns for a folder, a device, a pipe and the like.
var ErrNotRegular = errors.New("not an ordinary file")

// The endings of the files beside a file.
const (
	temporary = ".tmp"
	locking   = ".lock"
)

// WriteFile replaces the file at path with data, or creates it with the permissions perm (before
// umask). When it returns nil, the data is synced to disk. When it returns an error, or never
// returns, the file holds its previous content, or data.
//
// The data is first written to a file with the same name and ".tmp" after it, which a program that
// is killed leaves there, and which the next call replaces. Two programs that write the same file
// must exclude each other with [Lock].
func WriteFile(path string, data []byte, perm fs.FileMode) (err error) {
	temp := path + temporary
	// The path may be a link to another file.
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	if _, err = file.Write(data); err == nil {
		err = file.Sync()
	}
	if err = cmp.Or(err, file.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	return err
}

// ReadFile reads a file to its end, or most bytes of it, since a path can lead to any file.
func ReadFile(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, most))
}

// SyncDir syncs the names in the folder at path to disk: without it, a file that was created or
// renamed may be gone after a power cut although its data is there. If the system or the file
// system does not support that, it does nothing.
func SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	err = cmp.Or(err, folder.Close())
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// Lock takes the lock of the file at path, without waiting: an error that is [ErrLocked] says that
// another process holds it, or this one already. The file itself is not changed and need not
// exist; a file with the same name and ".lock" after it is created if it is missing, and stays.
// The lock ends with release, which may be called again, or with the process, however that ends.
//
// The lock is that of the file, not of the name: names that are links to the same file exclude
// each other. If path is not an ordinary file, the error is [ErrNotRegular], and no file is created
// beside it.
//
// Programs that do not take the lock are not excluded, and a network file system may not share it
// with other machines.
func Lock(path string) (release func() error, err error) {
	target, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(target)
	exists := err == nil
	switch {
	case exists && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	case !exists && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	locks := []*flock.Flock{flock.New(target + locking)}
	// Hard links have different names, and share only the file itself. On Windows such a lock would
	// exclude readers, and this process is one.
	if exists && runtime.GOOS != "windows" {
		locks = append(locks, flock.New(target, flock.SetFlag(os.O_RDONLY)))
	}
	release = func() (err error) {
		for _, lock := range locks {
			err = errors.Join(err, lock.Unlock())
		}
		return err
	}
	for _, lock := range locks {
		taken, err := lock.TryLock()
		if err == nil && !taken {
			err = fmt.Errorf("%s: %w", path, ErrLocked)
		}
		if err != nil {
			return nil, errors.Join(err, release())
		}
	}
	return release, nil
}

// Resolve returns the name of the file that path leads to through symbolic links. The file need
// not exist, but its folder must.
func Resolve(path string) (string, error) {
	const mostLinks = 40 // as many as Linux follows
	for range mostLinks {
		folder, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		path = filepath.Join(folder, filepath.Base(path))
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // It is not a link, or does not exist.
		}
		if path = link; !filepath.IsAbs(link) {
			path = filepath.Join(folder, link)
		}
	}
	return "", fmt.Errorf("%s: too many symbolic links, or a loop of them", path)
}

// Uses reports whether other leads to the file at path, to its lock or to the temporary file of
// [WriteFile], under any name. None of them need exist.
func Uses(path, other string) bool {
	for _, ending := range []string{"", locking, temporary} {
		if same(absolute(path)+ending, other) {
			return true
		}
	}
	return false
}

// same reports whether two names lead to the same file.
func same(a, b string) bool {
	first, errFirst := os.Stat(a)
	second, errSecond := os.Stat(b)
	if errFirst == nil && errSecond == nil {
		return os.SameFile(first, second)
	}
	a, b = absolute(a), absolute(b)
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return strings.EqualFold(a, b)
	}
	return a == b
}

func absolute(path string) string {
	if target, err := Resolve(path); err == nil {
		path = target
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return path
}
