package auditlogstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogstest"
)

// nested makes an entry in which the field with the path has a value.
func nested(id, path, value string) string {
	if path == "id" {
		return fmt.Sprintf(`{"action":{"time":"2024-10-30T12:00:00Z"},"id":%s}`, value)
	}
	outer, inner, _ := strings.Cut(path, ".")
	time := `"time":"2024-10-30T12:00:00Z"`
	if outer == "action" {
		return fmt.Sprintf(`{"id":%q,"action":{%q:%s,%s}}`, id, inner, value, time)
	}
	return fmt.Sprintf(`{"id":%q,"action":{%s},%q:{"other":{%q:"no"},%q : %s }}`, id, time, outer, inner, inner, value)
}

func TestEveryFilter(t *testing.T) {
	tested := 0
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if p.Field == "" || strings.HasSuffix(p.Name, ".not") || p.Joins != "" {
			continue
		}
		tested++
		t.Run(p.Name, func(t *testing.T) {
			one, two, three := "one", "two", "three"
			if p.Known != nil {
				one, two, three = p.Known[0], p.Known[1], "beyond the contract"
			}
			if p.Formats != nil {
				one, two, three = "198.51.100.7", "2001:db8::7", "198.51.100.9"
			}
			if p.Type == "integer" {
				one, two, three = "200", "404", "500"
			}
			quote := func(s string) string {
				if p.Type == "integer" {
					return s
				}
				return fmt.Sprintf("%q", s)
			}
			s := newServer(t, auditlogstest.WithT(t))
			s.Add(nested("1", p.Field, quote(one)), nested("2", p.Field, quote(two)), nested("3", p.Field, quote(three)),
				nested("4", p.Field, "null"), nested("5", p.Field, `{"id":"one"}`), nested("6", p.Field, `["one"]`),
				at("7", "12:00:00"))
			if p.Field != "id" {
				outer, _, _ := strings.Cut(p.Field, ".")
				s.Add(nested("8", outer+".unknown", `"one"`))
			}
			all := s.Stored(time.Time{}, mustTime("2030-01-01T00:00:00Z"))
			without := func(drop ...int) []json.RawMessage {
				var kept []json.RawMessage
				for i, e := range all {
					if !slices.Contains(drop, i) {
						kept = append(kept, e)
					}
				}
				return kept
			}
			not := p.Name + ".not"
			for _, test := range []struct {
				name  string
				pairs []string
				want  []json.RawMessage
			}{
				{"include", []string{p.Name, one}, all[:1]},
				{"include two", []string{p.Name, one, p.Name, two}, all[:2]},
				{"exclude", []string{not, one}, without(0)},
				{"exclude two", []string{not, one, not, two}, without(0, 1)},
				{"both", []string{p.Name, one, p.Name, two, not, one}, all[1:2]},
				{"both, contradictory", []string{p.Name, one, not, one}, nil},
			} {
				r := get(t, s, window(append(test.pairs, "direction", "asc")...))
				if fmt.Sprintf("%s", r.Result) != fmt.Sprintf("%s", test.want) {
					t.Errorf("%s: got %s, want %s", test.name, r.Result, test.want)
				}
			}
		})
	}
	if tested != 22 {
		t.Errorf("%d pairs of filters", tested)
	}
}

func TestFiltersCombineAndCompareContents(t *testing.T) {
	s := newServer(t, auditlogstest.WithT(t))
	s.Add(
		`{"id":"1","action":{"time":"2024-10-30T01:00:00Z"},"actor":{"email":"caf\u00e9","type":"user"}}`,
		`{"id":"2","action":{"time":"2024-10-30T02:00:00Z"},"actor":{"email":"café","type":"system"}}`,
		`{"id":"3","action":{"time":"2024-10-30T03:00:00Z"},"actor":{"\u0065mail":"Café","type":"user"}}`,
		`{"id":"4","action":{"time":"2024-10-30T04:00:00Z"},"actor":{"email":true},"raw":{"status_code":2e2}}`,
		`{"id":"5","action":{"time":"2024-10-30T05:00:00Z"},"actor":{"email":["x"],"type":"user"}}`,
	)
	for _, test := range []struct{ query, want string }{
		{"actor_email=caf%C3%A9", "1 2"},
		{"actor_email=Caf%C3%A9", "3"},
		{"actor_email=caf%C3%A9&actor_type=user", "1"},
		{"actor_email=true", ""}, // A value of another type than the contract says is not there.
		{"actor_email=%5B%22x%22%5D", ""},
		{"raw_status_code=200", ""},
		{"actor_type.not=user", "2 4"},
		{"id=1&audit_log_id=2", ""},
		{"id=2&audit_log_id=2", "2"},
	} {
		r := do(t, s.Client(), newRequest(t, s, "since=2024-10-30&before=2024-10-31&direction=asc&"+test.query))
		if r.ids() != test.want {
			t.Errorf("%s: got %q, want %q", test.query, r.ids(), test.want)
		}
	}
}

