package auditlogsreceiver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/plog"

	"cfaudit.example/wrapper/auditlogs"
)

const (
	isOK          = componentstatus.StatusOK
	isRecoverable = componentstatus.StatusRecoverableError
	isPermanently = componentstatus.StatusPermanentError
)

// A doer answers requests without a server.
type doer func(*http.Request) (*http.Response, error)

func (d doer) RoundTrip(r *http.Request) (*http.Response, error) { return d(r) }

// Trouble shows in the status of the receiver, and delays nothing but what it is about.
func TestStatus(t *testing.T) {
	t.Parallel()
	const trouble = 35 * time.Minute // from the start
	first, second := fmt.Sprintf("%032x", 1), fmt.Sprintf("%032x", 2)
	for _, test := range []struct {
		name     string
		refuse   []string // accounts
		status   int      // of the answers
		sink     bool     // the pipeline is down
		damaged  bool     // the state of the first account
		statuses []componentstatus.Status
		says     string
		delayed  []string // accounts whose entries wait for the end of the trouble
	}{
		{name: "none"},
		{name: "a refused token", refuse: []string{first}, status: 403, statuses: []componentstatus.Status{isPermanently}, says: "Account Settings: Read", delayed: []string{first}},
		{name: "refused tokens of all accounts", refuse: []string{first, second}, status: 401, statuses: []componentstatus.Status{isPermanently}, says: "401", delayed: []string{first, second}},
		{name: "an account that does not exist", refuse: []string{second}, status: 404, statuses: []componentstatus.Status{isPermanently}, says: "404", delayed: []string{second}},
		{name: "a service that fails", refuse: []string{first}, status: 503, statuses: []componentstatus.Status{isRecoverable, isOK}, says: "503", delayed: []string{first}},
		{name: "a pipeline that is down", sink: true, statuses: []componentstatus.Status{isRecoverable, isOK}, says: "the backend is down", delayed: []string{first, second}},
		{name: "a damaged state", damaged: true, statuses: []componentstatus.Status{isPermanently}, says: "with another name, such as cloudflare_audit/new", delayed: []string{first}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				began := time.Now()
				during := func() bool { return time.Since(began) < trouble }
				s.Add(made("1", began.Add(-time.Minute)))
				out := &sink{full: true, fail: func(int, plog.Logs) error {
					if test.sink && during() {
						return errDown
					}
					return nil
				}}
				id := component.MustNewID("file_storage")
				kept := new(storageExtension)
				if test.damaged {
					_ = kept.Set(t.Context(), "account/"+first, []byte("damaged"))
					time.AfterFunc(trouble, func() { _ = kept.Set(t.Context(), "account/"+first, nil) })
				}
				h := &host{extensions: map[component.ID]component.Component{id: kept}}
				r := build(t, s, newConfig(func(c *Config) {
					c.Accounts = []Log{{ID: first}, {ID: second}}
					c.Storage, c.AllowLossOnRestart = &id, false
					c.Start = "24h"
				}), out, h)
				next := s.Client().Transport
				r.further = append(r.further, auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(q *http.Request) (*http.Response, error) {
					for _, account := range test.refuse {
						if during() && strings.Contains(q.URL.Path, account) {
							return &http.Response{StatusCode: test.status, Header: http.Header{}, Body: http.NoBody, Request: q}, nil
						}
					}
					return next.RoundTrip(q)
				})}))
				if err := r.Start(t.Context(), h); err != nil {
					t.Fatal(err)
				}
				defer r.stop(t)
				time.Sleep(trouble - 5*time.Minute)
				for _, account := range []string{first, second} {
					if got, want := delivered(out, account), !slices.Contains(test.delayed, account); got != want {
						t.Errorf("the entry of %s is delivered during the trouble: %t, want %t", account, got, want)
					}
				}
				refused := r.sum(t, "refused")
				if want := slices.Contains(test.statuses, isPermanently); (refused > 0) != want {
					t.Errorf("%d logs are refused", refused)
				}
				time.Sleep(time.Hour)
				for _, account := range []string{first, second} {
					if !delivered(out, account) {
						t.Errorf("the entry of %s is not delivered after the trouble", account)
					}
				}
				if refused := r.sum(t, "refused"); refused != 0 {
					t.Errorf("%d logs are refused after the trouble", refused)
				}
				if got := slices.Compact(h.statuses()); !slices.Equal(got, test.statuses) {
					t.Errorf("statuses: %v, want %v", got, test.statuses)
				}
				if test.says != "" && !strings.Contains(fmt.Sprint(h.events[0].Err()), test.says) {
					t.Errorf("the status does not say %s: %v", test.says, h.events[0].Err())
				}
			})
		})
	}
}

// delivered reports whether an entry of an account was taken.
func delivered(out *sink, account string) bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	return slices.ContainsFunc(out.records, func(logs plog.Logs) bool {
		id, _ := logs.ResourceLogs().At(0).Resource().Attributes().Get("cloud.account.id")
		return id.Str() == account
	})
}
