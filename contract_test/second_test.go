package contract

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
)

// Everything that the tests validate against the contract, the right and the spoiled, is judged
// twice. Where only one of the validators finds fault, each of its faults has to be of a kind that
// is listed here, with the reason.
var disagreements = []disagreement{
	{
		name:    "query that is none",
		reason:  "the second reads a query as leniently as net/url does, and drops what it cannot read",
		first:   `characters or escapes that a query cannot hold`,
		example: queried(goodQuery + "&actor_email=%zz"),
	},
	{
		name:    "empty value",
		reason:  "for the second an empty text is a text; no parameter of this API means anything by it",
		first:   `has an empty value|empty value is not allowed`,
		example: queried(goodQuery + "&actor_email="),
	},
	{
		name:    "repeated scalar",
		reason:  "the second looks at one value only",
		first:   `given \d+ times, and takes one value`,
		example: queried(goodQuery + "&limit=5&limit=6"),
	},
	{
		name:   "list in one value",
		reason: "the second splits what is not escaped at commas, and trims it, also where lists are written by repeating the name",
		first:  `not one of the allowed values|an invalid integer`,
		when: func(v verdict) bool {
			for _, values := range v.request.URL.Query() {
				if slices.ContainsFunc(values, func(s string) bool { return strings.ContainsAny(s, ", ") }) {
					return true
				}
			}
			return false
		},
		example: queried(goodQuery + "&raw_status_code=200%2C404"),
	},
	{
		name:    "address in a list",
		reason:  "the second does not look into the forms that the items of a list in a query may have",
		first:   `^parameter "actor_ip_address(\.not)?" in query has an error: /[0-9]+: doesn't match any schema from "anyOf"`,
		when:    func(v verdict) bool { return strings.Contains(v.request.URL.RawQuery, "actor_ip_address") },
		example: queried(goodQuery + "&actor_ip_address=198.51.100.0%2F24"),
	},
	{
		name:    "empty pair",
		reason:  "the second drops it, as net/url does",
		first:   `^parameter "" in query: not one that the contract knows`,
		when:    func(v verdict) bool { return !strings.Contains(v.request.URL.RawQuery, "&=") },
		example: queried(goodQuery + "&"),
	},
	{
		name:    "user or fragment",
		reason:  "neither is sent, and the second looks at what is sent",
		first:   `^URL: holds a user or a fragment`,
		example: requested(func(r *http.Request) { r.URL.User = url.User("u") }),
	},
	{
		name:    "announced body",
		reason:  "the second reads the body, and these requests only announce one",
		first:   `^request: has a body|^request body not allowed`,
		when:    func(v verdict) bool { return v.request.Body == nil || v.request.Body == http.NoBody },
		example: requested(func(r *http.Request) { r.ContentLength = 3 }),
	},
	{
		name:   "escapes in the path",
		reason: "the second decodes the path before it looks",
		first:  `^path: holds escapes|^parameter "(\w+_)?id" in path has an error`,
		when:   func(v verdict) bool { return v.request.URL.RawPath != "" },
		example: requested(func(r *http.Request) {
			r.URL.Path, r.URL.RawPath = "/client/v4"+listingPath, "/client/v4/accounts/%34"+account[1:]+"/logs/audit"
		}),
	},
	{
		name:   "no value in the body",
		reason: "the second does not look at bodies that are empty or null",
		first:  `^body: not JSON: unexpected EOF|^failed to decode response body: EOF|Value is not nullable$`,
		when: func(v verdict) bool {
			body := strings.TrimSpace(string(v.answer.body))
			return body == "" || body == "null"
		},
		example: replied(jsonHeader(), "null"),
	},
	{
		name:    "small letters in a time",
		reason:  "RFC 3339 allows them, and no reader of this API needs to know",
		first:   `doesn't match the format "date-time"`,
		when:    func(v verdict) bool { return regexp.MustCompile(`\dt\d\d:\d\d:\d\dz`).Match(v.answer.body) },
		example: replied(jsonHeader(), `{"success":true,"result":[{"action":{"time":"2024-10-30t08:30:00z"}}]}`),
	},
	{
		name:    "content type",
		reason:  "the second looks at the first one given, and at what stands before its parameters",
		first:   `^header Content-Type: (given 2 times|parameter charset is not|mime: invalid media parameter)`,
		example: replied(http.Header{"Content-Type": {jsonType + "; charset=latin1"}}, `{"success":true}`),
	},
	{
		name:    "bytes that are not UTF-8",
		reason:  "encoding/json, which the second reads with, replaces them",
		first:   `^body: not UTF-8`,
		example: replied(jsonHeader(), "{\"success\":true,\"result\":[{\"id\":\"\xff\"}]}"),
	},
	{
		name:    "repeated name",
		reason:  "encoding/json, which the second reads with, keeps the last one",
		first:   `^body: /.* is given twice`,
		example: replied(jsonHeader(), `{"success":false,"success":true}`),
	},
	{
		name:   "unknown field",
		reason: "the contract is open, and strict mode is not; the closed copy of the contract sides with strict mode",
		second: `^response property '.*' at '.*' is not declared in schema`,
		when: func(v verdict) bool {
			closed, err := closedContract()
			return err == nil && closed.CheckResponse(v.request, v.answer.status, v.answer.header, v.answer.body) != nil
		},
		example: replied(jsonHeader(), `{"success":true,"result":[{"resource":{"volume":1}}]}`),
	},
}

