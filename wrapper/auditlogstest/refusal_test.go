package auditlogstest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogstest"
)

// recorder takes the place of a *testing.T.
type recorder struct{ errors []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestRefusedQueries(t *testing.T) {
	const good = "since=2024-10-30&before=2024-10-31"
	for _, test := range []struct {
		query  string
		names  string // what the message has to name
		misuse bool   // fails the test that WithT names
	}{
		{"before=2024-10-31", "since is required", false},
		{"since=2024-10-30", "before is required", false},
		{"", "since is required", false},
		{"since=&before=2024-10-31", "since", false},
		{"since=2024-10-30&before=yesterday", "before", false},
		{"since=2024-02-30&before=2024-10-31", "since", false},
		{"since=2024-10-30T1:00:00Z&before=2024-10-31", "since", false},
		{"since=2024-10-30T01:00:00&before=2024-10-31", "since", false},
		{"since=2024-10-30T01:00:00,5Z&before=2024-10-31", "since", false},
		{"since=2024-10-30T01:00:00+02:00&before=2024-10-31", "since", false}, // the plus is a space
		{"since=1730246400&before=2024-10-31", "since", false},
		{"since=2024-10-31&before=2024-10-30", "since must be earlier than before", false},
		{"since=2024-10-31&before=2024-10-31T00:00:00Z", "since must be earlier than before", false},
		{good + "&limit=0", "limit", false},
		{good + "&limit=1001", "limit", false},
		{good + "&limit=-1", "limit", false},
		{good + "&limit=", "limit", false},
		{good + "&limit=ten", "limit", false},
		{good + "&limit=1e2", "limit", false},
		{good + "&limit=99999999999999999999", "limit", false},
		{good + "&direction=up", "direction", false},
		{good + "&direction=ASC", "direction", false},
		{good + "&cursor=abc", "cursor", false},
		{good + "&cursor=", "cursor", false},
		{good + "&actor_ip_address=1.2.3", "actor_ip_address", false},
		{good + "&actor_ip_address.not=198.51.100.0/24", "ranges are not documented", false},
		{good + "&action_result=", "action_result", false},
		{good + "&raw_status_code=ok", "raw_status_code", false},
		{good + "&raw_status_code=0200", "raw_status_code", false},
		{good + "&raw_status_code=200&raw_status_code.not=%2B200", "raw_status_code.not", false},
		{good + "&actor_email=%zz", "actor_email", false},
		{good + "&actor_email=a%", "actor_email", false},
		{good + "&actor_email=a;b", "actor_email", false},
		{good + "&colour=red", "colour", true},
		{good + "&actor_email.no=a", "actor_email.no", true},
		{good + "&Limit=5", "Limit", true},
		{good + "&limit=5&limit=5", "limit", true},
		{good + "&since=2024-10-30", "since", true},
		{good + "&direction=asc&direction=desc", "direction", true},
		{"colour=red", "colour", true},
	} {
		t.Run(test.query, func(t *testing.T) {
			var record recorder
			s := newServer(t, auditlogstest.WithT(&record))
			r := do(t, s.Client(), newRequest(t, s, test.query))
			if r.status != 400 || r.Success == nil || *r.Success || len(r.Errors) == 0 || r.Errors[0].Code != 400 {
				t.Fatalf("%d %s", r.status, r.text)
			}
			if !strings.Contains(r.text, test.names) {
				t.Errorf("%s does not name %s", r.text, test.names)
			}
			if (len(record.errors) > 0) != test.misuse {
				t.Errorf("reported %q", record.errors)
			}
			if test.misuse && !strings.Contains(record.errors[0], test.names) {
				t.Errorf("reported %q, which does not name %s", record.errors, test.names)
			}
		})
	}
}

// Every enumeration, range and single value of the contract is enforced, also those that come
// later.
func TestTheWholeTableIsEnforced(t *testing.T) {
	s := newServer(t)
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if p.In != "query" {
			continue
		}
		q := window()
		if p.Enum != nil || p.Type == "integer" || p.Formats != nil {
			q.Set(p.Name, "nonsense")
			if r := get(t, s, q); r.status != 400 || !strings.Contains(r.text, p.Name+" is ") {
				t.Errorf("%s=nonsense: %d %s", p.Name, r.status, r.text)
			}
		}
		for _, value := range p.Enum {
			q.Set(p.Name, value)
			if r := get(t, s, q); r.status != 200 {
				t.Errorf("%s=%s: %d %s", p.Name, value, r.status, r.text)
			}
		}
	}
}

