package peers

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cfaudit.example/openapi"
	"cfaudit.example/wrapper/auditlogs"
)

// prism starts Stoplight's prism with the contract, and returns its base URL: it answers at the
// root.
func prism(t *testing.T, mode string, arguments ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "auditlogs.yaml")
	if err := os.WriteFile(file, openapi.Contract, 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("node", append([]string{
		"node_modules/@stoplight/prism-cli/dist/index.js", mode, "--port", port, "--multiprocess", "false", file,
	}, arguments...)...)
	var log lockedBuffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		if t.Failed() {
			t.Logf("prism: %.5000s", log.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if connection, err := net.Dial("tcp", address); err == nil {
			_ = connection.Close()
			return "http://" + address
		}
		select {
		case err := <-exited:
			t.Fatalf("prism ended: %v\n%s", err, log.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("prism does not listen\n%s", log.String())
	return ""
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// preferring asks prism for one of the contract's examples.
type preferring string

func (p preferring) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Prefer", "example="+string(p))
	return http.DefaultTransport.RoundTrip(r)
}

func list(t *testing.T, base string, transport http.RoundTripper, query auditlogs.Query) (entries []*auditlogs.Entry, err error) {
	t.Helper()
	client, err := auditlogs.New("any", auditlogs.WithBaseURL(base), auditlogs.WithHTTPClient(&http.Client{Transport: transport}),
		auditlogs.WithRate(0), auditlogs.WithRetry(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for entry, err := range client.Account(account).Entries(t.Context(), query) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func window() auditlogs.Query {
	return auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before)}
}

// TestPrismMock lists from a mock that another process makes of the contract and its examples.
func TestPrismMock(t *testing.T) {
	base := prism(t, "mock")
	t.Run("a cursor that comes again", func(t *testing.T) {
		entries, err := list(t, base, preferring("reference"), window())
		if !errors.Is(err, auditlogs.ErrCursorLoop) || len(entries) == 0 || entries[0].Actor.Email != "alice@example.com" {
			t.Errorf("%d entries, and error %v", len(entries), err)
		}
	})
	t.Run("last page", func(t *testing.T) {
		entries, err := list(t, base, preferring("lastPage"), window())
		if err != nil || len(entries) != 0 {
			t.Errorf("%d entries, and error %v", len(entries), err)
		}
	})
	t.Run("every operation", func(t *testing.T) {
		for path, address := range operations(mustLoad(t, base), allRows(t)[accountPath][0]) {
			var answer struct{ Success bool }
			get(t, base+address, http.StatusOK, &answer)
			if !answer.Success {
				t.Errorf("%s: not a success", path)
			}
		}
	})
}

// TestPrismProxy lists from the fake through prism, which holds every request and every answer
// against the contract.
func TestPrismProxy(t *testing.T) {
	fake := serve(t)
	base := prism(t, "proxy", fake, "--errors")
	knows := newKnowledge(t, base, accountPath)
	knows.base = fake
	t.Run("all pages", func(t *testing.T) {
		query := window()
		query.Limit = new(50)
		entries, err := list(t, base, http.DefaultTransport, query)
		if err != nil || len(entries) != size {
			t.Errorf("%d entries, want %d: %v", len(entries), size, err)
		}
	})
	for _, ref := range knows.contract.Doc.Paths.Value(accountPath).Get.Parameters {
		name := ref.Value.Name
		query := window()
		// With --errors, prism also refuses what is deprecated.
		if query.Filter(name) == nil || ref.Value.Deprecated {
			continue
		}
		t.Run(name, func(t *testing.T) {
			values, want, _ := knows.filter(t, name)
			*query.Filter(name) = values
			entries, err := list(t, base, http.DefaultTransport, query)
			var got []string
			for _, entry := range entries {
				got = append(got, entry.ID)
			}
			if err != nil || !sameIDs(got, want) {
				t.Errorf("with %q: %d entries, want %d: %v", values, len(got), len(want), err)
			}
		})
	}
	t.Run("every operation", func(t *testing.T) {
		for path, address := range operations(knows.contract, knows.rows[0]) {
			var answer struct{ Success bool }
			get(t, base+address, http.StatusOK, &answer)
			if !answer.Success {
				t.Errorf("%s: not a success", path)
			}
		}
	})
	// That prism has something to say.
	path := strings.ReplaceAll(accountPath, "{account_id}", account)
	t.Run("a request that is wrong", func(t *testing.T) {
		var answer struct{ Title string }
		get(t, base+path+"?since=2024-10-01", http.StatusUnprocessableEntity, &answer)
	})
	t.Run("an answer that is wrong", func(t *testing.T) {
		wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"success":true,"result":[{"raw":{"status_code":"200"}}]}`))
		}))
		defer wrong.Close()
		var answer struct{ Title string }
		get(t, prism(t, "proxy", wrong.URL, "--errors")+path+"?since=2024-10-01&before=2024-10-31", http.StatusInternalServerError, &answer)
	})
}
