package auditlogstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogstest"
)

// about makes an entry about a resource, whose JSON is given.
func about(id, clock, more, resource string) string {
	return fmt.Sprintf(`{"id":%q,"action":{"time":"2024-10-30T%sZ"}%s,"resource":%s}`, id, clock, more, resource)
}

const organization = `,"organization":{"id":"a67e14daa5f8dceeb91fe5449ba496ef"}`

func TestOrganizationsHaveALogOfTheirOwn(t *testing.T) {
	s := newServer(t, auditlogstest.WithT(t))
	s.Add(about("a", "01:00:00", "", `{}`), about("o1", "02:00:00", organization, `{"type":"one"}`), about("b", "03:00:00", `,"organization":null`, `{}`),
		about("o2", "04:00:00", organization, `{"type":"two"}`), about("c", "05:00:00", `,"organization":{}`, `{}`), about("o3", "06:00:00", organization, `{"type":"one"}`))
	for _, test := range []struct {
		path string
		q    url.Values
		want string
	}{
		{ofAccount, window("direction", "asc", "limit", "2"), "a b|c"},
		{ofOrganization, window("direction", "asc", "limit", "2"), "o1 o2|o3"},
		{ofOrganization, window("limit", "2"), "o3 o2|o1"},
		{ofOrganization, window("resource_type", "one"), "o3 o1"},
		{ofOrganization, window("resource_type.not", "one"), "o2"},
		{ofOrganization, window("resource_scope", "organizations"), ""},
	} {
		if got := strings.Join(pagesOf(t, s, test.path, test.q), "|"); got != test.want {
			t.Errorf("%s?%s: got %q, want %q", test.path, test.q.Encode(), got, test.want)
		}
	}
	from, to := mustTime("2024-10-30T00:00:00Z"), mustTime("2024-10-31T00:00:00Z")
	if n, m := len(s.Stored(from, to)), len(s.StoredOrganization(from, to)); n != 3 || m != 3 {
		t.Errorf("%d and %d entries are stored", n, m)
	}
}

func TestHistoryOfAResource(t *testing.T) {
	s := newServer(t, auditlogstest.WithT(t))
	for _, log := range []string{"", organization} {
		s.Add(
			about("1", "01:00:00", log, `{"id":"r1","product":"dns","type":"record"}`),
			about("2", "02:00:00", log, `{"id":"r2","product":"dns","type":"record"}`),
			about("3", "03:00:00", log, `{"id":"r1"}`),
			about("4", "04:00:00", log, `{"product":"dns","type":"record"}`),
			about("5", "05:00:00", log, `{"product":"dns","type":"zone"}`),
			about("6", "06:00:00", log, `{"product":"dns"}`),
			about("7", "07:00:00", log, `null`),
			about("8", "08:00:00", log, `{"id":"","type":"record"}`),
			about("9", "09:00:00", log, `{"id":"r1","product":"kv"}`),
		)
	}
	for _, test := range []struct {
		id, time string
		more     []string
		want     string
		status   string
	}{
		{"1", "2024-10-30T01:00:00Z", nil, "9 3 1", "exact"},
		{"1", "2024-10-30T01:00:00Z", []string{"direction", "asc"}, "1 3 9", "exact"},
		{"3", "2024-10-30T03:00:00Z", []string{"limit", "2"}, "9 3|1", "exact"},
		{"2", "2024-10-30T02:00:00Z", nil, "2", "exact"},
		{"4", "2024-10-30T04:00:00Z", nil, "4 2 1", "approximate"},
		{"5", "2024-10-30T05:00:00Z", nil, "5", "approximate"},
		{"6", "2024-10-30T06:00:00Z", nil, "", "unavailable"},
		{"7", "2024-10-30T07:00:00Z", nil, "", "unavailable"},
		{"8", "2024-10-30T08:00:00Z", nil, "", "unavailable"},
		// The time is only to find the entry by.
		{"1", "2024-10-30T00:59:30.5Z", nil, "9 3 1", "exact"},
		{"1", "2024-10-30T03:01:00+02:00", nil, "9 3 1", "exact"},
	} {
		for _, log := range []string{ofAccount, ofOrganization} {
			path := log + "/" + test.id + "/history"
			q := window(append(test.more, "action_time", test.time)...)
			first := getFrom(t, s, path, q)
			if first.status != http.StatusOK || first.ResultInfo.Status != test.status {
				t.Errorf("%s: %s", path, first.text)
				continue
			}
			if n, ok := first.ResultInfo.Count.(float64); !ok || int(n) != len(first.Result) {
				t.Errorf("%s: the count is %v", path, first.ResultInfo.Count)
			}
			if got := strings.Join(pagesOf(t, s, path, q), "|"); got != test.want {
				t.Errorf("%s?%s: got %q, want %q", path, q.Encode(), got, test.want)
			}
		}
	}
	// The window says what is listed, and not where the entry lies.
	q := url.Values{"since": {"2024-10-30T02:00:00Z"}, "before": {"2024-10-30T04:00:00Z"}, "action_time": {"2024-10-30T01:00:00Z"}}
	if got := strings.Join(pagesOf(t, s, ofAccount+"/1/history", q), "|"); got != "3" {
		t.Errorf("in a window: got %q, want 3", got)
	}
}

