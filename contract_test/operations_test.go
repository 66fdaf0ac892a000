package contract

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// The tests of this file do for the operations beside the listing of an account what the others do
// for that one: the client's requests and the fake's answers are validated against the contract.

const organization = auditlogstest.OrganizationID

// operationsService starts a fake with an entry about a resource in each log.
func operationsService(t *testing.T) (*auditlogstest.Server, *auditlogs.Client, *recorder) {
	server, recorder := fakeService(t)
	entry := `{"id":"e1","action":{"time":"2024-10-30T12:00:00Z"},"resource":{"id":"r1"}`
	server.Add(entry+"}", entry+`,"organization":{"id":"`+organization+`"}}`)
	return server, newClient(t, server.URL, recorder), recorder
}

// sentAs compares the only request that was sent with what was wanted.
func sentAs(t *testing.T, recorder *recorder, path string, want url.Values) {
	t.Helper()
	sent := recorder.last()
	if len(sent) != 1 {
		t.Fatalf("%d requests were sent, want 1", len(sent))
	}
	if got := strings.TrimPrefix(sent[0].request.URL.Path, "/client/v4"); got != path {
		t.Errorf("sent to %s, want %s", got, path)
	}
	if !reflect.DeepEqual(sent[0].values, want) {
		t.Errorf("sent %q, want %q", sent[0].values, want)
	}
}

