package contract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

const (
	account     = auditlogstest.AccountID
	operationID = "listAccountAuditLogs"
	goodToken   = "v1_0-Good.token~for/the+tests="
)

var (
	windowStart = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)
	windowEnd   = time.Date(2024, 10, 31, 0, 0, 0, 0, time.UTC)
)

// mustLoad reads the contract for a base URL.
func mustLoad(t testing.TB, servers ...string) *Contract {
	t.Helper()
	c, err := Load(servers...)
	if err != nil {
		t.Fatal(err)
	}
	c.heard = func(v verdict) { compareOpinions(t, c, v) }
	return c
}

// pageSchema is the schema of an answer with status 200.
func pageSchema(t testing.TB, c *Contract) *openapi3.Schema {
	t.Helper()
	schema, err := c.ResponseSchema(operationID, http.StatusOK)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func entrySchema(t testing.TB, c *Contract) *openapi3.Schema {
	t.Helper()
	return pageSchema(t, c).Properties["result"].Value.Items.Value
}

// queryParameters are the parameters of the account's listing, as the document itself has them.
func queryParameters(c *Contract) []*openapi3.Parameter { return queryParametersOf(c, operationID) }

func queryParametersOf(c *Contract, id string) []*openapi3.Parameter {
	var out []*openapi3.Parameter
	for _, ref := range c.Operation(id).Parameters {
		if ref.Value.In == openapi3.ParameterInQuery {
			out = append(out, ref.Value)
		}
	}
	return out
}

// fieldOf is the field of an entry that a filter looks at; empty for other parameters.
func fieldOf(p *openapi3.Parameter) string {
	field, _ := p.Extensions["x-field"].(string)
	return field
}

// joins is the filter to which a filter with names for sets of values adds these; empty for other
// parameters.
func joins(p *openapi3.Parameter) string {
	other, _ := p.Extensions["x-joins"].(string)
	return other
}

// valuesOf returns good values of a parameter.
func valuesOf(p *openapi3.Parameter) []string {
	schema := p.Schema.Value
	if schema.Items != nil {
		schema = schema.Items.Value
	}
	switch {
	case schema.Example != nil:
		return []string{fmt.Sprint(schema.Example)}
	case schema.Format == "date-time":
		return []string{"2024-10-30T08:30:00.123456789+05:30"}
	case len(schema.Enum) > 0:
		return KnownValues(schema)
	case KnownValues(schema) != nil:
		return append(KnownValues(schema), "not-known-yet")
	case schema.Type.Is(openapi3.TypeInteger):
		values := []string{"200", "404"}
		if schema.Max != nil {
			values = []string{"1", "100", "1000"}
		}
		return values
	case len(schema.AnyOf) > 0:
		if schema.AnyOf[0].Value.Format == "ipv4" {
			return []string{"198.51.100.7", "2001:db8::7"}
		}
		return []string{"2024-10-30", "2024-10-30T08:30:00.123456789+05:30"}
	}
	return []string{"plain", "second-value"}
}

// reserved are values with everything that has a meaning in a URL, and some that have one
// elsewhere.
var reserved = []string{
	"a&b=c", "+", "100%", "%41", "#top", "?what", "/up/../down", "a;b", "two words", " edges ", "Zoë 東京 🚀",
	`"double" 'single'`, "line\nbreak", "tab\there", "a,b|c", "[0]", "null", "*", "\x00", "\\", "alice+audit@example.com",
}

// An exchange is one request and its answer, as they were on the wire.
type exchange struct {
	request *http.Request
	values  url.Values // the query, decoded
	status  int
	header  http.Header
	body    []byte
}

// A recorder is a transport that validates all traffic against the contract.
type recorder struct {
	t        testing.TB
	contract *Contract
	next     http.RoundTripper
	lenient  bool // only record

	mu        sync.Mutex
	exchanges []exchange
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	e := exchange{request: request.Clone(context.Background())}
	var err error
	if e.values, err = r.contract.CheckRequest(e.request); err != nil && !r.lenient {
		r.t.Errorf("request %s: %v", request.URL, err)
	}
	response, err := r.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	e.status, e.header = response.StatusCode, response.Header.Clone()
	e.body, err = io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil && !r.lenient {
		r.t.Errorf("body of %s: %v", request.URL, err)
	}
	response.Body = io.NopCloser(bytes.NewReader(e.body))
	if !r.lenient {
		if err := r.contract.CheckResponse(e.request, e.status, e.header, e.body); err != nil {
			r.t.Errorf("answer to %s with status %d: %v", request.URL, e.status, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, e)
	return response, nil
}

// last returns the exchanges since the last call.
func (r *recorder) last() []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.exchanges
	r.exchanges = nil
	return out
}

// transport is a function that answers requests.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is a transport that always gives the same answer.
func answering(status int, header http.Header, body []byte) transport {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Header: header.Clone(), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	}
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {jsonType}} }

// newClient makes a client that does not wait and does not retry.
func newClient(t testing.TB, base string, next http.RoundTripper, options ...auditlogs.Option) *auditlogs.Client {
	t.Helper()
	options = append([]auditlogs.Option{
		auditlogs.WithBaseURL(base),
		auditlogs.WithHTTPClient(&http.Client{Transport: next}),
		auditlogs.WithRate(0),
		auditlogs.WithRetry(1, 0, 0),
		auditlogs.WithMaxWait(0),
	}, options...)
	client, err := auditlogs.New(goodToken, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// fakeService starts a fake whose traffic is all validated against the contract.
func fakeService(t testing.TB, options ...auditlogstest.Option) (*auditlogstest.Server, *recorder) {
	t.Helper()
	server := auditlogstest.NewServer(append([]auditlogstest.Option{auditlogstest.WithT(t)}, options...)...)
	t.Cleanup(server.Close)
	return server, &recorder{t: t, contract: mustLoad(t, server.URL), next: server.Client().Transport}
}

func window() auditlogs.Query {
	return auditlogs.Query{Since: auditlogs.Time(windowStart), Before: auditlogs.Time(windowEnd)}
}

// list reads a listing to its end.
func list(client *auditlogs.Client, query auditlogs.Query) (entries []*auditlogs.Entry, err error) {
	return collect(client.Account(account).Entries(context.Background(), query))
}

// listHistory reads a history to its end.
func listHistory(client *auditlogs.Client) (entries []*auditlogs.Entry, err error) {
	query := auditlogs.HistoryQuery{ActionTime: auditlogs.Time(windowStart), Since: auditlogs.Time(windowStart), Before: auditlogs.Time(windowEnd)}
	return collect(client.Account(account).History(context.Background(), "f174be97-19b1-40d6-954d-70cd5fbd52db", query))
}

func collect(listed iter.Seq2[*auditlogs.Entry, error]) (entries []*auditlogs.Entry, err error) {
	for entry, err := range listed {
		if err != nil {
			return entries, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func testdata(t testing.TB, name ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// documentFilters are the filters that Cloudflare's reference lists.
func documentFilters(t testing.TB) []string {
	t.Helper()
	filters := strings.Fields(string(testdata(t, "document_filters.txt")))
	slices.Sort(filters)
	return filters
}
