package auditlogs_test

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

const organization = auditlogstest.OrganizationID

// history asks for the day's part of what happened to the resource of the entry 0.
var history = auditlogs.HistoryQuery{ActionTime: auditlogs.Time(noon), Since: day.Since, Before: day.Before}

// newOperationsFake has n entries about each of three resources in the log of the account, and in
// that of the organization.
func newOperationsFake(t *testing.T, n int, options ...auditlogstest.Option) *auditlogstest.Server {
	t.Helper()
	s := newFake(t, 0, options...)
	for i := range 3 * n {
		e := strings.TrimSuffix(made(i), "}") + fmt.Sprintf(`,"resource":{"id":"r%d","product":"p%[1]d"}`, i%3)
		s.Add(e+"}", e+`,"organization":{"id":"`+organization+`"}}`)
	}
	return s
}

// A listed is one of the API's listings, of so many entries a page.
type listed struct {
	name    string
	pages   func(c *auditlogs.Client, limit int, options ...auditlogs.ListOption) iter.Seq2[*auditlogs.Page, error]
	entries func(c *auditlogs.Client, limit int, options ...auditlogs.ListOption) iter.Seq2[*auditlogs.Entry, error]
	step    int // between the ids that it lists of newOperationsFake
}

func listings(t *testing.T, direction string) []listed {
	ctx := t.Context()
	type (
		pages   = iter.Seq2[*auditlogs.Page, error]
		entries = iter.Seq2[*auditlogs.Entry, error]
	)
	ofAccount := func(limit int) auditlogs.Query {
		q := paged(limit)
		q.Direction = &direction
		return q
	}
	ofOrganization := func(limit int) auditlogs.Query {
		return auditlogs.Query{Since: day.Since, Before: day.Before, Limit: &limit, Direction: &direction}
	}
	ofResource := func(limit int) auditlogs.HistoryQuery {
		q := history
		q.Limit, q.Direction = &limit, &direction
		return q
	}
	return []listed{
		{
			"account",
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) pages {
				return c.Account(account).Pages(ctx, ofAccount(n), o...)
			},
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) entries {
				return c.Account(account).Entries(ctx, ofAccount(n), o...)
			}, 1,
		},
		{
			"organization",
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) pages {
				return c.Organization(organization).Pages(ctx, ofOrganization(n), o...)
			},
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) entries {
				return c.Organization(organization).Entries(ctx, ofOrganization(n), o...)
			}, 1,
		},
		{
			"history",
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) pages {
				return c.Account(account).HistoryPages(ctx, "0", ofResource(n), o...)
			},
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) entries {
				return c.Account(account).History(ctx, "0", ofResource(n), o...)
			}, 3,
		},
		{
			"organization's history",
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) pages {
				return c.Organization(organization).HistoryPages(ctx, "0", ofResource(n), o...)
			},
			func(c *auditlogs.Client, n int, o ...auditlogs.ListOption) entries {
				return c.Organization(organization).History(ctx, "0", ofResource(n), o...)
			}, 3,
		},
	}
}