func TestHistoryOfNoEntry(t *testing.T) {
	s := newServer(t, auditlogstest.WithT(t))
	s.Add(about("1", "12:00:00", "", `{"id":"r"}`))
	for _, test := range []struct{ path, time string }{
		{ofAccount + "/2/history", "2024-10-30T12:00:00Z"},
		{ofAccount + "/1/history", "2024-10-30T12:01:01Z"},
		{ofAccount + "/1/history", "2024-10-30T11:58:59Z"},
		{ofOrganization + "/1/history", "2024-10-30T12:00:00Z"},
	} {
		r := getFrom(t, s, test.path, window("action_time", test.time))
		if r.status != http.StatusNotFound || r.ResultInfo.Status != "unavailable" || r.Success == nil || *r.Success || r.Result != nil || len(r.Errors) != 1 {
			t.Errorf("%s at %s: %d %s", test.path, test.time, r.status, r.text)
		}
	}
}

func TestProductCategories(t *testing.T) {
	s := newServer(t, auditlogstest.WithT(t))
	r := getFrom(t, s, ofAccount+"/product_categories", nil)
	var categories []auditlogsapi.ProductCategory
	for _, raw := range r.Result {
		var c auditlogsapi.ProductCategory
		if err := json.Unmarshal(raw, &c); err != nil || c.Value == "" || c.Label == "" || len(c.Products) == 0 || c.Products[0].Label == "" {
			t.Errorf("%s: %v", raw, err)
		}
		categories = append(categories, c)
	}
	if r.status != http.StatusOK || len(categories) < 3 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	// They sort all that a made-up history has.
	made := newServer(t, auditlogstest.WithHistory(auditlogstest.History{Entries: 500, Since: mustTime("2024-10-30T00:00:00Z"), Before: mustTime("2024-10-31T00:00:00Z")}))
	q := window("limit", "1000")
	for _, c := range categories {
		q.Add("product_category", c.Value)
	}
	all, sorted := get(t, made, window("limit", "1000", "resource_product.not", "")), get(t, made, q)
	if all.status != http.StatusBadRequest {
		t.Errorf("an empty product: %d", all.status)
	}
	if n := len(sorted.Result); n < 495 || n > 500 { // Some have no product.
		t.Errorf("%d of 500 entries are in a category", n)
	}
}