func TestBounds(t *testing.T) {
	times := []string{"09:59:59.999999999", "10:00:00", "10:30:00.5", "11:00:00", "11:00:00.000000001"}
	for _, test := range []struct {
		name          string
		opts          []auditlogstest.Option
		since, before string
		want          string
	}{
		{"default", nil, "2024-10-30T10:00:00Z", "2024-10-30T11:00:00Z", "1 2"},
		{"neither", opts(auditlogstest.WithInclusive(false, false)), "2024-10-30T10:00:00Z", "2024-10-30T11:00:00Z", "2"},
		{"both", opts(auditlogstest.WithInclusive(true, true)), "2024-10-30T10:00:00Z", "2024-10-30T11:00:00Z", "1 2 3"},
		{"before only", opts(auditlogstest.WithInclusive(false, true)), "2024-10-30T10:00:00Z",
			"2024-10-30T11:00:00Z", "2 3"},
		{"offset", nil, "2024-10-30T12:00:00+02:00", "2024-10-30T06:00:00-05:00", "1 2"},
		{"fractions", nil, "2024-10-30T09:59:59.999999999Z", "2024-10-30T10:30:00.5Z", "0 1"},
		{"dates", nil, "2024-10-30", "2024-10-31", "0 1 2 3 4"},
		{"a date before all", nil, "2024-10-29", "2024-10-30", ""},
		{"a narrow window", opts(auditlogstest.WithInclusive(false, false)), "2024-10-30T10:00:00Z",
			"2024-10-30T10:00:00.1Z", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, test.opts...)
			for i, clock := range times {
				s.Add(at(fmt.Sprint(i), clock))
			}
			q := window()
			q.Set("since", test.since)
			q.Set("before", test.before)
			q.Set("direction", "asc")
			if got := get(t, s, q).ids(); got != test.want {
				t.Errorf("ascending: got %q, want %q", got, test.want)
			}
			reversed := strings.Fields(test.want)
			slices.Reverse(reversed)
			q.Set("direction", "desc")
			if got := get(t, s, q).ids(); got != strings.Join(reversed, " ") {
				t.Errorf("descending: got %q", got)
			}
			if strings.Contains(test.since, "T") {
				stored := s.Stored(mustTime(test.since), mustTime(test.before))
				if len(stored) != len(reversed) {
					t.Errorf("Stored says %s", stored)
				}
			}
		})
	}
}

func opts(o ...auditlogstest.Option) []auditlogstest.Option { return o }

