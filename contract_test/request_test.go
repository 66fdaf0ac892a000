package contract

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// lastPage is an answer that ends a listing.
var lastPage = []byte(`{"success":true,"errors":[],"messages":[],"result":[],"result_info":{"count":0,"cursor":null}}`)

// wire is what a query must look like on the wire: the client adds the direction and the size of a
// page.
func wire(q auditlogs.Query, cursor string) url.Values {
	want := url.Values{"since": {q.Since}, "before": {q.Before}, "direction": {"asc"}, "limit": {"1000"}}
	if q.Direction != nil {
		want.Set("direction", *q.Direction)
	}
	if q.Limit != nil {
		want.Set("limit", strconv.Itoa(*q.Limit))
	}
	if cursor != "" {
		want.Set("cursor", cursor)
	}
	return want
}

// TestRequestParameters sends every parameter by itself. The parameters come from the document, and
// are put into the query by their names on the wire.
func TestRequestParameters(t *testing.T) {
	server, recorder := fakeService(t)
	client := newClient(t, server.URL, recorder)
	for _, p := range queryParameters(recorder.contract) {
		values := valuesOf(p)
		items := p.Schema.Value.Items
		if items != nil && len(items.Value.Enum)+len(items.Value.AnyOf) == 0 && items.Value.Type.Is(openapi3.TypeString) && joins(p) == "" {
			values = append(slices.Clone(values), reserved...)
		}
		t.Run(p.Name, func(t *testing.T) {
			for _, value := range values {
				checkParameter(t, client, recorder, p, []string{value})
			}
			if fieldOf(p) != "" {
				checkParameter(t, client, recorder, p, values)
				checkParameter(t, client, recorder, p, []string{values[0], values[0]})
			}
		})
	}
}

// checkParameter lists with the given values of one parameter, and compares what was sent.
func checkParameter(t *testing.T, client *auditlogs.Client, recorder *recorder, p *openapi3.Parameter, values []string) {
	t.Helper()
	query := window()
	extra := url.Values{}
	switch p.Name {
	case "since":
		query.Since, query.Before = values[0], "2999-12-31"
	case "before":
		query.Since, query.Before = "2000-01-01", values[0]
	case "direction":
		query.Direction = &values[0]
	case "limit":
		limit, err := strconv.Atoi(values[0])
		if err != nil {
			t.Fatal(err)
		}
		query.Limit = &limit
	case "cursor":
		// The fake knows its own cursors only; other ones are sent by the tests below.
		return
	default:
		filter := query.Filter(p.Name)
		if filter == nil {
			t.Fatalf("the query has no filter %s", p.Name)
		}
		*filter = values
		extra[p.Name] = values
	}
	if _, err := list(client, query); err != nil {
		t.Errorf("%s with %q: %v", p.Name, values, err)
	}
	sent := recorder.last()
	if len(sent) != 1 {
		t.Fatalf("%s with %q: %d requests were sent, want 1", p.Name, values, len(sent))
	}
	want := wire(query, "")
	maps.Copy(want, extra)
	if !reflect.DeepEqual(sent[0].values, want) {
		t.Errorf("%s: sent %q, want %q", p.Name, sent[0].values, want)
	}
}

// TestRequestAllParameters sends all of them at once, on the first page and on the following ones.
func TestRequestAllParameters(t *testing.T) {
	base := auditlogs.DefaultBaseURL
	c := mustLoad(t)
	cursors := []string{"first+/=", "second&limit=5"}
	page := 0
	next := transport(func(r *http.Request) (*http.Response, error) {
		body := lastPage
		if page < len(cursors) {
			body = fmt.Appendf(nil, `{"success":true,"result":[],"result_info":{"count":"0","cursor":%q}}`, cursors[page])
		}
		page++
		return answering(http.StatusOK, jsonHeader(), body)(r)
	})
	recorder := &recorder{t: t, contract: c, next: next}
	for _, direction := range []string{"asc", "desc"} {
		page = 0
		query := window()
		query.Direction, query.Limit = &direction, new(50)
		start := "start?&=+%"
		query.Cursor = &start
		filters := url.Values{}
		for _, p := range queryParameters(c) {
			if filter := query.Filter(p.Name); filter != nil {
				*filter = valuesOf(p)
				filters[p.Name] = valuesOf(p)
			}
		}
		if want := 2 * len(documentFilters(t)); len(filters) < want {
			t.Errorf("%d filters were set, want at least %d", len(filters), want)
		}
		if _, err := list(newClient(t, base, recorder), query); err != nil {
			t.Fatal(err)
		}
		sent := recorder.last()
		if len(sent) != 3 {
			t.Fatalf("%d requests were sent, want 3", len(sent))
		}
		for i, cursor := range append([]string{start}, cursors...) {
			want := wire(query, cursor)
			maps.Copy(want, filters)
			if !reflect.DeepEqual(sent[i].values, want) {
				t.Errorf("request %d: sent %q, want %q", i+1, sent[i].values, want)
			}
		}
	}
}

