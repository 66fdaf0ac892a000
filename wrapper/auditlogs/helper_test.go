package auditlogs_test

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

const (
	account = auditlogstest.AccountID
	token   = "Sn3Ed0Kp-test-token_7Yq"
)

// noon is when the histories of the tests start.
var noon = time.Date(2024, 10, 30, 12, 0, 0, 0, time.UTC)

// day is a window that holds them.
var day = auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}

// paged is the window in pages of so many entries.
func paged(limit int) auditlogs.Query {
	q := day
	q.Limit = &limit
	return q
}

// newFake starts a fake whose entries have the ids 0 to n-1, in the order of their times; every
// third shares the time of the one before.
func newFake(t *testing.T, n int, options ...auditlogstest.Option) *auditlogstest.Server {
	t.Helper()
	s := auditlogstest.NewServer(append([]auditlogstest.Option{auditlogstest.WithT(t)}, options...)...)
	t.Cleanup(s.Close)
	for i := range n {
		s.Add(made(i))
	}
	return s
}

// made is the entry with the id i.
func made(i int) string {
	at := noon.Add(time.Duration(i-i%3/2) * time.Second)
	return fmt.Sprintf(`{"id":"%d","action":{"time":%q,"type":"update"},"actor":{"email":"alice@example.com"}}`, i, at.Format(time.RFC3339))
}

func newClient(t *testing.T, s *auditlogstest.Server, options ...auditlogs.Option) *auditlogs.Client {
	t.Helper()
	c, err := auditlogs.New(token, append([]auditlogs.Option{
		auditlogs.WithBaseURL(s.URL), auditlogs.WithHTTPClient(s.Client()), auditlogs.WithRetry(3, time.Millisecond, time.Millisecond),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// collect reads an iterator to its end, and returns the ids and the error that it ended with. It
// fails the test where an error is not the last thing, or comes with a value.
func collect(t *testing.T, entries iter.Seq2[*auditlogs.Entry, error]) (ids []string, end error) {
	t.Helper()
	for entry, err := range entries {
		switch {
		case end != nil:
			t.Fatalf("the iteration goes on after the error %v", end)
		case err != nil && entry != nil:
			t.Fatalf("an entry comes with the error %v", err)
		case err != nil:
			end = err
		default:
			ids = append(ids, entry.ID)
		}
	}
	return ids, end
}

// counted is the ids from first to last, downwards where last is lower.
func counted(first, last int) []string {
	ids := []string{}
	for i := min(first, last); i <= max(first, last); i++ {
		ids = append(ids, fmt.Sprint(i))
	}
	if last < first {
		slices.Reverse(ids)
	}
	return ids
}

func wantIDs(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %d entries, want %d:\n got %s\nwant %s", len(got), len(want), strings.Join(got, " "), strings.Join(want, " "))
	}
}

func position(t *testing.T, err error) auditlogs.Position {
	t.Helper()
	var incomplete *auditlogs.IncompleteError
	if !errors.As(err, &incomplete) {
		t.Fatalf("%v is not an IncompleteError", err)
	}
	return incomplete.Position
}

// A doer answers requests without a server.
type doer func(*http.Request) (*http.Response, error)

func (d doer) RoundTrip(r *http.Request) (*http.Response, error) { return d(r) }