// Every listing has every entry on every page, continues after each of them, and can be read in
// several places at once.
func TestEveryListing(t *testing.T) {
	const n = 8
	for _, direction := range []string{"asc", "desc"} {
		for _, l := range listings(t, direction) {
			t.Run(l.name+" "+direction, func(t *testing.T) {
				var want []string
				for i := 0; i < 3*n; i += l.step {
					want = append(want, fmt.Sprint(i))
				}
				if direction == "desc" {
					slices.Reverse(want)
				}
				s := newOperationsFake(t, n)
				c := newClient(t, s)
				for _, options := range [][]auditlogs.ListOption{nil, {auditlogs.Backfill()}, {auditlogs.Prefetch(false)}} {
					got, err := collect(t, l.entries(c, 3, options...))
					if err != nil {
						t.Fatal(err)
					}
					wantIDs(t, got, want)
				}
				i := 0
				for entry, err := range l.entries(c, 3) {
					if err != nil {
						t.Fatal(err)
					}
					if isOrganization := strings.HasPrefix(l.name, "organization"); isOrganization != (entry.Organization.ID == organization) {
						t.Errorf("entry %s is of the organization %q", entry.ID, entry.Organization.ID)
					}
					i++
					rest, err := collect(t, l.entries(c, 5, auditlogs.From(entry.Position())))
					if err != nil || !slices.Equal(rest, want[i:]) {
						t.Errorf("after %s come %v, %v", entry.ID, rest, err)
					}
				}
				status := auditlogs.HistoryStatus("")
				if l.step == 3 {
					status = auditlogs.HistoryExact
				}
				for _, options := range [][]auditlogs.ListOption{nil, {auditlogs.Backfill()}} {
					for page, err := range l.pages(c, 3, options...) {
						if err != nil || page.History != status {
							t.Errorf("a page is of the history %q, %v", page.History, err)
						}
					}
				}
				// What fails on a later page says where to resume.
				s.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 403})
				got, err := collect(t, l.entries(c, 3, auditlogs.Prefetch(false)))
				if !errors.Is(err, auditlogs.ErrForbidden) {
					t.Fatal(err)
				}
				rest, err := collect(t, l.entries(c, 3, auditlogs.From(position(t, err))))
				if err != nil {
					t.Fatal(err)
				}
				wantIDs(t, append(got, rest...), want)
			})
		}
	}
}

func TestPositionsBelongToTheirLog(t *testing.T) {
	s := newOperationsFake(t, 3)
	c := newClient(t, s)
	all := listings(t, "asc")
	for _, l := range all {
		var place auditlogs.Position
		for page, err := range l.pages(c, 1) {
			if err != nil {
				t.Fatal(err)
			}
			place = page.Next
			break
		}
		for _, other := range all {
			_, err := collect(t, other.entries(c, 1, auditlogs.From(place)))
			if (err == nil) != (other.name == l.name) || err != nil && !errors.Is(err, auditlogs.ErrInvalidQuery) {
				t.Errorf("a position of the %s in the %s: %v", l.name, other.name, err)
			}
		}
	}
}

