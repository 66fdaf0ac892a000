package follow_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// A token that is refused ends a run that has read nothing yet, in any account. Later, or as long
// as another account can be read, it is tried again every ten minutes, and nothing is missed.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	never, always := [2]time.Duration{-1, -1}, [2]time.Duration{0, 100 * time.Hour}
	for _, test := range []struct {
		name     string
		status   int
		refused  [][2]time.Duration // of each account: from when until when
		ends     bool
		requests int // of the first account that are refused
	}{
		{"at the start", 403, [][2]time.Duration{always}, true, 1},
		{"at the start, in all accounts", 401, [][2]time.Duration{always, always}, true, 1},
		{"at the start, in one of two accounts", 403, [][2]time.Duration{{0, 35 * time.Minute}, never}, false, 4},
		{"at the start, in one of two accounts, for good", 403, [][2]time.Duration{always, never}, false, 12},
		{"later", 401, [][2]time.Duration{{5*time.Minute + time.Second, 45 * time.Minute}}, false, 4},
		{"later, in all accounts", 403, [][2]time.Duration{{301 * time.Second, 45 * time.Minute}, {301 * time.Second, 45 * time.Minute}}, false, 4},
		{"at the start, and later in the other account", 403, [][2]time.Duration{{0, 15 * time.Minute}, {20 * time.Minute, 55 * time.Minute}}, false, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				start := time.Now()
				for i := range 118 {
					s.Add(made(i, start.Add(time.Duration(i)*time.Minute)))
				}
				next := s.Client().Transport
				var mu sync.Mutex
				refused := map[string]int{}
				client := newClient(t, s, auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
					for i, span := range test.refused {
						since := time.Since(start)
						if id := fmt.Sprintf("%032x", i+1); strings.Contains(r.URL.Path, id) && since >= span[0] && since < span[1] {
							mu.Lock()
							refused[id]++
							mu.Unlock()
							return &http.Response{StatusCode: test.status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
						}
					}
					return next.RoundTrip(r)
				})}))
				followers := newFollowers(t, client, auditlogs.Query{Since: auditlogs.Time(start.Add(-time.Second))}, len(test.refused))
				ctx, cancel := context.WithTimeout(t.Context(), 119*time.Minute)
				defer cancel()
				got := map[string][]string{}
				deliver := func(_ context.Context, batch follow.Batch) error {
					for _, e := range batch.Entries {
						got[batch.Log.String()] = append(got[batch.Log.String()], string(e.Raw))
					}
					return nil
				}
				err := follow.Run(ctx, deliver, followers...)
				if ended := ctx.Err() == nil; ended != test.ends || ended && !errors.Is(err, auditlogs.ErrForbidden) && !errors.Is(err, auditlogs.ErrUnauthorized) {
					t.Errorf("it ended by itself: %t, with %v; want %t", ended, err, test.ends)
				}
				for i, span := range test.refused {
					id := fmt.Sprintf("%032x", i+1)
					if i == 0 && refused[id] != test.requests {
						t.Errorf("%d requests were refused: want %d", refused[id], test.requests)
					}
					if span != always {
						wantAll(t, got["account "+id], stored(s), false)
					}
					if h := followers[i].Health(); h.Refused != (span == always) || span != never && !strings.Contains(h.LastError, fmt.Sprint(test.status)) {
						t.Errorf("%+v", h)
					}
				}
			})
		})
	}
}
