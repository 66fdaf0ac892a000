package contract

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// ask sends a request to the fake just as it is, whether it is right or wrong, and holds the answer
// against the contract.
func ask(t *testing.T, server *auditlogstest.Server, path, query string, header http.Header) exchange {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.RawQuery = query
	request.Header = header
	response, err := server.Client().Transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	e := exchange{request: request, status: response.StatusCode, header: response.Header, body: body}
	c := mustLoad(t, server.URL)
	if err := c.CheckResponse(request, e.status, e.header, e.body); err != nil {
		t.Errorf("answer with status %d: %v\n%.300q", e.status, err, body)
	}
	return e
}

const (
	listingPath = "/accounts/" + account + "/logs/audit"
	goodQuery   = "since=2024-10-01&before=2024-10-31"
)

func authorized(extra ...string) http.Header {
	header := http.Header{"Authorization": {"Bearer " + goodToken}}
	for i := 0; i < len(extra); i += 2 {
		header.Set(extra[i], extra[i+1])
	}
	return header
}

func TestResponsesOfFake(t *testing.T) {
	history := auditlogstest.WithHistory(auditlogstest.History{Entries: 25, Since: windowStart, Before: windowEnd})
	tests := []struct {
		name    string
		options []auditlogstest.Option
		faults  []auditlogstest.Fault
		path    string // listingPath where empty
		query   string // goodQuery where empty
		header  http.Header
		want    int
	}{
		{name: "page", want: 200},
		{name: "first page", query: goodQuery + "&limit=10", want: 200},
		{name: "nothing matches", query: goodQuery + "&id=none", want: 200},
		{name: "empty window", query: "since=2000-01-01&before=2000-01-02", want: 200},
		{name: "empty page before the first", options: []auditlogstest.Option{auditlogstest.WithEmptyPages(1)}, want: 200},
		{name: "cursors.after", options: []auditlogstest.Option{auditlogstest.WithCursorsAfter()}, query: goodQuery + "&limit=3", want: 200},
		{name: "small pages", options: []auditlogstest.Option{auditlogstest.WithMaxPageSize(2)}, want: 200},
		{name: "shifting cursors", options: []auditlogstest.Option{auditlogstest.WithShiftingCursors()}, query: goodQuery + "&limit=3", want: 200},
		{name: "newest first", query: goodQuery + "&direction=desc", want: 200},

		{name: "no window", query: "limit=1", want: 400},
		{name: "nothing at all", query: "&", want: 400},
		{name: "bad date", query: "since=2024-02-31&before=2024-10-31", want: 400},
		{name: "window upside down", query: "since=2024-10-31&before=2024-10-01", want: 400},
		{name: "bad limit", query: goodQuery + "&limit=1001", want: 400},
		{name: "limit in words", query: goodQuery + "&limit=ten", want: 400},
		{name: "bad enum", query: goodQuery + "&direction=dance", want: 400},
		{name: "bad cursor", query: goodQuery + "&cursor=" + url.QueryEscape(`made "up" <b>&amp;`), want: 400},
		{name: "unknown parameter", query: goodQuery + "&" + url.QueryEscape("what\"is\nthis\x00é") + "=1", want: 400},
		{name: "repeated parameter", query: goodQuery + "&since=2024-10-01", want: 400},
		{name: "broken escape", query: goodQuery + "&actor_email=%zz", want: 400},
		{name: "invalid UTF-8", query: goodQuery + "&direction=%ff%fe", want: 400},
		{name: "many problems", query: "limit=0&direction=up&zone=1&raw_status_code=x", want: 400},
		{name: "fault 400", faults: []auditlogstest.Fault{{Status: 400}}, want: 400},

		{name: "no token", header: http.Header{}, want: 401},
		{name: "empty token", header: http.Header{"Authorization": {"Bearer "}}, want: 401},
		{name: "other scheme", header: http.Header{"Authorization": {"Basic dTpw"}}, want: 401},
		{name: "two tokens", header: http.Header{"Authorization": {"Bearer a", "Bearer b"}}, want: 401},
		{name: "fault 401", faults: []auditlogstest.Fault{{Status: 401}}, want: 401},

		{name: "unknown token", options: []auditlogstest.Option{auditlogstest.WithTokens("another")}, want: 403},
		{name: "unknown account", options: []auditlogstest.Option{auditlogstest.WithAccounts(strings.Repeat("0", 32))}, want: 403},
		{name: "fault 403", faults: []auditlogstest.Fault{{Status: 403}}, want: 403},

		{name: "malformed account", path: "/accounts/me/logs/audit", want: 404},
		{name: "account too long", path: "/accounts/" + account + "0/logs/audit", want: 404},
		{name: "account with quotes", path: "/accounts/%22%3Cb%3E%0a/logs/audit", want: 404},
		{name: "fault 404", faults: []auditlogstest.Fault{{Status: 404}}, want: 404},

		{name: "fault 429", faults: []auditlogstest.Fault{{Status: 429, Header: http.Header{"Retry-After": {"300"}}}}, want: 429},
		{name: "fault 429 without advice", faults: []auditlogstest.Fault{{Status: 429}}, want: 429},

		{name: "HTML 500", faults: []auditlogstest.Fault{{Status: 500}}, want: 500},
		{name: "HTML 502", faults: []auditlogstest.Fault{{Status: 502}}, want: 502},
		{name: "HTML 503", faults: []auditlogstest.Fault{{Status: 503}}, want: 503},
		{name: "HTML 520", faults: []auditlogstest.Fault{{Status: 520}}, want: 520},
		{name: "HTML 599", faults: []auditlogstest.Fault{{Status: 599}}, want: 599},
		{
			name:   "JSON 503",
			faults: []auditlogstest.Fault{{Status: 503, Body: `{"success":false,"errors":[{"code":1101,"message":"unavailable"}],"messages":[],"result":null}`}},
			want:   503,
		},
		{name: "count is a number", faults: []auditlogstest.Fault{{Body: string(lastPage)}}, want: 200},
	}
	for _, test := range tests {
		for _, encoding := range []string{"", "gzip"} {
			t.Run(strings.TrimSpace(test.name+" "+encoding), func(t *testing.T) {
				server := auditlogstest.NewServer(append([]auditlogstest.Option{history}, test.options...)...)
				defer server.Close()
				server.FailNext(test.faults...)
				path, query, header := test.path, test.query, test.header
				if path == "" {
					path = listingPath
				}
				if query == "" {
					query = goodQuery
				}
				if header == nil {
					header = authorized()
				}
				header = header.Clone()
				// Named either way, so that the transport does not inflate by itself and hide the
				// header.
				header.Set("Accept-Encoding", "identity")
				if encoding != "" {
					header.Set("Accept-Encoding", encoding)
				}
				e := ask(t, server, path, query, header)
				if e.status != test.want {
					t.Errorf("status %d, want %d: %.300q", e.status, test.want, e.body)
				}
				if got := e.header.Get("Content-Encoding"); got != encoding {
					t.Errorf("Content-Encoding is %q, want %q", got, encoding)
				}
				checkHeaders(t, e)
			})
		}
	}
}