// Nothing is sent of what the contract refuses.
func TestEveryOperationIsCheckedBeforeTheFirstRequest(t *testing.T) {
	s := newOperationsFake(t, 1)
	c := newClient(t, s)
	ctx := t.Context()
	with := func(change func(*auditlogs.HistoryQuery)) auditlogs.HistoryQuery {
		q := history
		change(&q)
		return q
	}
	ofOrganization := auditlogs.Query{Since: day.Since, Before: day.Before}
	wrong := ofOrganization
	wrong.RawStatusCode = []string{"4xx"}
	upsideDown := auditlogs.Query{Since: day.Before, Before: day.Since}
	for _, test := range []struct {
		entries iter.Seq2[*auditlogs.Entry, error]
		says    []string
	}{
		{c.Organization("").Entries(ctx, ofOrganization), []string{"organization_id", organization}},
		{c.Organization("..").Entries(ctx, ofOrganization), []string{"organization_id", `".."`, organization}},
		{c.Organization("a/b").Entries(ctx, ofOrganization), []string{"organization_id", `"a/b"`}},
		{c.Organization(organization).Entries(ctx, wrong), []string{`raw_status_code is "4xx"`, "whole number"}},
		{c.Organization(organization).Entries(ctx, upsideDown), []string{"older end"}},
		{c.Organization(organization).Entries(ctx, auditlogs.Query{}), []string{"since is missing"}},
		{c.Account("x").History(ctx, "0", history), []string{"account_id"}},
		{c.Account(account).History(ctx, "", history), []string{"id is", "f174be97"}},
		{c.Account(account).History(ctx, "..", history), []string{"id is", `".."`}},
		{c.Account(account).History(ctx, "0/../../1", history), []string{"id is", `"0/../../1"`}},
		{c.Account(account).History(ctx, "0", with(func(q *auditlogs.HistoryQuery) { q.ActionTime = "" })), []string{"action_time is missing", "date-time", "2024-10-31T08:30:00Z"}},
		{c.Account(account).History(ctx, "0", with(func(q *auditlogs.HistoryQuery) { q.ActionTime = "2024-10-30" })), []string{`action_time is "2024-10-30"`}},
		{c.Account(account).History(ctx, "0", with(func(q *auditlogs.HistoryQuery) { q.Limit = new(0) })), []string{"limit"}},
		{c.Organization(organization).History(ctx, "0", with(func(q *auditlogs.HistoryQuery) { q.Before = "" })), []string{"before is missing"}},
		{c.Organization("a b").History(ctx, "0", history), []string{"organization_id"}},
		{c.Account(account).Entries(ctx, func() auditlogs.Query { q := day; q.ProductCategory = []string{""}; return q }()), []string{"product_category is empty"}},
	} {
		got, err := collect(t, test.entries)
		if len(got) > 0 || !errors.Is(err, auditlogs.ErrInvalidQuery) {
			t.Errorf("%v, %v, want one with %q", got, err, test.says)
			continue
		}
		for _, text := range test.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q does not say %q", err, text)
			}
		}
	}
	if _, err := c.Account("../accounts").ProductCategories(ctx); !errors.Is(err, auditlogs.ErrInvalidQuery) {
		t.Error(err)
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestHistories(t *testing.T) {
	s := newFake(t, 3)
	s.Add(`{"id":"typed","action":{"time":"2024-10-30T13:00:00Z"},"resource":{"product":"dns","type":"record"}}`)
	c := newClient(t, s)
	at := func(clock string) auditlogs.HistoryQuery {
		return auditlogs.HistoryQuery{ActionTime: "2024-10-30T" + clock + "Z", Since: day.Since, Before: day.Before}
	}
	t.Run("approximate", func(t *testing.T) {
		for page, err := range c.Account(account).HistoryPages(t.Context(), "typed", at("13:00:00")) {
			if err != nil || page.History != auditlogs.HistoryApproximate || len(page.Entries) != 1 || page.Entries[0].ID != "typed" {
				t.Errorf("%+v, %v", page, err)
			}
		}
	})
	t.Run("unavailable", func(t *testing.T) {
		pages := 0
		for page, err := range c.Account(account).HistoryPages(t.Context(), "0", at("12:00:00")) {
			pages++
			if err != nil || page.History != auditlogs.HistoryUnavailable || len(page.Entries) != 0 || !page.Next.IsZero() {
				t.Errorf("%+v, %v", page, err)
			}
		}
		if pages != 1 {
			t.Errorf("%d pages", pages)
		}
	})
	for name, entries := range map[string]iter.Seq2[*auditlogs.Entry, error]{
		"no such entry":                 c.Account(account).History(t.Context(), "none", at("12:00:00")),
		"another time":                  c.Account(account).History(t.Context(), "typed", at("14:00:00")),
		"no such entry of organization": c.Organization(organization).History(t.Context(), "0", at("12:00:00")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := collect(t, entries)
			var answered *auditlogs.Error
			if !errors.Is(err, auditlogs.ErrNotFound) || !errors.As(err, &answered) || answered.History != auditlogs.HistoryUnavailable || answered.Attempts != 1 {
				t.Fatal(err)
			}
			if !strings.Contains(err.Error(), "knows no such entry") {
				t.Errorf("%q does not say what to do", err)
			}
		})
	}
	t.Run("no such path", func(t *testing.T) {
		s.FailNext(auditlogstest.Fault{Status: 404})
		_, err := collect(t, c.Account(account).History(t.Context(), "typed", at("13:00:00")))
		var answered *auditlogs.Error
		if !errors.As(err, &answered) || answered.History != "" || !strings.Contains(err.Error(), "check the account ID") {
			t.Fatal(err)
		}
	})
}