func TestRequestsOfOrganizations(t *testing.T) {
	_, client, recorder := operationsService(t)
	path := "/organizations/" + organization + "/logs/audit"
	query := func() auditlogs.Query {
		return auditlogs.Query{Since: auditlogs.Time(windowStart), Before: auditlogs.Time(windowEnd)}
	}
	all, allSent := query(), wire(window(), "")
	filters := 0
	for _, p := range queryParametersOf(recorder.contract, "listOrganizationAuditLogs") {
		if fieldOf(p) == "" {
			continue
		}
		filters++
		values := valuesOf(p)
		if items := p.Schema.Value.Items.Value; len(items.AnyOf) == 0 && items.Type.Is(openapi3.TypeString) {
			values = append(slices.Clone(values), reserved...)
		}
		t.Run(p.Name, func(t *testing.T) {
			q, sent := query(), wire(window(), "")
			*q.Filter(p.Name), sent[p.Name] = values, values
			if _, err := collect(client.Organization(organization).Entries(t.Context(), q)); err != nil {
				t.Fatal(err)
			}
			sentAs(t, recorder, path, sent)
		})
		*all.Filter(p.Name), allSent[p.Name] = values, values
	}
	if _, err := collect(client.Organization(organization).Entries(t.Context(), all)); err != nil {
		t.Fatal(err)
	}
	sentAs(t, recorder, path, allSent)
	if filters != 36 {
		t.Errorf("%d filters", filters)
	}
	entries, err := collect(client.Organization(organization).Entries(t.Context(), query()))
	if err != nil || len(entries) != 1 || entries[0].Organization.ID != organization {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestRequestsOfHistories(t *testing.T) {
	_, client, recorder := operationsService(t)
	query := auditlogs.HistoryQuery{
		ActionTime: "2024-10-30T17:30:00.000000001+05:30", Since: auditlogs.Time(windowStart), Before: auditlogs.Time(windowEnd),
		Direction: new("desc"), Limit: new(7),
	}
	want := wire(auditlogs.Query{Since: query.Since, Before: query.Before, Direction: query.Direction, Limit: query.Limit}, "")
	maps.Copy(want, url.Values{"action_time": {query.ActionTime}})
	if n := len(queryParametersOf(recorder.contract, "getAccountAuditLogHistory")); n != len(want)+1 { // And the cursor.
		t.Errorf("the contract has %d parameters, and %d were sent", n, len(want))
	}
	entries, err := collect(client.Account(account).History(t.Context(), "e1", query))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	sentAs(t, recorder, listingPath+"/e1/history", want)
	if entries, err = collect(client.Organization(organization).History(t.Context(), "e1", query)); err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	sentAs(t, recorder, "/organizations/"+organization+"/logs/audit/e1/history", want)
	_, err = collect(client.Account(account).History(t.Context(), "e2", query))
	if answered := checkError(t, err, auditlogs.ErrNotFound, http.StatusNotFound); answered.History != auditlogs.HistoryUnavailable {
		t.Errorf("%+v", answered)
	}
}

func TestRequestsOfProductCategories(t *testing.T) {
	_, client, recorder := operationsService(t)
	categories, err := client.Account(account).ProductCategories(t.Context())
	if err != nil || len(categories) == 0 {
		t.Fatalf("%v, %v", categories, err)
	}
	sentAs(t, recorder, listingPath+"/product_categories", url.Values{})
	for _, category := range categories {
		query := window()
		query.ProductCategory = []string{category.Value}
		if _, err := list(client, query); err != nil {
			t.Errorf("%s: %v", category.Value, err)
		}
		want := wire(query, "")
		want["product_category"] = query.ProductCategory
		sentAs(t, recorder, listingPath, want)
	}
}

// TestResponsesOfEveryOperation has the fake refuse each operation in each way that all have in
// common.
func TestResponsesOfEveryOperation(t *testing.T) {
	c := mustLoad(t)
	entry := `{"id":"f174be97-19b1-40d6-954d-70cd5fbd52db","action":{"time":"2024-10-30T15:00:00Z"},"resource":{"product":"dns","type":"record"}`
	for _, operation := range auditlogsapi.Operations {
		path, query := goodPath(c, operation.ID), goodQueryOf(c, operation.ID).Encode()
		_, owner, _ := strings.Cut(path, "/")
		_, owner, _ = strings.Cut(owner, "/")
		owner, _, _ = strings.Cut(owner, "/")
		for _, test := range []struct {
			name        string
			path, query string
			header      http.Header
			options     []auditlogstest.Option
			faults      []auditlogstest.Fault
			want        int
		}{
			{name: "answer", want: 200},
			{name: "empty page", options: []auditlogstest.Option{auditlogstest.WithEmptyPages(1)}, want: 200},
			{name: "unknown parameter", query: query + "&zone=1", want: 400},
			{name: "broken escape", query: query + "&limit=%zz", want: 400},
			{name: "no token", header: http.Header{}, want: 401},
			{name: "unknown token", options: []auditlogstest.Option{auditlogstest.WithTokens("another")}, want: 403},
			{
				name: "unknown owner", want: 403,
				options: []auditlogstest.Option{auditlogstest.WithAccounts(strings.Repeat("0", 32)), auditlogstest.WithOrganizations("another")},
			},
			{name: "malformed owner", path: strings.Replace(path, owner, "a.b", 1), want: 404},
			{name: "fault 429", faults: []auditlogstest.Fault{{Status: 429}}, want: 429},
			{name: "fault 503", faults: []auditlogstest.Fault{{Status: 503}}, want: 503},
		} {
			t.Run(operation.ID+" "+test.name, func(t *testing.T) {
				server := auditlogstest.NewServer(test.options...)
				defer server.Close()
				server.Add(entry+"}", entry+`,"organization":{"id":"o"}}`)
				server.FailNext(test.faults...)
				if test.path == "" {
					test.path = path
				}
				if test.query == "" {
					test.query = query
				}
				if test.header == nil {
					test.header = authorized()
				}
				test.header.Set("Accept-Encoding", "identity")
				e := ask(t, server, test.path, test.query, test.header)
				if e.status != test.want {
					t.Errorf("status %d, want %d: %.300q", e.status, test.want, e.body)
				}
				checkHeaders(t, e)
			})
		}
	}
}

// TestResponsesOfHistories looks at what only histories answer.
func TestResponsesOfHistories(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithCursorsAfter(), auditlogstest.WithoutGzip())
	defer server.Close()
	for _, log := range []string{"", `,"organization":{"id":"o"}`} {
		for _, entry := range []string{`"exact","resource":{"id":"r"}`, `"twin","resource":{"id":"r"}`, `"approximate","resource":{"product":"p","type":"t"}`, `"unavailable"`} {
			server.Add(`{"action":{"time":"2024-10-30T15:00:00Z"}` + log + `,"id":` + entry + `}`)
		}
	}
	closed := mustLoadClosed(t, server.URL)
	for _, path := range []string{listingPath, "/organizations/" + organization + "/logs/audit"} {
		for _, id := range []string{"exact", "approximate", "unavailable", "none"} {
			e := ask(t, server, path+"/"+id+"/history", goodQuery+"&limit=1&action_time=2024-10-30T15:00:00Z", authorized())
			want := http.StatusOK
			if id == "none" {
				want = http.StatusNotFound
			}
			if e.status != want {
				t.Errorf("%s: status %d, want %d: %s", id, e.status, want, e.body)
			}
			// Nothing comes that the contract does not know.
			if err := closed.CheckResponse(e.request, e.status, e.header, e.body); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
	}
}