var headerForms = map[string]*regexp.Regexp{
	"CF-Ray":           regexp.MustCompile(`^[0-9a-f]{16}-[A-Z]{3}$`),
	"Ratelimit":        regexp.MustCompile(`^"default";r=\d+;t=\d+$`),
	"Ratelimit-Policy": regexp.MustCompile(`^"default";q=\d+;w=\d+$`),
	"Retry-After":      regexp.MustCompile(`^\d+$`),
}

// checkHeaders looks at the headers that the contract declares as plain strings and describes in
// words.
func checkHeaders(t *testing.T, e exchange) {
	t.Helper()
	for name, form := range headerForms {
		if value := e.header.Get(name); value == "" && name != "Retry-After" || value != "" && !form.MatchString(value) {
			t.Errorf("header %s is %q, want what matches %s", name, value, form)
		}
	}
}

// TestResponseRateLimit overdraws the fake's budget.
func TestResponseRateLimit(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithRateLimit(2, time.Hour))
	defer server.Close()
	for _, want := range []int{200, 200, 429, 429} {
		e := ask(t, server, listingPath, goodQuery, authorized())
		if e.status != want {
			t.Errorf("status %d, want %d", e.status, want)
		}
		checkHeaders(t, e)
		if (e.header.Get("Retry-After") != "") != (want == 429) {
			t.Errorf("status %d with Retry-After %q", e.status, e.header.Get("Retry-After"))
		}
	}
}

