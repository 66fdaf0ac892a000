package follow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// A Store keeps the state of one follower. Its methods are not called at the same time. No two
// followers may share a state: [OpenFile] prevents that with a lock, and other stores have to
// prevent it themselves.
type Store interface {
	// Load returns the state that was saved last, or nothing if none has been saved yet.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the saved state atomically. The state is below 1 MB.
	Save(ctx context.Context, state []byte) error
}

// ErrLocked is what [OpenFile] returns while another follower uses the file.
var ErrLocked = durable.ErrLocked

// A File is a [Store] in a file.
type File struct {
	name    string // as it was given
	path    string // without symbolic links, so that saving does not replace a link
	release func() error
}

// largestState bounds what is read from a file, which may be any file.
const largestState = 4 << 20

// OpenFile returns a store in the file at path, which need not exist yet, and locks it against
// other followers until Close, or until the process ends in any way; the error is [ErrLocked] if
// another one has it, under any name. Beside it are files of the same name with ".lock" and,
// briefly, ".tmp" after it. Only its owner can read it.
func OpenFile(path string) (*File, error) {
	release, err := durable.Lock(path)
	if err != nil {
		return nil, fmt.Errorf("follow: state file: %w", err)
	}
	target, err := durable.Resolve(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("follow: state file: %w", err), release())
	}
	return &File{name: path, path: target, release: release}, nil
}

// UsesFile reports whether a store that [OpenFile] makes of the path state writes to the file at
// path, under any name: to the state itself, or to one of the files beside it. A program that
// writes files of its own, such as a status, can refuse such a path.
func UsesFile(state, path string) bool { return durable.Uses(state, path) }

// Load reads the file. An empty file is an error, since an empty state is never saved.
func (f *File) Load(context.Context) ([]byte, error) {
	data, err := durable.ReadFile(f.path, largestState+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case len(data) == 0:
		return nil, fmt.Errorf("%w: it is empty; %s", ErrState, stateAdvice)
	case len(data) > largestState:
		return nil, fmt.Errorf("%w: it is larger than any state; %s", ErrState, stateAdvice)
	}
	return data, nil
}

// Save replaces the file. When it returns nil, the state is synced to disk; before that, the file
// holds the previous one.
func (f *File) Save(_ context.Context, state []byte) error {
	return durable.WriteFile(f.path, state, 0o600)
}

// Close releases the file for another follower.
func (f *File) Close() error { return f.release() }

// String returns the file's path as it was given, for messages.
func (f *File) String() string { return f.name }
