package follow_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

// newFollowers makes a follower for each of several accounts, all of which see the same entries.
func newFollowers(t *testing.T, client *auditlogs.Client, query auditlogs.Query, n int) (followers []*follow.Follower) {
	t.Helper()
	for i := range n {
		f, err := follow.New(client.Account(fmt.Sprintf("%032x", i+1)), query, &memoryStore{})
		if err != nil {
			t.Fatal(err)
		}
		followers = append(followers, f)
	}
	return followers
}

// However many followers there are, a few read at a time, and all get their turn.
func TestFewReadAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, auditlogstest.WithLatency(time.Second))
		for i := range 30 {
			s.Add(made(i, time.Now().Add(-10*time.Minute)))
		}
		var mu sync.Mutex
		reading := map[string]int{} // requests under way, by account
		most := 0
		next := s.Client().Transport
		client := newClient(t, s, auditlogs.WithRate(0), auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			reading[r.URL.Path]++
			most = max(most, len(reading))
			mu.Unlock()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				if reading[r.URL.Path]--; reading[r.URL.Path] == 0 {
					delete(reading, r.URL.Path)
				}
			}()
			return next.RoundTrip(r)
		})}))
		delivered := map[string]int{}
		deliver := func(_ context.Context, batch follow.Batch) error {
			delivered[batch.Log.String()] += len(batch.Entries)
			return nil
		}
		if err := follow.CatchUp(t.Context(), deliver, newFollowers(t, client, auditlogs.Query{Limit: new(10)}, 40)...); err != nil {
			t.Fatal(err)
		}
		if most > 8 {
			t.Errorf("%d accounts are read at a time", most)
		}
		for account, n := range delivered {
			if n != 30 {
				t.Errorf("%d entries of account %s", n, account)
			}
		}
		if len(delivered) != 40 {
			t.Errorf("%d accounts", len(delivered))
		}
	})
}

// Accounts with much to catch up share their turns: none waits until another one is done. What is
// read in several turns is complete.
func TestLongSweepsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, auditlogstest.WithLatency(time.Second))
		const entries, accounts = 130, 20
		for i := range entries {
			s.Add(made(i, time.Now().Add(time.Duration(i)*time.Minute-20*time.Hour)))
		}
		query := auditlogs.Query{Limit: new(1), Since: auditlogs.Time(time.Now().Add(-24 * time.Hour))}
		delivered := map[string][]string{}
		deliver := func(_ context.Context, batch follow.Batch) error {
			for _, e := range batch.Entries {
				delivered[batch.Log.String()] = append(delivered[batch.Log.String()], string(e.Raw))
			}
			if len(delivered[batch.Log.String()]) < entries {
				return nil
			}
			for account, some := range delivered {
				if len(some) < 50 {
					t.Errorf("an account is done, and %s has %d entries", account, len(some))
				}
			}
			if len(delivered) < accounts {
				t.Errorf("an account is done, and %d others have nothing", accounts-len(delivered))
			}
			return nil
		}
		if err := follow.CatchUp(t.Context(), deliver, newFollowers(t, newClient(t, s, auditlogs.WithRate(0)), query, accounts)...); err != nil {
			t.Fatal(err)
		}
		for _, got := range delivered {
			wantAll(t, got, stored(s), false)
		}
	})
}