func TestProductCategoryFilter(t *testing.T) {
	product := func(value string) auditlogsapi.Product { return auditlogsapi.Product{Value: value} }
	s := newServer(t, auditlogstest.WithT(t), auditlogstest.WithProductCategories(
		auditlogsapi.ProductCategory{Value: "Pair", Products: []auditlogsapi.Product{product("a"), product("b")}},
		auditlogsapi.ProductCategory{Value: "single", Products: []auditlogsapi.Product{product("c")}},
		auditlogsapi.ProductCategory{Value: "none"},
	))
	for i, name := range []string{"a", "b", "c", "d"} {
		s.Add(about(name, fmt.Sprintf("0%d:00:00", i), "", fmt.Sprintf(`{"product":%q}`, name)))
	}
	for _, test := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"product_category", "pair"}, "a b"},
		{[]string{"product_category", "PAIR", "product_category", "Single"}, "a b c"},
		{[]string{"product_category", "pair", "resource_product", "d"}, "a b d"},
		{[]string{"product_category", "pair", "resource_product.not", "a"}, "b"},
		{[]string{"product_category", "none"}, ""},
		{[]string{"product_category", "none", "resource_product", "d"}, "d"},
		{[]string{"product_category", "pair", "id", "b"}, "b"},
	} {
		r := get(t, s, window(append(test.pairs, "direction", "asc")...))
		if r.status != http.StatusOK || r.ids() != test.want {
			t.Errorf("%q: got %q, want %q: %s", test.pairs, r.ids(), test.want, r.text)
		}
	}
	for _, wrong := range []string{"pairs", "a", " pair"} {
		if r := get(t, s, window("product_category", "pair", "product_category", wrong)); r.status != http.StatusBadRequest || !strings.Contains(r.text, "product_category") {
			t.Errorf("%q: %d %s", wrong, r.status, r.text)
		}
	}
}

// refused are requests that the contract does not allow, of each operation.
func TestEveryOperationRefuses(t *testing.T) {
	const good, history = "since=2024-10-30&before=2024-10-31", "&action_time=2024-10-30T12:00:00Z"
	for _, test := range []struct {
		path, query string
		names       string
		misuse      bool
	}{
		{ofOrganization, "before=2024-10-31", "since", false},
		{ofOrganization, good + "&limit=1001", "limit", false},
		{ofOrganization, good + "&cursor=abc", "cursor", false},
		{ofOrganization, good + "&actor_ip_address=alice", "actor_ip_address", false},
		{ofOrganization, good + "&account_name=x", "account_name", true},
		{ofOrganization, good + "&audit_log_id=x", "audit_log_id", true},
		{ofOrganization, good + "&zone_id.not=x", "zone_id.not", true},
		{ofOrganization, good + "&zone_name=x", "zone_name", true},
		{ofOrganization, good + "&product_category=zerotrust", "product_category", true},
		{ofAccount, good + "&product_category.not=zerotrust", "product_category.not", true},
		{ofAccount, good + "&product_category=", "product_category", false},
		{ofAccount + "/1/history", good, "action_time", false},
		{ofAccount + "/1/history", good + "&action_time=2024-10-30", "action_time", false},
		{ofAccount + "/1/history", good + history + history, "action_time", true},
		{ofAccount + "/1/history", "since=2024-10-30" + history, "before", false},
		{ofAccount + "/1/history", "before=2024-10-30&since=2024-10-31" + history, "since", false},
		{ofAccount + "/1/history", good + history + "&direction=up", "direction", false},
		{ofAccount + "/1/history", good + history + "&actor_email=a", "actor_email", true},
		{ofOrganization + "/1/history", good + history + "&limit=0", "limit", false},
		{ofOrganization + "/1/history", good + history + "&id=1", "id", true},
		{ofAccount + "/product_categories", "limit=1", "limit", true},
		{ofAccount + "/product_categories", good, "since", true},
	} {
		t.Run(test.path[len("/"):]+"?"+test.query, func(t *testing.T) {
			var record recorder
			s := newServer(t, auditlogstest.WithT(&record))
			s.Add(about("1", "12:00:00", "", `{"id":"r"}`), about("1", "12:00:00", organization, `{"id":"r"}`))
			r := do(t, s.Client(), newRequestTo(t, s, test.path, test.query))
			if r.status != http.StatusBadRequest || !strings.Contains(r.text, test.names) {
				t.Errorf("%d %s", r.status, r.text)
			}
			if misuse := len(record.errors) > 0; misuse != test.misuse {
				t.Errorf("reported %q", record.errors)
			}
		})
	}
	for _, test := range []struct {
		path   string
		status int
	}{
		{"/organizations/" + strings.Repeat("0", 32) + "/logs/audit", http.StatusForbidden},
		{"/organizations/" + strings.Repeat("0", 32) + "/logs/audit/1/history", http.StatusForbidden},
		{"/accounts/" + strings.Repeat("0", 32) + "/logs/audit/1/history", http.StatusForbidden},
		{"/accounts/" + strings.Repeat("0", 32) + "/logs/audit/product_categories", http.StatusForbidden},
		{"/organizations/a.b/logs/audit", http.StatusNotFound},
		{"/organizations/../logs/audit", http.StatusNotFound},
		{"/accounts/me/logs/audit/product_categories", http.StatusNotFound},
		{ofAccount + "/a%2Fb/history", http.StatusNotFound},
		{ofOrganization + "/product_categories", http.StatusNotFound},
		{ofAccount + "/1", http.StatusNotFound},
	} {
		s := newServer(t, auditlogstest.WithAccounts(auditlogstest.AccountID), auditlogstest.WithOrganizations(auditlogstest.OrganizationID))
		query := good
		if strings.HasSuffix(test.path, "/history") {
			query += history
		}
		if r := do(t, s.Client(), newRequestTo(t, s, test.path, query)); r.status != test.status || r.ResultInfo.Status != "" {
			t.Errorf("%s: %d %s", test.path, r.status, r.text)
		}
	}
}

