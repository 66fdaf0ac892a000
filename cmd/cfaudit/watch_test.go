package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// A clock that is wrong is told once, where something depends on it; refusals of the service are
// too.
func TestWatch(t *testing.T) {
	const slow = "note: this machine's clock is 1h0m"
	dir := t.TempDir()
	for _, test := range []struct {
		name    string
		args    []string
		ahead   time.Duration // of the service
		refused int64         // requests that are answered with status 429 first
		want    string        // in a line of its own
	}{
		{"a list up to now", []string{"list", "--since", "1h"}, time.Hour + 3*time.Second, 0, slow},
		{"a list of given times", []string{"list", "--since", "2024-10-30", "--before", "2024-10-31"}, time.Hour, 0, ""},
		{"an export up to an age", []string{"export", "--since", "2024-10-30", "--before", "1h", "--out", filepath.Join(dir, "x.ndjson")}, time.Hour + 3*time.Second, 0, slow},
		{"a follow", []string{"follow", "--once", "--state", filepath.Join(dir, "a.state")}, time.Hour + 3*time.Second, 0, slow},
		{"the right time", []string{"list", "--since", "1h"}, 0, 0, ""},
		{"too many requests", []string{"list", "--since", "1h"}, 0, 2, "note: the service refuses all requests"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(test.ahead).UTC().Format(http.TimeFormat))
				w.Header().Set("Content-Type", "application/json")
				if requests.Add(1) <= test.refused {
					w.WriteHeader(http.StatusTooManyRequests)
				}
				fmt.Fprint(w, `{"success":true,"errors":[],"result":[],"result_info":{"count":0}}`)
			}))
			defer server.Close()
			env := map[string]string{envToken: "secret-token-of-the-test", envAccount: auditlogstest.AccountID, envBaseURL: server.URL}
			code, _, stderr := try{env: env, now: time.Now()}.run(t, test.args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if test.want == "" && (strings.Contains(stderr, "clock") || strings.Contains(stderr, "refuses")) || strings.Count(stderr, test.want) != 1 && test.want != "" {
				t.Errorf("want %q once:\n%s", test.want, stderr)
			}
		})
	}
}

// With more accounts than the budget carries, follow says by how much the interval is stretched.
// The status counts refusals.
func TestFollowStretches(t *testing.T) {
	dir := t.TempDir()
	server := auditlogstest.NewServer()
	defer server.Close()
	server.FailNext(auditlogstest.Fault{Status: http.StatusTooManyRequests})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	status := filepath.Join(dir, "status.json")
	_, _, stderr := try{ctx: ctx, env: against(server), now: time.Now()}.run(t, "follow", "--state", filepath.Join(dir, "{account}.state"),
		"--account", auditlogstest.AccountID, "--account", strings.Repeat("a", 32), "--rate", "0.01", "--interval", "2m", "--status", status)
	const want = "note: 2 logs every 2m need 1 request a minute, and the budget has 0.6: the interval is stretched to 3m20s\n"
	if !strings.Contains(stderr, want) {
		t.Errorf("want %q:\n%s", want, stderr)
	}
	data, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	var written struct {
		RateLimited int64 `json:"rate_limited"`
	}
	if err := json.Unmarshal(data, &written); err != nil || written.RateLimited != 1 {
		t.Errorf("%d refusals (%v): %s", written.RateLimited, err, data)
	}
}
