package auditlogs_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A trip answers requests without a server.
type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// emptyPage is an answer without entries.
func emptyPage(header http.Header) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(`{"success":true,"result":[]}`))}
}

func newTripClient(t *testing.T, trip trip, options ...auditlogs.Option) *auditlogs.Client {
	t.Helper()
	c, err := auditlogs.New(token, append([]auditlogs.Option{auditlogs.WithHTTPClient(&http.Client{Transport: trip})}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The budget holds as the service counts, by arrival, also where that is long after the request was
// sent.
func TestPaceCountsArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		random, most, arrivals := rand.New(rand.NewPCG(1, 2)), 0, []time.Time(nil)
		c := newTripClient(t, func(*http.Request) (*http.Response, error) {
			mu.Lock()
			there := time.Duration(random.Int64N(int64(50 * time.Second)))
			mu.Unlock()
			time.Sleep(there)
			mu.Lock()
			defer mu.Unlock()
			for arrivals = append(arrivals, time.Now()); time.Since(arrivals[0]) >= 5*time.Minute; {
				arrivals = arrivals[1:]
			}
			most = max(most, len(arrivals))
			return emptyPage(nil), nil
		})
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				for range 4 {
					if _, err := collect(t, c.Account(account).Entries(t.Context(), day)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if most > 1000 {
			t.Errorf("%d requests arrived in five minutes", most)
		}
	})
}

// Whoever waits for the budget is served in turn.
func TestPaceServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		c := newTripClient(t, func(r *http.Request) (*http.Response, error) {
			order = append(order, r.URL.Query().Get("limit")) // one at a time, by the rate
			return emptyPage(nil), nil
		}, auditlogs.WithRate(1))
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				query := day
				query.Limit = new(i + 1)
				if _, err := collect(t, c.Account(account).Entries(t.Context(), query)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for i, got := range order {
			if got != strconv.Itoa(i+1) {
				t.Fatalf("number %s is served as number %d: %v", got, i+1, order)
			}
		}
	})
}

// What the service has left is spread over the time until it gives more, once that is little.
func TestPaceSpreadsWhatIsLeft(t *testing.T) {
	for _, test := range []struct {
		name      string
		remaining int
		policy    string
		least     time.Duration // between two requests
	}{
		{"enough", 700, `"default";q=1200;w=300`, 0},
		{"little", 100, `"default";q=1200;w=300`, 2 * time.Second},
		{"little, as far as is documented", 100, "", 2 * time.Second},
		{"half of a small budget", 100, `"default";q=200;w=300`, 0},
		{"nearly nothing", 2, `"default";q=1200;w=300`, 100 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				c := newTripClient(t, func(*http.Request) (*http.Response, error) {
					at = append(at, time.Now())
					header := http.Header{"Ratelimit": {fmt.Sprintf(`"default";r=%d;t=200`, test.remaining)}}
					if test.policy != "" {
						header.Set("Ratelimit-Policy", test.policy)
					}
					return emptyPage(header), nil
				})
				for range 3 {
					if _, err := collect(t, c.Account(account).Entries(t.Context(), day)); err != nil {
						t.Fatal(err)
					}
				}
				if got := at[2].Sub(at[1]); got != test.least {
					t.Errorf("%s between two requests, want %s", got, test.least)
				}
			})
		})
	}
}

// remaining collects what is left of the budget after each request.
type remaining []int64

func (r *remaining) Attempted(a auditlogs.Attempt) { *r = append(*r, a.Remaining) }
func (r *remaining) Waiting(time.Duration)         {}

// Each attempt says what the service has left.
func TestAttemptRemaining(t *testing.T) {
	headers := []http.Header{{"Ratelimit": {`"default";r=700;t=200`}}, {}, {"Ratelimit": {`"a";r=5;t=1, "b";r=3;t=1, "without a time";r=0`}}}
	var got remaining
	n := 0
	c := newTripClient(t, func(*http.Request) (*http.Response, error) {
		n++
		if n > len(headers) {
			return nil, errors.New("no network")
		}
		return emptyPage(headers[n-1]), nil
	}, auditlogs.WithObserver(&got), auditlogs.WithRate(0), auditlogs.WithRetry(1, 0, 0))
	for range len(headers) + 1 {
		_, _ = collect(t, c.Account(account).Entries(t.Context(), day))
	}
	if want := (remaining{700, -1, 3, -1}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
