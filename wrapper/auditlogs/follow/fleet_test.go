package follow_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// A metered service counts the requests of the last five minutes as they arrive. Once there are
// more than 1200 it answers all with 429 for five minutes, as Cloudflare does. A request arrives,
// and its answer comes, a random time later, now and then a long one.
type metered struct {
	entries  int           // of each account
	span     time.Duration // over which they lie, until 5 minutes before the start
	pageSize int
	slow     bool // in the first two minutes requests take long to arrive
	start    time.Time

	mu       sync.Mutex
	random   *rand.Rand
	arrivals []time.Time
	blocked  time.Time
	underway int
	requests int
	refused  int
	most     int                    // requests in any five minutes
	latest   time.Time              // when the latest request arrived
	silence  time.Duration          // the longest without a request
	sweeps   map[string][]time.Time // when the first request of each sweep was sent, by account
	peak     uint64                 // bytes of the heap
}

const meteredBudget, meteredWindow = 1200, 5 * time.Minute

func (s *metered) RoundTrip(r *http.Request) (response *http.Response, _ error) {
	sent := time.Now()
	s.mu.Lock()
	s.underway++ // The more there are, the longer they take to arrive.
	there := time.Duration(s.random.ExpFloat64()*float64(500*time.Millisecond)) + time.Duration(s.random.Int64N(int64(s.underway)*int64(60*time.Millisecond)))
	back := time.Duration(s.random.Int64N(int64(300 * time.Millisecond)))
	if s.random.IntN(50) == 0 || s.slow && time.Since(s.start) < 2*time.Minute {
		there += time.Duration(s.random.Int64N(int64(40 * time.Second)))
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.underway--
	}()
	for i, pause := range []time.Duration{there, back} {
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		if i == 0 {
			response = s.answer(r, sent)
		}
	}
	return response, nil
}

func (s *metered) answer(r *http.Request, sent time.Time) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(s.arrivals) > 0 && now.Sub(s.arrivals[0]) >= meteredWindow {
		s.arrivals = s.arrivals[1:]
	}
	s.arrivals = append(s.arrivals, now)
	if !s.latest.IsZero() {
		s.silence = max(s.silence, now.Sub(s.latest))
	}
	s.latest = now
	s.requests++
	s.most = max(s.most, len(s.arrivals))
	if s.requests%100 == 0 {
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		s.peak = max(s.peak, memory.HeapAlloc)
	}
	if len(s.arrivals) > meteredBudget && now.After(s.blocked) {
		s.blocked = now.Add(meteredWindow)
	}
	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{
		"Content-Type": {"application/json"},
		"Date":         {now.UTC().Format(http.TimeFormat)},
		"Ratelimit": {fmt.Sprintf(`"default";r=%d;t=%d`, max(0, meteredBudget-len(s.arrivals)),
			int(s.arrivals[0].Add(meteredWindow).Sub(now)/time.Second)+1)},
		"Ratelimit-Policy": {`"default";q=1200;w=300`},
	}}
	body := []byte(`{"success":false,"errors":[{"message":"too many requests"}]}`)
	if now.Before(s.blocked) {
		s.refused++
		response.StatusCode = http.StatusTooManyRequests
		response.Header.Set("Retry-After", strconv.Itoa(int(s.blocked.Sub(now)/time.Second)+1))
	} else {
		body = s.page(r, sent)
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response
}