func TestRequestBounds(t *testing.T) {
	east := time.FixedZone("", 5*3600+30*60)
	bounds := []string{
		auditlogs.Date(2024, time.February, 29), auditlogs.Date(1, time.January, 1), "2024-02-29",
		"2024-10-01T08:30:00+05:30", "2024-10-01T08:30:00.5-08:00", "2024-10-01T00:00:00Z",
	}
	// A time comes out as the same instant, however fine it is and wherever it was read.
	for _, instant := range []time.Time{
		windowStart,
		windowStart.Add(1),
		windowStart.Add(123456789 * time.Nanosecond),
		windowStart.Add(5*time.Minute + 120*time.Millisecond).In(east),
		time.Date(9998, 12, 31, 23, 59, 59, 999999999, time.UTC),
	} {
		bound := auditlogs.Time(instant)
		if got, err := time.Parse(time.RFC3339, bound); err != nil || !got.Equal(instant) {
			t.Errorf("%v is written as %s", instant, bound)
		}
		bounds = append(bounds, bound)
	}
	server, recorder := fakeService(t)
	client := newClient(t, server.URL, recorder)
	for _, since := range bounds {
		query := auditlogs.Query{Since: since, Before: auditlogs.Date(9999, time.December, 31)}
		if _, err := list(client, query); err != nil {
			t.Errorf("since %s: %v", since, err)
		}
		sent := recorder.last()
		if len(sent) != 1 {
			t.Errorf("since %s: %d requests, want 1", since, len(sent))
			continue
		}
		if got := sent[0].values.Get("since"); got != since {
			t.Errorf("since %s was sent as %s", since, got)
		}
	}
}

