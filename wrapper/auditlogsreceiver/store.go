package auditlogsreceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"

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

// openStorage returns the client of a storage extension, or one that only lasts as long as the
// collector.
func openStorage(ctx context.Context, host component.Host, id *component.ID, of component.ID) (storage.Client, error) {
	if id == nil {
		return new(memory), nil
	}
	found, ok := host.GetExtensions()[*id]
	if !ok {
		return nil, fmt.Errorf("storage: there is no extension %s: want one that is listed in service.extensions, such as file_storage", id)
	}
	extension, ok := found.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: the extension %s is no storage: want one such as file_storage", id)
	}
	client, err := extension.GetClient(ctx, component.KindReceiver, of, "")
	if err != nil {
		return nil, fmt.Errorf("storage: the extension %s: %w", id, err)
	}
	return client, nil
}

// A memory is a storage that ends with the process.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], nil
}

func (m *memory) Set(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = value
	return nil
}

func (m *memory) Delete(context.Context, string) error { return errors.ErrUnsupported }

func (m *memory) Batch(context.Context, ...*storage.Operation) error { return errors.ErrUnsupported }

func (m *memory) Close(context.Context) error { return nil }