// page is the page that a request asks for. The cursor is the number of the next entry.
func (s *metered) page(r *http.Request, sent time.Time) []byte {
	account := strings.Split(r.URL.Path, "/")[4]
	query := r.URL.Query()
	since, _ := auditlogs.ParseTime(query.Get("since"))
	before, _ := auditlogs.ParseTime(query.Get("before"))
	at := func(i int) time.Time {
		return s.start.Add(-5*time.Minute - s.span + time.Duration(i)*(s.span/time.Duration(s.entries)))
	}
	next := 0
	if cursor := query.Get("cursor"); cursor != "" {
		next, _ = strconv.Atoi(cursor)
	} else {
		s.sweeps[account] = append(s.sweeps[account], sent)
		for next < s.entries && at(next).Before(since) {
			next++
		}
	}
	var page bytes.Buffer
	page.WriteString(`{"success":true,"errors":[],"result":[`)
	n := 0
	for ; n < s.pageSize && next < s.entries && at(next).Before(before); n++ {
		if n > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"id":"%s-%d","action":{"time":%q,"type":"update","result":"success"},"actor":{"email":"alice@example.com","type":"user"},`+
			`"resource":{"type":"zone","request":{"note":%q}}}`, account, next, at(next).UTC().Format(time.RFC3339Nano), note)
		next++
	}
	cursor := ""
	if n == s.pageSize {
		cursor = strconv.Itoa(next)
	}
	fmt.Fprintf(&page, `],"result_info":{"count":%d,"cursor":%q}}`, n, cursor)
	return page.Bytes()
}

var note = strings.Repeat("what was changed, ", 30)

// gaps are the longest time between two sweeps of an account, and the mean, from a moment on.
func (s *metered) gaps(from, until time.Time) (most, mean time.Duration) {
	var sum time.Duration
	n := 0
	for _, times := range s.sweeps {
		for i, at := range times {
			next := until // An account that is not asked again waits until the end.
			if i+1 < len(times) {
				next = times[i+1]
			}
			if at.Before(from) {
				continue
			}
			most = max(most, next.Sub(at))
			if i+1 < len(times) {
				sum += next.Sub(at)
				n++
			}
		}
	}
	return most, sum / time.Duration(max(n, 1))
}

// Nowhere is a store whose states take no memory, as those in files do not.
type nowhere struct{}

func (nowhere) Load(context.Context) ([]byte, error) { return nil, nil }
func (nowhere) Save(context.Context, []byte) error   { return nil }

// fleetVariable runs all of the fleets, which takes minutes.
const fleetVariable = "CFAUDIT_FLEET"

// However many accounts there are, the budget holds as the service counts it, and they are served
// evenly.
func TestFleetKeepsTheBudget(t *testing.T) {
	t.Parallel()
	const half = 30 * time.Minute
	for _, test := range []struct {
		name              string
		accounts, entries int
		span              time.Duration // over which the entries lie
		pageSize          int
		lasts             time.Duration
		settled           time.Duration // after which catching up is over
		alone             bool          // each follower runs by itself, and shares nothing but the client
		long              bool
	}{
		{"what the budget carries", 150, 0, 0, 1000, half, 3 * time.Minute, false, false},
		{"some to catch up, on small pages", 60, 150, 10 * time.Hour, 5, half, 12 * time.Minute, false, false},
		{"500 accounts", 500, 0, 0, 1000, half, 0, false, false},
		{"500 accounts that run by themselves", 500, 0, 0, 1000, half, 0, true, false},
		{"1500 accounts", 1500, 0, 0, 1000, half, 0, false, true},
		{"1500 accounts that run by themselves", 1500, 0, 0, 1000, half, 0, true, true},
		{"500 accounts with 2000 entries each", 500, 2000, 10 * time.Hour, 1000, half, 12 * time.Minute, false, true},
		{"100 accounts with 2000 entries each, 100 a page", 100, 2000, 10 * time.Hour, 100, half, 12 * time.Minute, false, true},
		{"1500 accounts with 2000 entries each, all of them remembered", 1500, 2000, 15 * time.Minute, 1000, 80 * time.Minute, 0, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.long && os.Getenv(fleetVariable) == "" {
				t.Skipf("takes long: make fleet, or set %s=1", fleetVariable)
			}
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := &metered{entries: test.entries, span: test.span, slow: test.alone, pageSize: test.pageSize, start: start, random: rand.New(rand.NewPCG(1, 2)), sweeps: map[string][]time.Time{}}
				client, err := auditlogs.New(token, auditlogs.WithHTTPClient(&http.Client{Transport: s}))
				if err != nil {
					t.Fatal(err)
				}
				delivered := 0
				deliver := func(_ context.Context, batch follow.Batch) error {
					delivered += len(batch.Entries)
					return nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), test.lasts)
				defer cancel()
				query := auditlogs.Query{}
				if test.entries > 0 {
					query.Since = auditlogs.Time(start.Add(-11 * time.Hour))
				}
				var followers []*follow.Follower
				for i := range test.accounts {
					f, err := follow.New(client.Account(fmt.Sprintf("%032x", i+1)), query, nowhere{})
					if err != nil {
						t.Fatal(err)
					}
					followers = append(followers, f)
				}
				if test.alone {
					var running sync.WaitGroup
					for _, f := range followers {
						running.Go(func() { _ = f.Run(ctx, deliver) })
					}
					running.Wait()
				} else {
					_ = follow.Run(ctx, deliver, followers...)
				}

				most, mean := s.gaps(start.Add(test.settled), start.Add(test.lasts))
				t.Logf("%d requests, %d in the worst five minutes; %d answered 429; %s between two sweeps at most, %s on average; %s without a request; %d MB",
					s.requests, s.most, s.refused, most.Round(time.Second), mean.Round(time.Second), s.silence.Round(time.Second), s.peak>>20)
				if s.refused > 0 || s.most > meteredBudget {
					t.Errorf("%d requests in five minutes, %d answered 429", s.most, s.refused)
				}
				if !test.alone && s.silence > time.Minute {
					t.Errorf("no request for %s: the budget was used up at once", s.silence)
				}
				if len(s.sweeps) < test.accounts || most > mean*3/2 {
					t.Errorf("%d of %d accounts were asked; one waited %s, %s on average", len(s.sweeps), test.accounts, most, mean)
				}
				if delivered != test.accounts*test.entries {
					t.Errorf("%d entries of %d were delivered", delivered, test.accounts*test.entries)
				}
				if s.peak > 300<<20 {
					t.Errorf("%d MB of memory", s.peak>>20)
				}
			})
		})
	}
}