// TestRequestStops shows that what the contract refuses is not sent at all.
func TestRequestStops(t *testing.T) {
	bad := map[string]func(*auditlogs.Query){
		"no since":             func(q *auditlogs.Query) { q.Since = "" },
		"no before":            func(q *auditlogs.Query) { q.Before = "" },
		"31 February":          func(q *auditlogs.Query) { q.Since = "2024-02-31" },
		"31 February, time":    func(q *auditlogs.Query) { q.Since = "2024-02-31T00:00:00Z" },
		"time without zone":    func(q *auditlogs.Query) { q.Since = "2024-10-01T00:00:00" },
		"time with a space":    func(q *auditlogs.Query) { q.Since = "2024-10-01 00:00:00Z" },
		"one-digit hour":       func(q *auditlogs.Query) { q.Since = "2024-10-01T0:00:00Z" },
		"decimal comma":        func(q *auditlogs.Query) { q.Since = "2024-10-01T00:00:00,5Z" },
		"lower case":           func(q *auditlogs.Query) { q.Since = "2024-10-01t00:00:00z" },
		"leap second":          func(q *auditlogs.Query) { q.Since = "2016-12-31T23:59:60Z" },
		"offset out of range":  func(q *auditlogs.Query) { q.Since = "2024-10-01T00:00:00+99:99" },
		"a time before year 0": func(q *auditlogs.Query) { q.Since = auditlogs.Time(windowStart.AddDate(-3000, 0, 0)) },
		"a time after 9999":    func(q *auditlogs.Query) { q.Before = auditlogs.Time(windowEnd.AddDate(8000, 0, 0)) },
		"limit 0":              func(q *auditlogs.Query) { q.Limit = new(0) },
		"limit 1001":           func(q *auditlogs.Query) { q.Limit = new(1001) },
		"direction":            func(q *auditlogs.Query) { q.Direction = new("sideways") },
		"no direction":         func(q *auditlogs.Query) { q.Direction = new("") },
	}
	c := mustLoad(t)
	for _, p := range queryParameters(c) {
		if fieldOf(p) == "" {
			continue
		}
		bad[p.Name+" with an empty value"] = func(q *auditlogs.Query) {
			*q.Filter(p.Name) = []string{valuesOf(p)[0], ""}
		}
		if items := p.Schema.Value.Items.Value; len(items.AnyOf) > 0 || items.Type.Is(openapi3.TypeInteger) {
			for _, wrong := range []string{"no-such-value", "2e2", "0x1f", "+200", "007", "99999999999999999999"} {
				bad[p.Name+" "+wrong] = func(q *auditlogs.Query) { *q.Filter(p.Name) = []string{wrong} }
			}
		}
	}
	for name, change := range bad {
		t.Run(name, func(t *testing.T) {
			recorder := &recorder{t: t, contract: c, next: answering(http.StatusOK, jsonHeader(), lastPage)}
			query := window()
			change(&query)
			_, err := list(newClient(t, auditlogs.DefaultBaseURL, recorder), query)
			if err == nil {
				t.Error("the query was taken")
			}
			if sent := recorder.last(); len(sent) != 0 {
				t.Errorf("sent %s", sent[0].request.URL)
			}
		})
	}
	t.Run("empty list", func(t *testing.T) {
		recorder := &recorder{t: t, contract: c, next: answering(http.StatusOK, jsonHeader(), lastPage)}
		query := window()
		for _, p := range queryParameters(c) {
			if filter := query.Filter(p.Name); filter != nil {
				*filter = []string{}
			}
		}
		if _, err := list(newClient(t, auditlogs.DefaultBaseURL, recorder), query); err != nil {
			t.Error(err)
		}
		if sent := recorder.last(); !reflect.DeepEqual(sent[0].values, wire(query, "")) {
			t.Errorf("sent %q", sent[0].values)
		}
	})
	for _, id := range []string{
		"", "..", ".", "a/b", account + "/", account + "0", account[1:], "x" + account[1:], account + "\n", "%34" + account[1:],
	} {
		t.Run("account "+strconv.Quote(id), func(t *testing.T) {
			recorder := &recorder{t: t, contract: c, next: answering(http.StatusOK, jsonHeader(), lastPage)}
			client := newClient(t, auditlogs.DefaultBaseURL, recorder)
			for _, err := range client.Account(id).Entries(t.Context(), window()) {
				if err == nil {
					t.Error("an entry came")
				}
			}
			if sent := recorder.last(); len(sent) != 0 {
				t.Errorf("sent %s", sent[0].request.URL)
			}
		})
	}
}

// TestRequestBases sends to base URLs of several shapes.
func TestRequestBases(t *testing.T) {
	for _, base := range []string{
		auditlogs.DefaultBaseURL, auditlogs.DefaultBaseURL + "/",
		"https://proxy.example:8443/a/b", "https://proxy.example", "http://127.0.0.1:1/client/v4",
	} {
		recorder := &recorder{t: t, contract: mustLoad(t, base), next: answering(http.StatusOK, jsonHeader(), lastPage)}
		if _, err := list(newClient(t, base, recorder), window()); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		if sent := recorder.last(); len(sent) != 1 {
			t.Errorf("%s: %d requests, want 1", base, len(sent))
		}
	}
}

// TestRequestRetry looks at the requests of a client that meets faults: the second attempt is the
// same request.
func TestRequestRetry(t *testing.T) {
	server, recorder := fakeService(t, auditlogstest.WithHistory(auditlogstest.History{
		Entries: 30, Since: windowStart, Before: windowEnd,
	}))
	client := newClient(t, server.URL, recorder, auditlogs.WithRetry(3, 0, 0))
	for _, status := range []int{503, 500, 0, 502} {
		server.FailNext(auditlogstest.Fault{Status: status})
	}
	query := window()
	query.Limit = new(10)
	query.ActorEmailNot = []string{"nobody+1@example.com"}
	entries, err := list(client, query)
	if err != nil || len(entries) != 30 {
		t.Fatalf("%d entries, error %v", len(entries), err)
	}
	sent := recorder.last()
	if len(sent) < 6 {
		t.Fatalf("%d requests, want at least 6", len(sent))
	}
	for i, e := range sent[1:] {
		failed := sent[i]
		if failed.status != http.StatusOK && !reflect.DeepEqual(failed.values, e.values) {
			t.Errorf("after status %d came %q, want %q again", failed.status, e.values, failed.values)
		}
	}
}