// What the service does with a value that the contract does not list is not documented: the fake
// takes it, or refuses it.
func TestUnknownValues(t *testing.T) {
	lenient, strict := newServer(t), newServer(t, auditlogstest.WithStrictEnums())
	for _, s := range []*auditlogstest.Server{lenient, strict} {
		s.Add(nested("1", "action.type", `"logon"`))
	}
	lists := 0
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if p.Known == nil {
			continue
		}
		lists++
		q := window()
		q.Set(p.Name, "logon")
		if r := get(t, lenient, q); r.status != 200 || len(r.Result) != 1 && p.Name == "action_type" {
			t.Errorf("%s=logon: %d %s", p.Name, r.status, r.text)
		}
		if r := get(t, strict, q); r.status != 400 || !strings.Contains(r.text, p.Name+" is ") || !strings.Contains(r.text, p.Known[0]) {
			t.Errorf("%s=logon by strict enums: %d %s", p.Name, r.status, r.text)
		}
		for _, value := range p.Known {
			q.Set(p.Name, value)
			if r := get(t, strict, q); r.status != 200 {
				t.Errorf("%s=%s by strict enums: %d %s", p.Name, value, r.status, r.text)
			}
		}
	}
	if lists < 10 {
		t.Errorf("%d filters have known values", lists)
	}
}

func TestRefusedRequests(t *testing.T) {
	const account, unknown = auditlogstest.AccountID, "00000000000000000000000000000000"
	good := "Bearer " + token
	for _, test := range []struct {
		name, method, path, authorization string
		status, code                      int
	}{
		{"good", "GET", "/accounts/" + account + "/logs/audit", good, 200, 0},
		{"good, written otherwise", "GET", "/accounts/" + account + "/logs/audit", "bearer " + token, 200, 0},
		{"no authorization", "GET", "/accounts/" + account + "/logs/audit", "", 401, 10001},
		{"no token", "GET", "/accounts/" + account + "/logs/audit", "Bearer ", 401, 10001},
		{"another scheme", "GET", "/accounts/" + account + "/logs/audit", "Basic abc", 401, 10001},
		{"two words", "GET", "/accounts/" + account + "/logs/audit", "Bearer a b", 401, 10001},
		{"wrong token", "GET", "/accounts/" + account + "/logs/audit", "Bearer wrong", 403, 10000},
		{"unknown account", "GET", "/accounts/" + unknown + "/logs/audit", good, 403, 10000},
		{"malformed account", "GET", "/accounts/abc/logs/audit", good, 404, 7003},
		{"account with a slash", "GET", "/accounts/a%2Fb/logs/audit", good, 404, 7003},
		{"empty account", "GET", "/accounts//logs/audit", good, 404, 7003},
		{"dotted account", "GET", "/accounts/../logs/audit", good, 404, 7003},
		{"slash at the end", "GET", "/accounts/" + account + "/logs/audit/", good, 404, 7003},
		{"another path", "GET", "/zones", good, 404, 7003},
		{"another method", "POST", "/accounts/" + account + "/logs/audit", good, 404, 7003},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, auditlogstest.WithT(t), auditlogstest.WithTokens("other", token),
				auditlogstest.WithAccounts(account))
			r, err := http.NewRequest(test.method, s.URL+test.path+"?since=2024-10-30&before=2024-10-31", nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			got := do(t, s.Client(), r)
			if got.status != test.status || (test.code != 0 && (len(got.Errors) != 1 || got.Errors[0].Code != test.code)) {
				t.Errorf("%d %s", got.status, got.text)
			}
			if strings.Contains(got.text, token) {
				t.Error("the answer holds the token")
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := auditlogstest.NewServer(auditlogstest.WithRateLimit(2, time.Minute))
		defer s.Close()
		ask := func(status int, limit, retryAfter string) {
			t.Helper()
			r := get(t, s, window())
			if r.status != status || r.header.Get("Ratelimit") != limit || r.header.Get("Retry-After") != retryAfter {
				t.Errorf("%d %v", r.status, r.header)
			}
			if policy := r.header.Get("Ratelimit-Policy"); policy != `"default";q=2;w=60` {
				t.Error(policy)
			}
		}
		ask(200, `"default";r=1;t=60`, "")
		time.Sleep(20500 * time.Millisecond)
		ask(200, `"default";r=0;t=40`, "")
		time.Sleep(39 * time.Second)
		ask(429, `"default";r=0;t=60`, "60")
		time.Sleep(59500 * time.Millisecond)
		ask(429, `"default";r=0;t=1`, "1")
		time.Sleep(500 * time.Millisecond)
		ask(200, `"default";r=1;t=60`, "")
		ask(200, `"default";r=0;t=60`, "")
		time.Sleep(time.Minute)
		ask(200, `"default";r=1;t=60`, "")
	})
}