func TestCursorsBelongToTheirLog(t *testing.T) {
	s := newServer(t)
	for _, log := range []string{"", organization} {
		s.Add(about("1", "12:00:00", log, `{"id":"r"}`), about("2", "12:00:01", log, `{"id":"r"}`))
	}
	paths := []string{ofAccount, ofOrganization, ofAccount + "/1/history", ofAccount + "/2/history", ofOrganization + "/1/history"}
	for _, path := range paths {
		q := window("limit", "1")
		if strings.HasSuffix(path, "/history") {
			q.Set("action_time", "2024-10-30T12:00:00Z")
		}
		q.Set("cursor", getFrom(t, s, path, q).cursor())
		for _, other := range paths {
			if r := getFrom(t, s, other, q); (r.status == http.StatusOK) != (other == path) {
				t.Errorf("a cursor of %s at %s: %d %s", path, other, r.status, r.text)
			}
		}
	}
}

func TestHistoriesRecurAndHaveAnOrganization(t *testing.T) {
	h := auditlogstest.History{Entries: 3000, Since: mustTime("2024-10-01T00:00:00Z"), Before: mustTime("2024-11-01T00:00:00Z")}
	s := newServer(t, auditlogstest.WithHistory(h))
	again := newServer(t, auditlogstest.WithHistory(h))
	resources := map[string]int{}
	for _, raw := range s.Stored(h.Since, h.Before) {
		var e auditlogsapi.Entry
		_ = json.Unmarshal(raw, &e)
		resources[e.Resource.ID]++
	}
	most := 0
	for id, n := range resources {
		if id != "" {
			most = max(most, n)
		}
	}
	if most < 5 || len(resources) < 500 {
		t.Errorf("%d resources, the most frequent one %d times", len(resources), most)
	}
	own := s.StoredOrganization(h.Since, h.Before)
	if len(own) != 30 || !slices.EqualFunc(own, again.StoredOrganization(h.Since, h.Before), func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		t.Errorf("%d entries of the organization, or other ones in another run", len(own))
	}
	var last time.Time
	for _, raw := range own {
		var e auditlogsapi.Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if e.Organization.ID != auditlogstest.OrganizationID || strings.Contains(string(raw), `"account":{`) || strings.Contains(string(raw), `"zone":`) || e.Action.Time.Before(last) {
			t.Errorf("%s", raw)
		}
		last = e.Action.Time
	}
}
