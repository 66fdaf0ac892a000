package follow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

const (
	account = auditlogstest.AccountID
	token   = "Fq7Lw2Xe-test-token_9Vb"
)

// made is an entry with an id and a time.
func made(id any, at time.Time) string {
	return fmt.Sprintf(`{"id":"%v","action":{"time":%q,"type":"update"},"actor":{"email":"alice@example.com"}}`, id, at.UTC().Format(time.RFC3339Nano))
}

func newFake(t testing.TB, options ...auditlogstest.Option) *auditlogstest.Server {
	t.Helper()
	s := auditlogstest.NewServer(append([]auditlogstest.Option{auditlogstest.WithT(t), auditlogstest.WithoutGzip()}, options...)...)
	t.Cleanup(s.Close)
	return s
}

func newClient(t testing.TB, s *auditlogstest.Server, options ...auditlogs.Option) *auditlogs.Client {
	t.Helper()
	c, err := auditlogs.New(token, append([]auditlogs.Option{
		auditlogs.WithBaseURL(s.URL), auditlogs.WithHTTPClient(s.Client()), auditlogs.WithRetry(2, time.Millisecond, time.Millisecond),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newFollower(t testing.TB, c *auditlogs.Client, q auditlogs.Query, store follow.Store, options ...follow.Option) *follow.Follower {
	t.Helper()
	f, err := follow.New(c.Account(account), q, store, options...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A doer answers requests without a server.
type doer func(*http.Request) (*http.Response, error)

func (d doer) RoundTrip(r *http.Request) (*http.Response, error) { return d(r) }

// expiring spoils the cursor of each request for which expired says so, counted from 1, as if it
// had lived too long.
func expiring(s *auditlogstest.Server, expired func(n int) bool) auditlogs.Option {
	next := s.Client().Transport
	var asked atomic.Int64
	return auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
		query := r.URL.Query()
		if query.Has("cursor") && expired(int(asked.Add(1))) {
			query.Set("cursor", "expired")
			r = r.Clone(r.Context())
			r.URL.RawQuery = query.Encode()
		}
		return next.RoundTrip(r)
	})})
}

// A memoryStore keeps a state in memory, and fails when it is told to.
type memoryStore struct {
	mu      sync.Mutex
	data    []byte
	saves   int
	largest int
	fail    func(save int) (before, after error) // of the n-th save: before anything is kept, or after
}

var errDisk = errors.New("no space left on device")

func (m *memoryStore) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.data), nil
}

func (m *memoryStore) Save(ctx context.Context, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err() // as a store across a network would
	}
	m.saves++
	var after error
	if m.fail != nil {
		var before error
		if before, after = m.fail(m.saves); before != nil {
			return before
		}
	}
	m.data = bytes.Clone(state)
	m.largest = max(m.largest, len(state))
	return after
}

// A sink is what entries are delivered to.
type sink struct {
	mu   sync.Mutex
	raw  []string // in the order in which they came, repeats included
	late int
	fail func(batch int) error
	n    int
}

var errSink = errors.New("the SIEM is down")

func (s *sink) deliver(_ context.Context, batch follow.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.fail != nil {
		if err := s.fail(s.n); err != nil {
			return err
		}
	}
	if len(batch.Entries) == 0 {
		return errors.New("an empty batch")
	}
	for _, e := range batch.Entries {
		s.raw = append(s.raw, string(e.Raw))
	}
	s.late += batch.Late
	return nil
}

func (s *sink) entries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.raw)
}

// stored is what the fake holds, whatever its time.
func stored(s *auditlogstest.Server) []string {
	var all []string
	for _, raw := range s.Stored(time.Unix(0, 0), time.Unix(1<<40, 0)) {
		all = append(all, string(raw))
	}
	return all
}

// wantAll checks that everything was delivered, each entry once where repeats are not allowed.
func wantAll(t *testing.T, got, want []string, repeats bool) {
	t.Helper()
	count := map[string]int{}
	for _, raw := range got {
		count[raw]++
	}
	missing := 0
	for _, raw := range want {
		n := count[raw]
		delete(count, raw)
		switch {
		case n == 0:
			if missing++; missing <= 5 {
				t.Errorf("not delivered: %s", raw)
			}
		case n > 1 && !repeats:
			t.Errorf("delivered %d times: %s", n, raw)
		}
	}
	if missing > 5 {
		t.Errorf("and %d more are not delivered", missing-5)
	}
	for raw := range count {
		t.Errorf("delivered and never stored: %s", raw)
	}
}
