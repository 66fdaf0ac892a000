// Package durable keeps small files whole: whoever reads one finds what was written last or what was written before, also
// when the program or the machine stopped in between, and a lock keeps a second program away.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrLocked is what [Lock] returns while somebody else holds the lock.
var ErrLocked = errors.New("in use by another process")

// What stands beside a file, by the end of its name.
const (
	temporary = ".tmp"
	locking   = ".lock"
)

// WriteFile replaces the file at path with data, or creates it with the permissions perm (before umask). When it returns
// nil, the data is on the disk. When it returns an error, or never returns, the file holds what it held before, or data.
//
// The data is collected in a file with the same name and ".tmp" behind it, which a program that was killed leaves there,
// and which the next call replaces. Two programs that write the same file at once must exclude each other with [Lock].
func WriteFile(path string, data []byte, perm fs.FileMode) (err error) {
	temp := path + temporary
	// What lies there may be somebody else's link to another file.
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
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir puts the names in the folder at path on the disk: without it, a file that was created or renamed may be gone
// after a power cut although its data is there. Where the system or the file system has no such call, it does nothing.
func SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if closing := folder.Close(); err == nil {
		err = closing
	}
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// Lock takes the lock of the file at path, without waiting: an error that is [ErrLocked] says that another process holds
// it, or this one already. The file itself is not touched and need not exist; the lock is on a file with the same name
// and ".lock" behind it, which is created where it is missing and stays. The lock ends with release or with the process,
// in whatever way that ends.
//
// Programs that do not ask for the lock are not kept away, and a network file system may not pass it on to other machines.
func Lock(path string) (release func() error, err error) {
	lock := flock.New(path + locking)
	taken, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !taken {
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	return lock.Unlock, nil
}