func TestOrderAndPages(t *testing.T) {
	// Added out of order, with equal times: arrival decides among those.
	ids := []string{"e", "b1", "b2", "a", "d", "b3", "c"}
	clocks := []string{"15:00:00", "12:00:00", "12:00:00.000", "11:00:00", "14:00:00", "12:00:00Z", "13:00:00"}
	for _, test := range []struct {
		name  string
		opts  []auditlogstest.Option
		pairs []string
		want  string
	}{
		{"ascending", nil, []string{"direction", "asc"}, "a b1 b2 b3 c d e"},
		{"descending", nil, []string{"direction", "desc"}, "e d c b3 b2 b1 a"},
		{"without a direction", nil, nil, "e d c b3 b2 b1 a"},
		{"limit", nil, []string{"direction", "asc", "limit", "3"}, "a b1 b2|b3 c d|e"},
		{"limit, descending", nil, []string{"direction", "desc", "limit", "3"}, "e d c|b3 b2 b1|a"},
		{"limit of exactly everything", nil, []string{"direction", "asc", "limit", "7"}, "a b1 b2 b3 c d e"},
		{"cap", opts(auditlogstest.WithMaxPageSize(2)), []string{"direction", "asc", "limit", "3"}, "a b1|b2 b3|c d|e"},
		{"cap above limit", opts(auditlogstest.WithMaxPageSize(5)), []string{"direction", "asc", "limit", "4"},
			"a b1 b2 b3|c d e"},
		{"filtered", nil, []string{"direction", "asc", "limit", "2", "id.not", "b2", "id.not", "d"}, "a b1|b3 c|e"},
		{"by number", opts(auditlogstest.WithShiftingCursors()), []string{"direction", "asc", "limit", "3"},
			"a b1 b2|b3 c d|e"},
		{"by number, filtered, descending", opts(auditlogstest.WithShiftingCursors()),
			[]string{"direction", "desc", "limit", "2", "id.not", "b2"}, "e d|c b3|b1 a"},
		{"empty pages", opts(auditlogstest.WithEmptyPages(2)), []string{"direction", "asc", "limit", "2"},
			"a b1||b2 b3|c d||e"},
		{"empty pages only", opts(auditlogstest.WithEmptyPages(1)), []string{"direction", "desc", "limit", "4"},
			"|e d c b3||b2 b1 a"},
		{"cursors after", opts(auditlogstest.WithCursorsAfter()), []string{"direction", "asc", "limit", "4"},
			"a b1 b2 b3|c d e"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, append(test.opts, auditlogstest.WithT(t))...)
			for i, id := range ids {
				s.Add(at(id, strings.TrimSuffix(clocks[i], "Z")))
			}
			if got := strings.Join(pages(t, s, window(test.pairs...)), "|"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestLimitDefaultsTo100(t *testing.T) {
	s := newServer(t)
	for i := range 101 {
		s.Add(at(fmt.Sprint(i), "12:00:00"))
	}
	r := get(t, s, window())
	if len(r.Result) != 100 || r.cursor() == "" || r.ResultInfo.Count != "100" {
		t.Errorf("%d entries, %v", len(r.Result), r.ResultInfo)
	}
}

func TestBody(t *testing.T) {
	odd := "{ \"id\" : \"1\",\n\t\"action\":{\"time\":\"2024-10-30T01:00:00+01:00\"}, \"n\":1.50e+2," +
		"\"s\":\"\\u0041<é\", \"s\":2}"
	s := newServer(t, auditlogstest.WithoutGzip())
	s.Add(json.RawMessage(odd), []byte(" "+at("2", "02:00:00")+"\n"), map[string]any{"id": "<3>"})
	r := get(t, s, window("direction", "asc"))
	want := `{"errors":[],"messages":[],"result":[` + odd + `,` + at("2", "02:00:00") +
		`],"result_info":{"count":"2"},"success":true}`
	if r.text != want {
		t.Errorf("got  %s\nwant %s", r.text, want)
	}
	for name, pattern := range map[string]string{
		"Content-Type": "application/json", "Ratelimit": `"default";r=1199;t=300`,
		"Ratelimit-Policy": `"default";q=1200;w=300`,
	} {
		if got := r.header.Get(name); got != pattern {
			t.Errorf("%s: %s", name, got)
		}
	}
	if ray := r.header.Get("CF-Ray"); len(ray) != 20 || !strings.HasSuffix(ray, "-AMS") {
		t.Errorf("CF-Ray: %s", ray)
	}
	// The third entry has no time, and counts as of now.
	stored := s.Stored(time.Now().Add(-time.Minute), time.Now().Add(time.Minute))
	if len(stored) != 1 || string(stored[0]) != `{"id":"\u003c3\u003e"}` {
		t.Errorf("stored %s", stored)
	}
}

func TestAddRefuses(t *testing.T) {
	for _, bad := range []any{"", "[]", `{"a":1} {}`, `{"a":}`, "null", []byte("1"), 7, nil, func() {},
		json.RawMessage(nil)} {
		s := newServer(t)
		got := panics(func() { s.Add(at("1", "01:00:00"), bad) })
		if !strings.Contains(got, "entry 1") {
			t.Errorf("%v: %q", bad, got)
		}
		if n := len(s.Stored(time.Time{}, time.Now())); n != 0 {
			t.Errorf("%v: %d entries were kept", bad, n)
		}
	}
}

func TestCursorsStayInPlace(t *testing.T) {
	for _, test := range []struct {
		name, direction, early string
		opts                   []auditlogstest.Option
		want                   string
	}{
		{"stable, ascending", "asc", "00:30:00", nil, "1 2|3 4"},
		{"stable, descending", "desc", "23:00:00", nil, "4 3|2 1"},
		{"shifting, ascending", "asc", "00:30:00", opts(auditlogstest.WithShiftingCursors()), "1 2|2 3"},
		{"shifting, descending", "desc", "23:00:00", opts(auditlogstest.WithShiftingCursors()), "4 3|3 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, test.opts...)
			s.Add(at("1", "01:00:00"), at("2", "02:00:00"), at("3", "03:00:00"), at("4", "04:00:00"))
			q := window("direction", test.direction, "limit", "2")
			first := get(t, s, q)
			s.Add(at("new", test.early))
			q.Set("cursor", first.cursor())
			if got := first.ids() + "|" + get(t, s, q).ids(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestCursorsAreRefused(t *testing.T) {
	s := newServer(t)
	s.Add(at("1", "01:00:00"), at("2", "02:00:00"), at("3", "03:00:00"))
	cursor := get(t, s, window("direction", "asc", "limit", "1", "id.not", "9", "id.not", "8")).cursor()
	query := func(cursor string) string {
		return window("direction", "asc", "limit", "2", "id.not", "8", "id.not", "9", "cursor", cursor).Encode()
	}
	good := do(t, s.Client(), newRequest(t, s, query(cursor)))
	if good.ids() != "2 3" {
		t.Fatalf("a good cursor, with another limit and the values in another order: %d %s", good.status, good.text)
	}
	refused := func(name string, r *http.Request) {
		t.Helper()
		if got := do(t, s.Client(), r); got.status != 400 || !strings.Contains(got.text, "cursor") {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	for i := range len(cursor) {
		for _, c := range []byte{'A', 'B', 'g', '_'} {
			if cursor[i] != c {
				refused(fmt.Sprintf("%c at %d", c, i), newRequest(t, s, query(cursor[:i]+string(c)+cursor[i+1:])))
			}
		}
	}
	refused("line break", newRequest(t, s, query(cursor[:9]+"\n"+cursor[9:])))
	refused("shorter", newRequest(t, s, query(cursor[:len(cursor)-1])))
	refused("empty", newRequest(t, s, query("")))
	refused("another direction", newRequest(t, s, strings.Replace(query(cursor), "asc", "desc", 1)))
	refused("another window", newRequest(t, s, strings.Replace(query(cursor), "10-31", "11-01", 1)))
	refused("another filter", newRequest(t, s, query(cursor)+"&id.not=7"))
	elsewhere := newRequest(t, s, query(cursor))
	elsewhere.URL.Path = strings.Replace(elsewhere.URL.Path, "4bb3", "4bb4", 1)
	refused("another account", elsewhere)
	other := newServer(t)
	refused("another server", newRequest(t, other, query(get(t, s, window("limit", "1")).cursor())))
}

func TestCursorsOutliveARestartOnTheSameHistory(t *testing.T) {
	h := auditlogstest.History{Seed: 3, Entries: 50, Since: mustTime("2024-10-30T00:00:00Z"),
		Before: mustTime("2024-10-31T00:00:00Z")}
	first, second := newServer(t, auditlogstest.WithHistory(h)), newServer(t, auditlogstest.WithHistory(h))
	q := window("limit", "20")
	q.Set("cursor", get(t, first, q).cursor())
	if a, b := get(t, first, q), get(t, second, q); b.status != 200 || a.text != b.text {
		t.Errorf("%d %s", b.status, b.text)
	}
}

// A long listing returns the store, byte for byte.
func TestLongListingReturnsTheStore(t *testing.T) {
	s := newServer(t, auditlogstest.WithHistory(auditlogstest.History{
		Entries: 20_000, Since: mustTime("2024-10-01T00:00:00Z"), Before: mustTime("2024-11-01T00:00:00Z"),
	}))
	want := s.Stored(mustTime("2024-10-01T00:00:00Z"), mustTime("2024-11-01T00:00:00Z"))
	if len(want) != 20_000 {
		t.Fatalf("%d stored", len(want))
	}
	q := window("limit", "1000", "direction", "asc")
	q.Set("since", "2024-10-01")
	q.Set("before", "2024-11-01")
	var got []json.RawMessage
	for range 20 {
		r := get(t, s, q)
		got = append(got, r.Result...)
		q.Set("cursor", r.cursor())
		if r.cursor() == "" {
			break
		}
	}
	if !slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		t.Errorf("listing and store differ: %d and %d entries", len(got), len(want))
	}
}

func TestRequestLogIsBounded(t *testing.T) {
	s := newServer(t, auditlogstest.WithRequestLog(3))
	for i := range 20 {
		q := window()
		q.Set("limit", strconv.Itoa(i+1))
		get(t, s, q)
		asked := s.Requests()
		if len(asked) != min(i+1, 3) || asked[len(asked)-1].Query.Get("limit") != strconv.Itoa(i+1) {
			t.Fatalf("after %d requests it remembers %d", i+1, len(asked))
		}
	}
}