// A disagreement is a kind of fault that only one validator finds.
type disagreement struct {
	name, reason  string
	first, second string             // a pattern of a line that only this one says
	when          func(verdict) bool // narrows it further; nil for always
	example       func(*testing.T) verdict
}

// explained reports whether one of the disagreements explains each line that only one validator
// says.
func explained(v verdict, second error, among ...disagreement) bool {
	said, pattern := v.err, func(d disagreement) string { return d.first }
	if said == nil {
		said, pattern = second, func(d disagreement) string { return d.second }
	}
	for line := range strings.Lines(said.Error()) {
		if !slices.ContainsFunc(among, func(d disagreement) bool {
			return pattern(d) != "" && regexp.MustCompile(pattern(d)).MatchString(strings.TrimSuffix(line, "\n")) &&
				(d.when == nil || d.when(v))
		}) {
			return false
		}
	}
	return true
}

func requested(change func(*http.Request)) func(*testing.T) verdict {
	return func(t *testing.T) verdict {
		r := goodRequest(t)
		change(r)
		_, err := unheard(t).CheckRequest(r)
		return verdict{request: r, err: err}
	}
}

func queried(query string) func(*testing.T) verdict {
	return requested(func(r *http.Request) { r.URL.RawQuery = query })
}

func replied(header http.Header, body string) func(*testing.T) verdict {
	return func(t *testing.T) verdict {
		r := goodRequest(t)
		err := unheard(t).CheckResponse(r, http.StatusOK, header, []byte(body))
		return verdict{request: r, answer: &answered{http.StatusOK, header, []byte(body)}, err: err}
	}
}

// unheard is a contract whose verdicts go no further.
func unheard(t *testing.T) *Contract {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDisagreements shows that each reason is still one, and tells when a validator has changed its
// mind.
func TestDisagreements(t *testing.T) {
	for _, d := range disagreements {
		t.Run(d.name, func(t *testing.T) {
			v := d.example(t)
			second := secondOf(t, v)
			if (v.err == nil) == (second == nil) {
				t.Errorf("both say %v and %v: they no longer disagree because %s", v.err, second, d.reason)
			} else if !explained(v, second, d) {
				t.Errorf("the first says %v, the second %v: that is not because %s", v.err, second, d.reason)
			}
		})
	}
}

// TestSecondOpinion shows that the second opinion has one: it refuses most of what the first
// refuses.
func TestSecondOpinion(t *testing.T) {
	for name, example := range map[string]func(*testing.T) verdict{
		"no window":         queried("limit=5"),
		"31 February":       queried("since=2024-02-31&before=2024-10-31"),
		"limit":             queried(goodQuery + "&limit=1001"),
		"value":             queried(goodQuery + "&direction=dance"),
		"unknown parameter": queried(goodQuery + "&zone=x"),
		"no token":          requested(func(r *http.Request) { r.Header.Del("Authorization") }),
		"account":           requested(func(r *http.Request) { r.URL.Path = "/client/v4/accounts/me/logs/audit" }),
		"host":              requested(func(r *http.Request) { r.URL.Host, r.Host = "example.com", "example.com" }),
		"type":              replied(jsonHeader(), `{"success":true,"result":[{"raw":{"status_code":"200"}}]}`),
		"time":              replied(jsonHeader(), `{"success":true,"result":[{"action":{"time":"2024-02-31T00:00:00Z"}}]}`),
		"failure":           replied(jsonHeader(), `{"success":false,"errors":[{"message":"x"}]}`),
		"HTML":              replied(http.Header{"Content-Type": {"text/html"}}, "<html></html>"),
		"trailing bytes":    replied(jsonHeader(), `{"success":true}{}`),
	} {
		t.Run(name, func(t *testing.T) {
			v := example(t)
			if second := secondOf(t, v); second == nil || v.err == nil {
				t.Errorf("the first says %v, the second %v, and both should refuse it", v.err, second)
			}
		})
	}
}

var (
	secondOpinion  = sync.OnceValues(NewSecondOpinion)
	closedContract = sync.OnceValues(func() (*Contract, error) { return LoadClosed() })
)

func secondOf(t testing.TB, v verdict) error {
	t.Helper()
	second, err := secondOpinion()
	if err != nil {
		t.Fatal(err)
	}
	if v.answer == nil {
		return second.Request(v.request)
	}
	return second.Response(v.request, v.answer.status, v.answer.header, v.answer.body)
}

// compareOpinions fails the test where the validators disagree, and it is not known why. The second
// one knows the service's own base URL only.
func compareOpinions(t testing.TB, c *Contract, v verdict) {
	t.Helper()
	if rest, ok := strings.CutPrefix(v.request.URL.String(), c.Doc.Servers[0].URL); ok && c.Doc.Servers[0].URL != auditlogs.DefaultBaseURL {
		elsewhere, err := url.Parse(auditlogs.DefaultBaseURL + rest)
		if err != nil {
			t.Fatal(err)
		}
		request := v.request.Clone(v.request.Context())
		request.URL, request.Host = elsewhere, elsewhere.Host
		v.request = request
	}
	second := secondOf(t, v)
	if (v.err == nil) != (second == nil) && !explained(v, second, disagreements...) {
		t.Errorf("the validators disagree on %s %s:\nfirst: %v\nsecond: %v", v.request.Method, v.request.URL, v.err, second)
		if v.answer != nil {
			t.Logf("status %d, headers %v, %.500q", v.answer.status, v.answer.header, v.answer.body)
		}
	}
}
