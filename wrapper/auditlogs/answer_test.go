package auditlogs_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// What comes under status 200 is an answer only where it says so. Nothing else may pass for a page
// without entries.
func TestWhatIsAnAnswer(t *testing.T) {
	for _, test := range []struct {
		name, body string
		ids        string // of the entries, or
		err        error  // what the iteration ends with
		tries      int
	}{
		{"entries", `{"success":true,"result":[{"id":"a"},{"id":"b"}],"result_info":{"count":"2"}}`, "a b", nil, 1},
		{"errors beside success", `{"success":true,"errors":[{"message":"message"}],"result":[{"id":"a"}]}`, "a", nil, 1},
		{"odd remarks", `{"success":true,"errors":"none","messages":7,"result":[{"id":"a"}]}`, "a", nil, 1},
		{"a count that is a number", `{"success":true,"result":[{"id":"a"}],"result_info":{"count":1}}`, "a", nil, 1},
		{"null cursor", `{"success":true,"result":[{"id":"a"}],"result_info":{"cursor":null,"cursors":null}}`, "a", nil, 1},
		{"empty cursor", `{"success":true,"result":[{"id":"a"}],"result_info":{"cursor":"","cursors":{"after":""}}}`, "a", nil, 1},
		{"null result", `{"success":true,"result":null}`, "", nil, 1},
		{"no result", `{"success":true}`, "", nil, 1},
		{"success false", `{"success":false,"errors":[{"code":7,"message":"no"}],"result":[{"id":"a"}]}`, "", auditlogs.ErrMalformedResponse, 3},
		{"success missing", `{"result":[{"id":"a"}]}`, "", auditlogs.ErrMalformedResponse, 3},
		{"success null", `{"success":null,"result":[]}`, "", auditlogs.ErrMalformedResponse, 3},
		{"success in words", `{"success":"true","result":[]}`, "", auditlogs.ErrMalformedResponse, 3},
		{"nothing", ` `, "", auditlogs.ErrMalformedResponse, 3},
		{"null", `null`, "", auditlogs.ErrMalformedResponse, 3},
		{"an array", `[]`, "", auditlogs.ErrMalformedResponse, 3},
		{"HTML", `<html><body>502 Bad Gateway</body></html>`, "", auditlogs.ErrMalformedResponse, 3},
		{"cut short", `{"success":true,"result":[{"id":"a"},{"id"`, "", auditlogs.ErrMalformedResponse, 3},
		{"more after it", `{"success":true,"result":[]}{}`, "", auditlogs.ErrMalformedResponse, 3},
		{"a result that is no list", `{"success":true,"result":{"id":"a"}}`, "", auditlogs.ErrMalformedResponse, 3},
		{"a cursor that is no text", `{"success":true,"result":[],"result_info":{"cursor":7}}`, "", auditlogs.ErrMalformedResponse, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newFake(t, 0)
			for range 3 {
				s.FailNext(auditlogstest.Fault{Status: 200, Body: test.body})
			}
			got, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day))
			if strings.Join(got, " ") != test.ids || !errors.Is(err, test.err) {
				t.Errorf("got %v and the error %v", got, err)
			}
			if n := len(s.Requests()); n != test.tries {
				t.Errorf("%d requests, want %d", n, test.tries)
			}
			if err != nil && !auditlogs.Retryable(err) {
				t.Errorf("%v is said not to pass", err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		fault auditlogstest.Fault
		is    error
		says  []string
		tries int
	}{
		{auditlogstest.Fault{Status: 400, Body: `{"success":false,"errors":[{"message":"bad cursor"}]}`}, auditlogs.ErrInvalidQuery, []string{"status 400", "bad cursor"}, 1},
		{auditlogstest.Fault{Status: 401}, auditlogs.ErrUnauthorized, []string{"status 401", "token"}, 1},
		{auditlogstest.Fault{Status: 403}, auditlogs.ErrForbidden, []string{"(code 10000)", `"Account Settings: Read"`, "ray "}, 1},
		{auditlogstest.Fault{Status: 404}, auditlogs.ErrNotFound, []string{"status 404", "account ID"}, 1},
		{auditlogstest.Fault{Status: 418}, nil, []string{"status 418"}, 1},
		{auditlogstest.Fault{Status: 408}, nil, []string{"status 408", "after 3 attempts"}, 3},
		{auditlogstest.Fault{Status: 429}, auditlogs.ErrRateLimited, []string{"status 429", "after 3 attempts"}, 3},
		{auditlogstest.Fault{Status: 500}, nil, []string{"status 500", "after 3 attempts"}, 3},
		{auditlogstest.Fault{Status: 503, Body: "<html>upstream</html>"}, nil, []string{"status 503", "try again later"}, 3},
		{auditlogstest.Fault{Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/"}}}, auditlogs.ErrRedirect, []string{"status 302", "base URL"}, 1},
		{auditlogstest.Fault{Status: 403, Body: `{"success":false,"errors":[{"code":1,"message":"\u001b[31mred\nline"}]}`}, auditlogs.ErrForbidden, []string{"\uFFFD[31mred\uFFFDline"}, 1},
		{auditlogstest.Fault{Raw: []byte("garbage\r\n\r\n")}, nil, []string{"GET /accounts/" + account, "after 3 attempts"}, 3},
	} {
		t.Run(fmt.Sprint(test.fault.Status, test.fault.Body), func(t *testing.T) {
			s := newFake(t, 0)
			for range 3 {
				s.FailNext(test.fault)
			}
			got, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day))
			if len(got) != 0 || err == nil {
				t.Fatalf("got %v, %v", got, err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			for _, kind := range []error{auditlogs.ErrUnauthorized, auditlogs.ErrForbidden, auditlogs.ErrNotFound, auditlogs.ErrRateLimited, auditlogs.ErrCursorLoop, auditlogs.ErrInvalidQuery, auditlogs.ErrMalformedResponse, auditlogs.ErrRedirect, auditlogs.ErrLimitExceeded} {
				if !errors.Is(test.is, kind) && errors.Is(err, kind) {
					t.Errorf("%v is also %v", err, kind)
				}
			}
			for _, text := range append(test.says, "listing incomplete") {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
			if got := auditlogs.Retryable(err); got != (test.tries > 1) {
				t.Errorf("Retryable is %t for %v", got, err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("%q holds control characters", err)
			}
			var answered *auditlogs.Error
			if errors.As(err, &answered) && (answered.StatusCode != test.fault.Status || answered.Attempts != test.tries || answered.RayID == "") {
				t.Errorf("%+v", answered)
			}
			if n := len(s.Requests()); n != test.tries {
				t.Errorf("%d requests, want %d", n, test.tries)
			}
		})
	}
}

// A value that the contract does not list is sent, and the logger is told once for each listing.
func TestUnknownValuesAreSent(t *testing.T) {
	s := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer s.Close()
	for i := range 3 {
		s.Add(strings.Replace(made(i), `"update"`, `"logon"`, 1))
	}
	var log strings.Builder
	c := newClient(t, s, auditlogs.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	q := paged(1)
	q.ActionType, q.ActorTypeNot = []string{"create", "logon"}, []string{"robot"}
	for _, options := range [][]auditlogs.ListOption{nil, {auditlogs.Backfill()}} {
		log.Reset()
		got, err := collect(t, c.Account(account).Entries(t.Context(), q, options...))
		if err != nil || len(got) != 3 {
			t.Fatalf("%v, %v", got, err)
		}
		for _, text := range []string{"parameter=action_type value=logon known=\"[create delete view update login]\"", "parameter=actor_type.not value=robot"} {
			if strings.Count(log.String(), text) != 1 {
				t.Errorf("the log does not say once %q:\n%s", text, log.String())
			}
		}
		if strings.Count(log.String(), "not known") != 2 {
			t.Errorf("the log says more than that:\n%s", log.String())
		}
	}
}

func TestQueryIsCheckedBeforeTheFirstRequest(t *testing.T) {
	s := newFake(t, 3)
	c := newClient(t, s)
	with := func(change func(*auditlogs.Query)) auditlogs.Query {
		q := day
		change(&q)
		return q
	}
	for _, test := range []struct {
		account string
		query   auditlogs.Query
		says    []string
	}{
		{"", day, []string{"account_id", account}},
		{"..", day, []string{"account_id", `".."`, account}},
		{account[:31], day, []string{"account_id", account}},
		{account + "/x", day, []string{"account_id", account}},
		{account, auditlogs.Query{Before: "2024-10-31"}, []string{"since", "2024-10-31"}},
		{account, auditlogs.Query{Since: "2024-10-30"}, []string{"before", "2024-10-31"}},
		{account, auditlogs.Query{Since: "yesterday", Before: "2024-10-31"}, []string{"since", `"yesterday"`, "2024-10-31"}},
		{account, auditlogs.Query{Since: "2024-10-30", Before: "2024-02-31"}, []string{"before", `"2024-02-31"`}},
		{account, auditlogs.Query{Since: "2024-10-31", Before: "2024-10-31T00:00:00Z"}, []string{"since", "before"}},
		{account, auditlogs.Query{Since: "2024-10-31T02:00:00+01:00", Before: "2024-10-31"}, []string{"since", "before"}},
		{account, with(func(q *auditlogs.Query) { q.ActorType = []string{"user", ""} }), []string{"actor_type", "empty", "cloudflare_admin"}},
		{account, with(func(q *auditlogs.Query) { q.ActorIPAddress = []string{"198.51.100.0/24"} }), []string{"actor_ip_address", "ranges are not documented"}},
		{account, with(func(q *auditlogs.Query) { q.RawStatusCode = []string{"4xx"} }), []string{"raw_status_code", `"4xx"`, "whole number"}},
		{account, with(func(q *auditlogs.Query) { q.ActorEmail = []string{""} }), []string{"actor_email", "empty"}},
		{account, with(func(q *auditlogs.Query) { q.Direction = new("up") }), []string{"direction", `"up"`, "asc, desc"}},
		{account, with(func(q *auditlogs.Query) { q.Limit = new(0) }), []string{"limit", `"0"`, "from 1 to 1000"}},
		{account, with(func(q *auditlogs.Query) { q.Limit = new(1001) }), []string{"limit", `"1001"`, "from 1 to 1000"}},
	} {
		got, err := collect(t, c.Account(test.account).Entries(t.Context(), test.query))
		if len(got) > 0 || !errors.Is(err, auditlogs.ErrInvalidQuery) {
			t.Errorf("%s %+v: %v, %v", test.account, test.query, got, err)
			continue
		}
		for _, text := range test.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q does not say %q", err, text)
			}
		}
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests were made", n)
	}
	empty := with(func(q *auditlogs.Query) { q.ActorEmail, q.ActorType = []string{}, []string{} })
	if got, err := collect(t, c.Account(account).Entries(t.Context(), empty)); len(got) != 3 || err != nil {
		t.Errorf("with empty filters: %v, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	entry := `{"id":"a","resource":{"request":` + strings.Repeat(`{"x":`, 100) + `"` + strings.Repeat("y", 10_000) + `"` + strings.Repeat("}", 100) + `}}`
	cursor := strings.Repeat("c", 100)
	page := `{"success":true,"result":[` + entry + `,{}],"result_info":{"cursor":"` + cursor + `"}}`
	for _, test := range []struct {
		name   string
		limits auditlogs.Limits
	}{
		{"Body", auditlogs.Limits{Body: 100}},
		{"Inflated", auditlogs.Limits{Inflated: 10_000}},
		{"Entry", auditlogs.Limits{Entry: 10_000}},
		{"Depth", auditlogs.Limits{Depth: 101}},
		{"Cursor", auditlogs.Limits{Cursor: 99}},
		{"Entries", auditlogs.Limits{Entries: 1}},
	} {
		for _, options := range [][]auditlogstest.Option{nil, {auditlogstest.WithoutGzip()}} {
			s := newFake(t, 0, options...)
			s.FailNext(auditlogstest.Fault{Status: 200, Body: page})
			_, err := collect(t, newClient(t, s, auditlogs.WithLimits(test.limits)).Account(account).Entries(t.Context(), day))
			if !errors.Is(err, auditlogs.ErrLimitExceeded) || !strings.Contains(err.Error(), "Limits."+test.name) {
				t.Errorf("%s: %v", test.name, err)
			}
			if n := len(s.Requests()); n != 1 {
				t.Errorf("%s: %d requests: what is too large stays too large", test.name, n)
			}
		}
	}
	s := newFake(t, 0)
	s.FailNext(auditlogstest.Fault{Status: 200, Body: page})
	for got, err := range newClient(t, s).Account(account).Entries(t.Context(), day) {
		if err != nil || string(got.Raw) != entry {
			t.Errorf("%v, %v", got, err)
		}
		break
	}
}

func TestTransportThatInflatesByItself(t *testing.T) {
	s := newFake(t, 3)
	inflating := doer(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Del("Accept-Encoding")
		return s.Client().Transport.RoundTrip(r)
	})
	got, err := collect(t, newClient(t, s, auditlogs.WithHTTPClient(&http.Client{Transport: inflating})).Account(account).Entries(t.Context(), day))
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, got, counted(0, 2))
}

func TestUnknownEncodingIsRefused(t *testing.T) {
	odd := doer(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Encoding": {"br"}}, Body: io.NopCloser(strings.NewReader("x")), Request: r}, nil
	})
	_, err := collect(t, newClient(t, newFake(t, 0), auditlogs.WithHTTPClient(&http.Client{Transport: odd})).Account(account).Entries(t.Context(), day))
	if !errors.Is(err, auditlogs.ErrMalformedResponse) || !strings.Contains(err.Error(), `"br"`) {
		t.Error(err)
	}
}

// Rows without a single byte of content take far more memory than they have bytes.
func TestPageOfEmptyRows(t *testing.T) {
	s := newFake(t, 0)
	s.FailNext(auditlogstest.Fault{Status: 200, Body: `{"success":true,"result":[` + strings.Repeat("{},", 1_000_000) + `{}]}`})
	_, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day))
	if !errors.Is(err, auditlogs.ErrLimitExceeded) || !strings.Contains(err.Error(), "Limits.Entries") {
		t.Error(err)
	}
}

