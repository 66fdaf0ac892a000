package match_test

import (
	"encoding/json"
	"errors"
	"testing"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/match"
)

func TestKeeps(t *testing.T) {
	const dns = `{"id":"1","actor":{"email":"a@example.com","type":"user"},"resource":{"product":"dns","scope":"zones"},"raw":{"status_code":200}}`
	for _, test := range []struct {
		name  string
		query auditlogs.Query
		entry string
		keeps bool
	}{
		{"no filter", auditlogs.Query{}, dns, true},
		{"a value", auditlogs.Query{ActorEmail: []string{"a@example.com"}}, dns, true},
		{"one of several values", auditlogs.Query{ActorEmail: []string{"b@example.com", "a@example.com"}}, dns, true},
		{"another value", auditlogs.Query{ActorEmail: []string{"b@example.com"}}, dns, false},
		{"another case", auditlogs.Query{ActorEmail: []string{"A@example.com"}}, dns, false},
		{"two filters that hold", auditlogs.Query{ActorEmail: []string{"a@example.com"}, ActorType: []string{"user"}}, dns, true},
		{"two filters of which one holds", auditlogs.Query{ActorEmail: []string{"a@example.com"}, ActorType: []string{"system"}}, dns, false},
		{"a value that is left out", auditlogs.Query{ActorEmailNot: []string{"a@example.com"}}, dns, false},
		{"another value that is left out", auditlogs.Query{ActorEmailNot: []string{"b@example.com"}}, dns, true},
		{"a number", auditlogs.Query{RawStatusCode: []string{"200"}}, dns, true},
		{"another number", auditlogs.Query{RawStatusCode: []string{"404"}}, dns, false},
		{"a field of any type that holds text", auditlogs.Query{ResourceScope: []string{"zones"}}, dns, true},
		{"a field of any type that holds an object", auditlogs.Query{ResourceScope: []string{"zones"}}, `{"resource":{"scope":{"zones":"zones"}}}`, false},
		{"a category of the product", auditlogs.Query{ProductCategory: []string{"performance"}}, dns, true},
		{"another category", auditlogs.Query{ProductCategory: []string{"security"}}, dns, false},
		{"a category or the product", auditlogs.Query{ProductCategory: []string{"security"}, ResourceProduct: []string{"dns"}}, dns, true},
		{"a field that is not there", auditlogs.Query{ActorEmail: []string{"a@example.com"}}, `{"actor":{}}`, false},
		{"a field that is not there is not left out", auditlogs.Query{ActorEmailNot: []string{"a@example.com"}}, `{"actor":null}`, true},
		{"an empty value, and a field that is not there", auditlogs.Query{ActorEmail: []string{""}}, `{"actor":{}}`, false},
		{"an empty value that is left out", auditlogs.Query{ActorEmailNot: []string{""}}, `{"actor":{}}`, true},
		{"a field of another type is not there", auditlogs.Query{ActorEmail: []string{"true"}}, `{"actor":{"email":true}}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := match.New(&auditlogsapi.ListAccountAuditLogsOperation, test.query.Values, products)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Keeps(match.Read(decode(t, test.entry))); got != test.keeps {
				t.Errorf("keeps %s: %t", test.entry, got)
			}
		})
	}
	query := auditlogs.Query{ProductCategory: []string{"other"}}
	if _, err := match.New(&auditlogsapi.ListAccountAuditLogsOperation, query.Values, products); !errors.Is(err, errCategory) {
		t.Error(err)
	}
}

func TestSameResource(t *testing.T) {
	for _, test := range []struct {
		one, same, other string // resources
		want             auditlogs.HistoryStatus
	}{
		{`{"id":"1","product":"dns"}`, `{"id":"1","product":"cache"}`, `{"id":"2","product":"dns"}`, auditlogs.HistoryExact},
		{`{"product":"dns","type":"record"}`, `{"id":"1","product":"dns","type":"record"}`, `{"product":"dns","type":"zone"}`, auditlogs.HistoryApproximate},
		{`{"product":"dns"}`, "", "", auditlogs.HistoryUnavailable},
	} {
		read := func(resource string) match.Fields { return match.Read(decode(t, `{"resource":`+resource+`}`)) }
		m, status := match.SameResource(read(test.one))
		if status != test.want {
			t.Errorf("%s: got %s, want %s", test.one, status, test.want)
			continue
		}
		if m != nil && (!m.Keeps(read(test.one)) || !m.Keeps(read(test.same)) || m.Keeps(read(test.other))) {
			t.Errorf("%s is not told from %s, or is told from %s", test.one, test.other, test.same)
		}
	}
}

var errCategory = errors.New("no category")

func products(_ auditlogsapi.Parameter, categories []string) ([]string, error) {
	switch categories[0] {
	case "performance":
		return []string{"cache", "dns"}, nil
	case "security":
		return []string{"firewall"}, nil
	}
	return nil, errCategory
}

func decode(t *testing.T, raw string) *auditlogs.Entry {
	t.Helper()
	var e auditlogs.Entry
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		t.Fatal(err)
	}
	return &e
}
