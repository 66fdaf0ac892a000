package auditlogsreceiver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

const (
	account = auditlogstest.AccountID
	token   = "Jw3Nc8Rk-test-token_4Yh"
)

// made is an entry with an id and a time.
func made(id string, at time.Time) string {
	return fmt.Sprintf(`{"id":%q,"action":{"time":%q,"type":"update"},"actor":{"email":"alice@example.com"}}`, id, at.UTC().Format(time.RFC3339Nano))
}

func newFake(t testing.TB, options ...auditlogstest.Option) *auditlogstest.Server {
	t.Helper()
	s := auditlogstest.NewServer(append([]auditlogstest.Option{auditlogstest.WithT(t), auditlogstest.WithoutGzip()}, options...)...)
	t.Cleanup(s.Close)
	return s
}

// newConfig reads the account of a fake, without a storage, with quick retries.
func newConfig(change ...func(*Config)) *Config {
	c := createDefaultConfig().(*Config)
	c.Token = token
	c.Accounts = []Log{{ID: account}}
	c.AllowLossOnRestart = true
	c.RetryOnFailure.InitialInterval = 10 * time.Millisecond
	for _, change := range change {
		change(c)
	}
	return c
}

// A harness is a receiver with all that surrounds it.
type harness struct {
	*auditReceiver
	*host
	sink      *sink
	telemetry *componenttest.Telemetry
	logged    *observer.ObservedLogs
}

// start starts a receiver of a fake's entries. It is shut down at the end of the test.
func start(t *testing.T, s *auditlogstest.Server, c *Config, sink *sink, h *host) *harness {
	t.Helper()
	r := build(t, s, c, sink, h)
	if err := r.Start(t.Context(), r.host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop(t) })
	return r
}

func build(t *testing.T, s *auditlogstest.Server, c *Config, sink *sink, h *host) *harness {
	t.Helper()
	if c.Endpoint == auditlogs.DefaultBaseURL {
		c.Endpoint = s.URL
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	telemetry := componenttest.NewTelemetry()
	core, logged := observer.New(zap.DebugLevel)
	settings := receivertest.NewNopSettings(NewFactory().Type())
	settings.ID = component.NewIDWithName(NewFactory().Type(), "test")
	settings.TelemetrySettings = telemetry.NewTelemetrySettings()
	settings.Logger = zap.New(core)
	r, err := newReceiver(c, settings, sink, auditlogs.WithHTTPClient(s.Client()), auditlogs.WithRetry(2, time.Millisecond, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		h = new(host)
	}
	return &harness{auditReceiver: r, host: h, sink: sink, telemetry: telemetry, logged: logged}
}

// stop shuts the receiver down, at most once.
func (h *harness) stop(t *testing.T) {
	t.Helper()
	if h.telemetry == nil {
		return
	}
	if err := h.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := h.telemetry.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	h.telemetry = nil
}

var _ receiver.Logs = (*auditReceiver)(nil)

// A host has extensions, and keeps what is reported to it.
type host struct {
	extensions map[component.ID]component.Component

	mu     sync.Mutex
	events []*componentstatus.Event
}

func (h *host) GetExtensions() map[component.ID]component.Component { return h.extensions }

func (h *host) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *host) statuses() (all []componentstatus.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		all = append(all, e.Status())
	}
	return all
}

// A sink is the pipeline. It keeps what it has taken, and fails as it is told.
type sink struct {
	fail func(attempt int, logs plog.Logs) error
	full bool // keep whole records, and not only ids

	mu       sync.Mutex
	attempts int
	ids      []string
	records  []plog.Logs
}

func (s *sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{MutatesData: true} }

func (s *sink) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	s.mu.Lock()
	s.attempts++
	attempt := s.attempts
	s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(attempt, logs); err != nil {
			logs.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true }) // A pipeline may.
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, idsOf(logs)...)
	if s.full {
		s.records = append(s.records, logs)
	}
	return nil
}

func idsOf(logs plog.Logs) (ids []string) {
	for _, of := range logs.ResourceLogs().All() {
		for _, scope := range of.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				id, _ := record.Attributes().Get(uidAttribute)
				ids = append(ids, id.Str())
			}
		}
	}
	return ids
}

func (s *sink) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// numbers are the ids from one number up to, and without, another.
func numbers(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}

// A storageExtension keeps the values of all clients, as a shared database would.
type storageExtension struct {
	component.StartFunc
	component.ShutdownFunc
	storage.Client
	mu     sync.Mutex
	values map[string][]byte
	fail   func() error // of writing
	locked error        // of opening
	closed int
}

func (e *storageExtension) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return e, e.locked
}

func (e *storageExtension) Set(_ context.Context, key string, value []byte) error {
	if e.fail != nil {
		if err := e.fail(); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.values == nil {
		e.values = map[string][]byte{}
	}
	e.values[key] = value
	return nil
}

func (e *storageExtension) Get(_ context.Context, key string) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.values[key], nil
}

func (e *storageExtension) Close(context.Context) error {
	e.closed++
	return nil
}

// dump is the configuration as the collector prints it.
func dump(t *testing.T, c *Config) string {
	t.Helper()
	conf := confmap.New()
	if err := conf.Marshal(c); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(conf.ToStringMap())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