// A name that is repeated does not begin the count anew, and no entry under it is lost.
func TestRepeatedResult(t *testing.T) {
	s := newFake(t, 0)
	fault := auditlogstest.Fault{Status: 200, Body: `{"success":true,"result":[{"id":"a"},{"id":"b"}],"result":[{"id":"c"}]}`}
	s.FailNext(fault, fault)
	got, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day))
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, got, []string{"a", "b", "c"})
	_, err = collect(t, newClient(t, s, auditlogs.WithLimits(auditlogs.Limits{Entries: 2})).Account(account).Entries(t.Context(), day))
	if !errors.Is(err, auditlogs.ErrLimitExceeded) {
		t.Errorf("ended with %v", err)
	}
}

func TestNestingBeyondTheDecoder(t *testing.T) {
	for _, depth := range []int{1001, 9_991, 10_001, 1_000_000} {
		s := newFake(t, 0)
		s.FailNext(auditlogstest.Fault{Status: 200, Body: `{"success":true,"result":[{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}]}`})
		_, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day))
		if !errors.Is(err, auditlogs.ErrLimitExceeded) || !strings.Contains(err.Error(), "Limits.Depth") || len(s.Requests()) != 1 {
			t.Errorf("depth %d: %v after %d requests", depth, err, len(s.Requests()))
		}
	}
}

// An error is read only as far as errors go.
func TestLargeErrors(t *testing.T) {
	for _, status := range []int{200, 403} {
		s := newFake(t, 0)
		answer := auditlogstest.Fault{Status: status, Body: `{"success":false,"errors":[` + strings.Repeat(`{"code":1,"message":"x"},`, 200_000) + `{"message":"y"}]}`}
		s.FailNext(answer, answer, answer)
		_, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day))
		var answered *auditlogs.Error
		if !errors.As(err, &answered) || answered.StatusCode != status || len(answered.Details) > 0 {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestOtherSuccess(t *testing.T) {
	s := newFake(t, 0)
	none := auditlogstest.Fault{Status: 204}
	s.FailNext(none, none, none)
	if _, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day)); !errors.Is(err, auditlogs.ErrMalformedResponse) {
		t.Error(err)
	}
}