func TestOrganizationThatIsNotOurs(t *testing.T) {
	s := newFake(t, 0, auditlogstest.WithOrganizations("another"))
	_, err := collect(t, newClient(t, s).Organization(organization).Entries(t.Context(), auditlogs.Query{Since: day.Since, Before: day.Before}))
	if !errors.Is(err, auditlogs.ErrForbidden) || !strings.Contains(err.Error(), "organization ID") || strings.Contains(err.Error(), "account") {
		t.Error(err)
	}
}

func TestProductCategories(t *testing.T) {
	page := func(result string) auditlogstest.Fault {
		return auditlogstest.Fault{Body: `{"success":true,"result":` + result + `}`}
	}
	pair := []auditlogs.ProductCategory{{Value: "v", Label: "l"}}
	for name, test := range map[string]struct {
		faults []auditlogstest.Fault
		want   []auditlogs.ProductCategory
		is     error
		tries  int
	}{
		"one":            {[]auditlogstest.Fault{page(`[{"value":"v","label":"l"}]`)}, pair, nil, 1},
		"unknown field":  {[]auditlogstest.Fault{page(`[{"value":"v","label":"l","products":null,"id":7,"action":"x"}]`)}, pair, nil, 1},
		"none":           {[]auditlogstest.Fault{page(`null`)}, []auditlogs.ProductCategory{}, nil, 1},
		"after a fault":  {[]auditlogstest.Fault{{Status: 503}, {Cut: true, CutAt: 0.5}, page(`[{"value":"v","label":"l"}]`)}, pair, nil, 3},
		"wrong type":     {[]auditlogstest.Fault{page(`[{"value":"v"},{"value":7}]`)}, nil, auditlogs.ErrMalformedResponse, 1},
		"no object":      {[]auditlogstest.Fault{page(`["v"]`)}, nil, auditlogs.ErrMalformedResponse, 1},
		"more to come":   {[]auditlogstest.Fault{page(`[],"result_info":{"cursor":"x"}`)}, nil, auditlogs.ErrMalformedResponse, 1},
		"refused":        {[]auditlogstest.Fault{{Status: 403}}, nil, auditlogs.ErrForbidden, 1},
		"never answered": {[]auditlogstest.Fault{{Status: 500}, {Status: 500}, {Status: 500}}, nil, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, 0)
			s.FailNext(test.faults...)
			got, err := newClient(t, s).Account(account).ProductCategories(t.Context())
			if !reflect.DeepEqual(got, test.want) || test.is != nil && !errors.Is(err, test.is) || (err != nil) != (test.want == nil) {
				t.Errorf("got %+v, %v", got, err)
			}
			if err != nil && !strings.Contains(err.Error(), "GET /accounts/"+account+"/logs/audit/product_categories: ") {
				t.Errorf("%q does not name the request", err)
			}
			if n := len(s.Requests()); n != test.tries {
				t.Errorf("%d requests, want %d", n, test.tries)
			}
		})
	}
	// The filter knows what is listed.
	s := newOperationsFake(t, 2, auditlogstest.WithProductCategories(auditlogs.ProductCategory{Value: "odd", Products: []auditlogs.Product{{Value: "p1"}, {Value: "p2"}}}))
	c := newClient(t, s)
	categories, err := c.Account(account).ProductCategories(t.Context())
	if err != nil || len(categories) != 1 || len(categories[0].Products) != 2 {
		t.Fatalf("%+v, %v", categories, err)
	}
	q := day
	q.ProductCategory = []string{strings.ToUpper(categories[0].Value)}
	got, err := collect(t, c.Account(account).Entries(t.Context(), q))
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, got, []string{"1", "2", "4", "5"})
	q.ProductCategory = []string{"even"}
	_, err = collect(t, c.Account(account).Entries(t.Context(), q))
	var answered *auditlogs.Error
	if !errors.Is(err, auditlogs.ErrInvalidQuery) || !errors.As(err, &answered) || answered.StatusCode != http.StatusBadRequest {
		t.Error(err)
	}
}
