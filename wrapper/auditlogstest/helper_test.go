package auditlogstest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

const token = "secret-token"

// window is a query that covers a day.
func window(pairs ...string) url.Values {
	q := url.Values{"since": {"2024-10-30"}, "before": {"2024-10-31"}}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return q
}

// at makes an entry of that day.
func at(id, clock string) string {
	return fmt.Sprintf(`{"id":%q,"action":{"time":"2024-10-30T%sZ"}}`, id, clock)
}

type reply struct {
	status int
	header http.Header
	text   string
	Errors []struct {
		Code    int
		Message string
	}
	Result     []json.RawMessage
	ResultInfo struct {
		Count   any
		Cursor  *string
		Cursors *struct{ After *string }
		Status  string `json:"history_status"`
	} `json:"result_info"`
	Success *bool
}

func (r *reply) cursor() string {
	if r.ResultInfo.Cursor == nil {
		return ""
	}
	return *r.ResultInfo.Cursor
}

func (r *reply) ids() string {
	var ids []string
	for _, raw := range r.Result {
		var e struct{ ID string }
		_ = json.Unmarshal(raw, &e)
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, " ")
}

func newServer(t *testing.T, opts ...auditlogstest.Option) *auditlogstest.Server {
	t.Helper()
	s := auditlogstest.NewServer(opts...)
	t.Cleanup(s.Close)
	return s
}

func newRequest(t *testing.T, s *auditlogstest.Server, rawQuery string) *http.Request {
	t.Helper()
	return newRequestTo(t, s, ofAccount, rawQuery)
}

// The paths of the logs.
const (
	ofAccount      = "/accounts/" + auditlogstest.AccountID + "/logs/audit"
	ofOrganization = "/organizations/" + auditlogstest.OrganizationID + "/logs/audit"
)

func newRequestTo(t *testing.T, s *auditlogstest.Server, path, rawQuery string) *http.Request {
	t.Helper()
	address := s.URL + path + "?" + rawQuery
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func do(t *testing.T, c *http.Client, r *http.Request) *reply {
	t.Helper()
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := &reply{status: response.StatusCode, header: response.Header, text: string(text)}
	if strings.HasPrefix(out.header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	return out
}

func get(t *testing.T, s *auditlogstest.Server, q url.Values) *reply {
	t.Helper()
	return do(t, s.Client(), newRequest(t, s, q.Encode()))
}

func getFrom(t *testing.T, s *auditlogstest.Server, path string, q url.Values) *reply {
	t.Helper()
	return do(t, s.Client(), newRequestTo(t, s, path, q.Encode()))
}

func mustTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// pages follows the cursors to the end, and returns the IDs of each page.
func pages(t *testing.T, s *auditlogstest.Server, q url.Values) []string {
	t.Helper()
	return pagesOf(t, s, ofAccount, q)
}

func pagesOf(t *testing.T, s *auditlogstest.Server, path string, q url.Values) []string {
	t.Helper()
	var out []string
	for range 1000 {
		r := getFrom(t, s, path, q)
		if r.status != http.StatusOK {
			t.Fatalf("status %d: %s", r.status, r.text)
		}
		out = append(out, r.ids())
		cursor := r.cursor()
		if c := r.ResultInfo.Cursors; c != nil && c.After != nil {
			cursor = *c.After
		}
		if cursor == "" {
			return out
		}
		q.Set("cursor", cursor)
	}
	t.Fatal("the listing does not end")
	return nil
}

// panics returns what f panics with.
func panics(f func()) (message string) {
	defer func() {
		if r := recover(); r != nil {
			message = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}