func TestRequestsNeverHoldTheToken(t *testing.T) {
	s := newServer(t)
	get(t, s, window("actor_email", "a", "actor_email", "b"))
	s.FailNext(auditlogstest.Fault{Status: 503})
	get(t, s, window("limit", "5"))
	got := s.Requests()
	if text := fmt.Sprintf("%+v %+v", got, s); strings.Contains(text, token) {
		t.Error("a request holds the token")
	}
	if len(got) != 2 || got[0].Status != 200 || got[1].Status != 503 || got[0].Method != "GET" ||
		len(got[0].Query["actor_email"]) != 2 || got[1].URL.Query().Get("limit") != "5" ||
		got[0].Header.Get("Authorization") != "REDACTED" || time.Since(got[0].Time) > time.Minute ||
		!strings.HasPrefix(got[0].URL.Path, "/client/v4/accounts/") {
		t.Errorf("%+v", got)
	}
	got[0].Header.Set("Authorization", "changed")
	got[0].Query.Set("since", "changed")
	got[0].URL.Path = "changed"
	if text := fmt.Sprintf("%+v %s", s.Requests(), s.Requests()[0].URL); strings.Contains(text, "changed") {
		t.Error("a change of the result reached the server")
	}
}

func TestOptionsWithWrongValuesPanic(t *testing.T) {
	now, negative := time.Now(), auditlogstest.History{Entries: -1}
	for name, option := range map[string]func() auditlogstest.Option{
		"WithT":           func() auditlogstest.Option { return auditlogstest.WithT(nil) },
		"WithHistory":     func() auditlogstest.Option { return auditlogstest.WithHistory(negative) },
		"WithTokens":      func() auditlogstest.Option { return auditlogstest.WithTokens("") },
		"WithAccounts":    func() auditlogstest.Option { return auditlogstest.WithAccounts("abc") },
		"WithMaxPageSize": func() auditlogstest.Option { return auditlogstest.WithMaxPageSize(0) },
		"WithRateLimit":   func() auditlogstest.Option { return auditlogstest.WithRateLimit(1, 0) },
		"WithLatency":     func() auditlogstest.Option { return auditlogstest.WithLatency(-1) },
		"WithEmptyPages":  func() auditlogstest.Option { return auditlogstest.WithEmptyPages(0) },
		"WithHistory: Since": func() auditlogstest.Option {
			return auditlogstest.WithHistory(auditlogstest.History{Since: now, Before: now})
		},
	} {
		if got := panics(func() { newServer(t, option()) }); !strings.HasPrefix(got, "auditlogstest: "+name) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
