package export

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// A disk is the part of a file system that an export needs, so that tests can stop it at each step.
type disk interface {
	lock(path string) (release func() error, err error)
	read(path string) ([]byte, error)
	stream(path string) (io.ReadCloser, error)
	replace(path string, data []byte) error     // atomically, and synced to disk
	open(path string, size int64) (file, error) // for writing, cut to that size; its name is synced to disk
	size(path string) (int64, error)            // of a regular file
	remove(path string) error
}

// A file is what is written to.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Other users of the machine must not read an audit log.
const mode fs.FileMode = 0o600

type osDisk struct{}

func (osDisk) lock(path string) (release func() error, err error) { return durable.Lock(path) }
func (osDisk) replace(path string, data []byte) error             { return durable.WriteFile(path, data, mode) }
func (osDisk) stream(path string) (io.ReadCloser, error)          { return os.Open(path) }
func (osDisk) remove(path string) error                           { return os.Remove(path) }

// largestState is far larger than any checkpoint or manifest.
const largestState = 16 << 20

func (osDisk) read(path string) ([]byte, error) {
	data, err := durable.ReadFile(path, largestState+1)
	if len(data) > largestState {
		err = fmt.Errorf("%s: %w: it is larger than any that an export writes", path, ErrDamaged)
	}
	return data, err
}

func (osDisk) open(path string, size int64) (file, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	if err = file.Truncate(size); err == nil {
		_, err = file.Seek(size, io.SeekStart)
	}
	if err == nil {
		// Before a checkpoint covers its content.
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func (osDisk) size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s: %w: it is not a regular file: want the name of one, or a new name, such as audit.ndjson.gz", path, ErrForeign)
	}
	return info.Size(), nil
}
