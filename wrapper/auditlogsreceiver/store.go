package auditlogsreceiver

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// A store keeps the state of one log in a storage extension.
type store struct {
	client storage.Client
	key    string
	name   string // for messages
}

func (s store) Load(ctx context.Context) ([]byte, error) { return s.client.Get(ctx, s.key) }

func (s store) Save(ctx context.Context, state []byte) error { return s.client.Set(ctx, s.key, state) }

func (s store) String() string { return s.name }

// openStorage returns the client of a storage extension; nil without one.
func openStorage(ctx context.Context, host component.Host, id *component.ID, of component.ID) (storage.Client, error) {
	if id == nil {
		return nil, nil
	}
	extension, err := extension[storage.Extension](host, "storage", *id, "is no storage", "file_storage")
	if err != nil {
		return nil, err
	}
	client, err := extension.GetClient(ctx, component.KindReceiver, of, "")
	switch {
	case err != nil && err.Error() == "timeout": // That is all that file_storage says of a file that is locked.
		return nil, fmt.Errorf("storage: the extension %s: %w: if another collector uses its directory, give each one of its own", id, err)
	case err != nil:
		return nil, fmt.Errorf("storage: the extension %s: %w", id, err)
	}
	return client, nil
}

// extension returns the extension that a setting names. Lacks says what is wrong with one that is
// no T.
func extension[T any](host component.Host, setting string, id component.ID, lacks, example string) (T, error) {
	found, ok := host.GetExtensions()[id]
	extension, fits := found.(T)
	switch {
	case !ok:
		return extension, fmt.Errorf("%s: there is no extension %s: want one that is listed in service.extensions, such as %s", setting, id, example)
	case !fits:
		return extension, fmt.Errorf("%s: the extension %s %s: want one such as %s", setting, id, lacks, example)
	}
	return extension, nil
}

// A memory keeps the state of one log as long as the collector runs.
type memory struct{ state []byte }

func (m *memory) Load(context.Context) ([]byte, error) { return m.state, nil }

func (m *memory) Save(_ context.Context, state []byte) error {
	m.state = state
	return nil
}