// TestResponseHistory reads a long made-up history, page by page, in both directions and in both
// forms of the cursor.
func TestResponseHistory(t *testing.T) {
	const size = 2000
	history := auditlogstest.History{Seed: 7, Entries: size, Since: windowStart, Before: windowEnd, Incident: windowEnd.AddDate(0, 0, -3)}
	for _, options := range [][]auditlogstest.Option{
		nil,
		{auditlogstest.WithCursorsAfter(), auditlogstest.WithoutGzip(), auditlogstest.WithEmptyPages(2)},
	} {
		options = append(options, auditlogstest.WithHistory(history))
		for _, direction := range []string{"asc", "desc"} {
			server, recorder := fakeService(t, options...)
			query := window()
			query.Direction, query.Limit = &direction, new(300)
			entries, err := list(newClient(t, server.URL, recorder), query)
			if err != nil || len(entries) != size {
				t.Fatalf("%d entries, error %v", len(entries), err)
			}
			for _, entry := range entries {
				if entry.Err() != nil {
					t.Errorf("entry %s: %v", entry.ID, entry.Err())
				}
			}
			exchanges := recorder.last()
			var bodies [][]byte
			for _, e := range exchanges {
				body, err := Inflate(e.header, e.body)
				if err != nil {
					t.Fatal(err)
				}
				bodies = append(bodies, body)
			}
			report := Drift(pageSchema(t, recorder.contract), bodies...)
			if report.Entries != size {
				t.Errorf("the drift check saw %d entries, want %d", report.Entries, size)
			}
			// The history has the deviations that were seen in practice, and no others.
			want := map[string]bool{
				"result[].action.result": true,
			}
			for _, f := range report.Findings {
				if !want[f.Path] {
					t.Errorf("unexpected finding: %+v", f)
				}
				delete(want, f.Path)
			}
			if len(want) > 0 {
				t.Errorf("the history lacks deviations at %v", want)
			}
		}
	}
}

// TestResponseAddedEntries passes entries through the fake that need care on the way.
func TestResponseAddedEntries(t *testing.T) {
	server, recorder := fakeService(t)
	var stored []string
	for i, text := range append([]string{"</script>", "\u2028", "\U0001F680", "\x7f"}, reserved...) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		entry := fmt.Sprintf(`{"id":"%d","action":{"time":"2024-10-02T00:00:%02[1]dZ","description":%s},`+
			`"resource":{"request":%[2]s,"scope":%[2]s}}`, i, quoted)
		stored = append(stored, entry)
		server.Add(entry)
	}
	entries, err := list(newClient(t, server.URL, recorder), window())
	if err != nil || len(entries) != len(stored) {
		t.Fatalf("%d entries, want %d, error %v", len(entries), len(stored), err)
	}
	for i, entry := range entries {
		if string(entry.Raw) != stored[i] || entry.Err() != nil {
			t.Errorf("entry %d came as %s (%v), want %s", i, entry.Raw, entry.Err(), stored[i])
		}
	}
}

// TestResponseToEveryParameter asks the fake with each parameter of the contract. It must know them
// all.
func TestResponseToEveryParameter(t *testing.T) {
	history := auditlogstest.History{Entries: 200, Since: windowStart, Before: windowEnd}
	server := auditlogstest.NewServer(auditlogstest.WithHistory(history))
	defer server.Close()
	for _, p := range queryParameters(mustLoad(t)) {
		if p.Name == "cursor" || p.Required {
			continue
		}
		for _, value := range valuesOf(p) {
			query := goodQuery + "&" + url.Values{p.Name: {value}}.Encode()
			e := ask(t, server, listingPath, query, authorized("Accept-Encoding", "identity"))
			if e.status != http.StatusOK {
				t.Errorf("%s=%s: status %d: %s", p.Name, value, e.status, e.body)
			}
		}
	}
}

// TestResponseToClientErrors lets the client meet each status, and looks at what it makes of it.
func TestResponseToClientErrors(t *testing.T) {
	for status, want := range map[int]error{
		400: auditlogs.ErrInvalidQuery, 401: auditlogs.ErrUnauthorized, 403: auditlogs.ErrForbidden,
		404: auditlogs.ErrNotFound, 429: auditlogs.ErrRateLimited, 500: nil, 503: nil,
	} {
		server, recorder := fakeService(t)
		server.FailNext(auditlogstest.Fault{Status: status})
		_, err := list(newClient(t, server.URL, recorder), window())
		checkError(t, err, want, status)
	}
}
