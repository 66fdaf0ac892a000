package auditlogsreceiver

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// What is configured decides about what is requested, and so delivered.
func TestWhatIsDelivered(t *testing.T) {
	t.Parallel()
	const other = "00000000000000000000000000000001"
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where synctest starts
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"the default start", func(*Config) {}, []string{"10m"}},
		{"a start as an age", func(c *Config) { c.Start = "2d" }, []string{"36h", "10m"}},
		{"a start as a time", func(c *Config) { c.Start = now.Add(-40 * time.Hour).Format(time.RFC3339) }, []string{"36h", "10m"}},
		{"a longer look-back", func(c *Config) { c.LookBack = 48 * time.Hour }, []string{"36h", "10m"}},
		{"a filter", func(c *Config) { c.Filters = map[string][]string{"actor_email": {"alice@example.com"}} }, []string{"10m"}},
		{"a filter that excludes", func(c *Config) { c.Filters = map[string][]string{"actor_email.not": {"alice@example.com"}} }, nil},
		{"settled entries only", func(c *Config) { c.Settle = time.Hour }, nil},
		{"an organization", func(c *Config) { c.Accounts, c.Organizations = nil, []Log{{ID: other}} }, []string{"organization"}},
		{"an account and an organization", func(c *Config) { c.Organizations = []Log{{ID: other}} }, []string{"10m", "organization"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.Add(made("36h", now.Add(-36*time.Hour)), made("10m", now.Add(-10*time.Minute)))
				s.Add(fmt.Sprintf(`{"id":"organization","action":{"time":%q},"organization":{"id":%q}}`, now.Add(-time.Minute).Format(time.RFC3339), other))
				out := new(sink)
				start(t, s, newConfig(test.change), out, nil)
				time.Sleep(10 * time.Second)
				got := out.taken()
				slices.Sort(got)
				want := slices.Sorted(slices.Values(test.want))
				if !slices.Equal(got, want) {
					t.Errorf("delivered: %v, want %v", got, want)
				}
			})
		})
	}
}

// Each log is read with its own token, and a token file that is replaced counts from then on.
func TestTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second, third := fmt.Sprintf("%032x", 1), fmt.Sprintf("%032x", 2), fmt.Sprintf("%032x", 3)
		file := filepath.Join(t.TempDir(), "token")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
				t.Error(err)
			}
		}
		write("token-before")
		s := newFake(t, auditlogstest.WithTokens(token, "token-of-the-second", "token-after"))
		r := build(t, s, newConfig(func(c *Config) {
			c.Accounts = []Log{{ID: first}, {ID: second, Token: "token-of-the-second"}, {ID: third, TokenFile: file}}
		}), new(sink), nil)
		var mu sync.Mutex
		used := map[string][]string{}
		next := s.Client().Transport
		r.further = append(r.further, auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(q *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			account := strings.Split(q.URL.Path, "/")[4]
			used[account] = append(used[account], strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer "))
			return next.RoundTrip(q)
		})}))
		if err := r.Start(t.Context(), r.host); err != nil {
			t.Fatal(err)
		}
		defer r.stop(t)
		time.Sleep(15 * time.Minute)
		write("token-after")
		time.Sleep(15 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for account, want := range map[string][]string{first: {token}, second: {"token-of-the-second"}, third: {"token-before", "token-after"}} {
			if got := slices.Compact(used[account]); !slices.Equal(got, want) {
				t.Errorf("%s was read with %v, want %v", account, got, want)
			}
		}
	})
}
