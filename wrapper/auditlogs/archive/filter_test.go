package archive

import (
	"strings"
	"testing"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
	"cfaudit.example/wrapper/auditlogs/match"
)

func TestSieve(t *testing.T) {
	byEmail := auditlogs.Query{ActorEmail: []string{"alice@example.com"}}
	for _, test := range []struct {
		name   string
		query  auditlogs.Query
		line   string
		passes bool
	}{
		{"the value", byEmail, `{"actor":{"email":"alice@example.com"}}`, true},
		{"the value after spaces", byEmail, "{\"actor\":{\"email\" :\t\"alice@example.com\"}}", true},
		{"another value", byEmail, `{"actor":{"email":"bob@example.com"}}`, false},
		{"a longer value", byEmail, `{"actor":{"email":"alice@example.com.test"}}`, false},
		{"the value of another field", byEmail, `{"actor":{"token_name":"alice@example.com"}}`, false},
		{"the name as a value", byEmail, `{"actor":{"type":"email"},"x":["email","alice@example.com"]}`, false},
		{"the field of another object: decoding tells", byEmail, `{"resource":{"request":{"email":"alice@example.com"}}}`, true},
		{"an escape in the value: decoding tells", byEmail, `{"actor":{"email":"\u0061lice@example.com"}}`, true},
		{"an escape in the name: decoding tells", byEmail, `{"actor":{"\u0065mail":"alice@example.com"}}`, true},
		{"an escape in capitals", byEmail, `{"actor":{"e\u006Dail":"alice@example.com"}}`, true},
		{"an escape of a character that the name does not have", byEmail, `{"actor":{"email":"bob@example.com"},"x":"\u003cb\u003e"}`, false},
		{"an escape that is cut", byEmail, `{"x":"\u00`, false},
		{"null", byEmail, `{"actor":{"email":null}}`, false},
		{"an object", byEmail, `{"actor":{"email":{}}}`, false},
		{"the second of two", byEmail, `{"actor":{"email":"bob@example.com","email":"alice@example.com"}}`, true},
		{"two filters, of which one fails", auditlogs.Query{ActorEmail: []string{"a@x"}, ActorType: []string{"user"}}, `{"actor":{"email":"a@x","type":"system"}}`, false},
		{"two filters", auditlogs.Query{ActorEmail: []string{"a@x"}, ActorType: []string{"user"}}, `{"actor":{"email":"a@x","type":"user"}}`, true},
		{"a slash that is escaped: decoding tells", auditlogs.Query{RawURI: []string{"/zones"}}, `{"raw":{"uri":"\/zones"}}`, true},
		{"invalid UTF-8", auditlogs.Query{RawURI: []string{"caf\uFFFD"}}, "{\"raw\":{\"uri\":\"caf\xe9\"}}", true},
		{"a number", auditlogs.Query{RawStatusCode: []string{"200"}}, `{"raw":{"status_code":200}}`, true},
		{"a longer number", auditlogs.Query{RawStatusCode: []string{"200"}}, `{"raw":{"status_code":2000}}`, false},
		{"a number in another form: decoding tells", auditlogs.Query{RawStatusCode: []string{"200"}}, `{"raw":{"status_code":2.00e2}}`, true},
		{"no number", auditlogs.Query{RawStatusCode: []string{"200"}}, `{"raw":{"status_code":null}}`, false},
		{"an exclusion: decoding tells", auditlogs.Query{ActorEmailNot: []string{"alice@example.com"}}, `{"actor":{"email":"alice@example.com"}}`, true},
	} {
		line := []byte(test.line)
		if got := filterOf(t, test.query).newSieve(line).passes(line); got != test.passes {
			t.Errorf("%s: passes: %t", test.name, got)
		}
	}
}

func filterOf(t testing.TB, query auditlogs.Query) *filter {
	t.Helper()
	matcher, err := match.New(&auditlogsapi.ListAccountAuditLogsOperation, query.Values, nil)
	if err != nil {
		t.Fatal(err)
	}
	return newFilter(matcher, time.Time{}, time.Time{}, time.Time{}, "")
}

// A line that is dropped on its bytes does not pass when it is decoded, whatever is in it.
func FuzzSieve(f *testing.F) {
	for _, line := range []string{
		`{"actor":{"email":"alice@example.com"}}`,
		`{"\u0061ctor":{"em\u0061il":"\u0061lice@example.com"}}`,
		`{"actor" : { "email" : "bob@example.com" , "email" : "a\/b" } , "raw":{"status_code":2.00e2}}`,
		"{\"actor\":{\"email\":\"\xff\"},\"resource\":{\"scope\":\"zones\"}}",
		`{"raw":{"status_code":200,"status_code":"200"},"resource":{"scope":{"scope":"zones"}}}`,
		`{"actor":{"email":"\ud83d\ude00\ud800"}}`,
	} {
		for _, value := range []string{"alice@example.com", "200", "zones", "a/b", "\uFFFD", "😀"} {
			f.Add(line, value, uint8(0))
			f.Add(line, value, uint8(9))
		}
	}
	var filters []string
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if p.Field != "" && p.Joins == "" {
			filters = append(filters, p.Name)
		}
	}
	f.Fuzz(func(t *testing.T, line, value string, number uint8) {
		if strings.ContainsAny(line, "\n") {
			return
		}
		for i, name := range filters {
			var query auditlogs.Query
			*query.Filter(name) = []string{value}
			if other := filters[int(number)%len(filters)]; number%2 == 1 && i != int(number)%len(filters) {
				*query.Filter(other) = []string{value, "user"}
			}
			decoded, ok := stored.Decode([]byte(line))
			if !ok {
				return
			}
			want := filterOf(t, query)
			text := `{"actor":{"email":"x"}}` + "\n" + line
			passes := want.newSieve([]byte(text)).passes([]byte(line))
			if keeps := want.keeps(decoded.(*auditlogs.Entry), ""); keeps && !passes {
				t.Fatalf("%s=%q drops %q", name, value, line)
			}
		}
	})
}

func TestOutside(t *testing.T) {
	f := &filter{since: time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC), before: time.Date(2026, 10, 1, 13, 0, 0, 0, time.UTC)}
	for _, test := range []struct {
		name    string
		line    string
		outside bool
	}{
		{"before the window", `{"id":"x","account":{"id":"a","list":[1,{"x":null}]},"action":{"type":"view","time":"2026-10-01T11:59:59.999Z"}}`, true},
		{"at its start", `{"action":{"time":"2026-10-01T12:00:00Z"}}`, false},
		{"at its end", `{"action":{"time":"2026-10-01T13:00:00Z"}}`, true},
		{"within", `{"action":{"time":"2026-10-01T12:59:59.999999999Z"}}`, false},
		{"of another offset: decoding tells", `{"action":{"time":"2026-10-01T11:00:00-01:00"}}`, false},
		{"a second time: decoding tells", `{"action":{"time":"2026-10-01T11:00:00Z","time":"2026-10-01T12:00:00Z"}}`, false},
		{"a second action: decoding tells", `{"action":{"time":"2026-10-01T11:00:00Z"},"action":{"time":"2026-10-01T12:00:00Z"}}`, false},
		{"a second time after a brace in a text: decoding tells", `{"action":{"time":"2026-10-01T11:00:00Z","x":"}","time":"2026-10-01T12:00:00Z"}}`, false},
		{"an escaped second action: decoding tells", `{"action":{"time":"2026-10-01T11:00:00Z"},"\u0061ction":{"time":"2026-10-01T12:00:00Z"}}`, false},
		{"an escaped second time: decoding tells", `{"action":{"time":"2026-10-01T11:00:00Z","tim\u0065":"2026-10-01T12:00:00Z"}}`, false},
		{"the time of something else", `{"resource":{"action":{"time":"2026-10-01T11:00:00Z"}}}`, false},
		{"the time of something in the action", `{"action":{"x":{"time":"2026-10-01T11:00:00Z"}}}`, false},
		{"no time", `{"action":{"type":"view"},"time":"2026-10-01T11:00:00Z"}`, false},
		{"a time that is none", `{"action":{"time":"2026-13-01T11:00:00Z"}}`, false},
		{"an hour of one digit", `{"action":{"time":"2026-10-01T1:00:00Z"}}`, false},
		{"no JSON", `{"action":{"time":"2026-10-01T11:00:00Z`, false},
	} {
		if got := f.outside([]byte(test.line)); got != test.outside {
			t.Errorf("%s: outside: %t", test.name, got)
		}
	}
}

// A time that the bytes of a line show is the one that decoding finds.
func FuzzTime(f *testing.F) {
	for _, line := range []string{
		`{"id":"x","action":{"type":"view","time":"2026-10-01T11:59:59.999Z"}}`,
		`{"id":"x","a":[{"b":-1.5e7}],"action":{"time":"2026-10-01T11:59:59Z","time":"2026-10-01T12:00:00Z"}}`,
		`{"action":{"time":"2026-10-01T11:00:00Z","x":{"y":"}"}},"\u0061ction":null}`,
		`{"action":{"time":"2026-10-01T11:00:00Z","x":"}","time":"2026-10-01T12:00:00Z"}}`,
		`{"action":{"x":{"time":"2026-10-01T11:00:00Z"}},"action":{}}`,
		`{"action":{"time":"2026-02-29T24:00:60,5Z"}}`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		shown, ok := timeIn([]byte(line))
		decoded, valid := stored.Decode([]byte(line))
		if !ok || !valid {
			return
		}
		if is := decoded.(*auditlogs.Entry).Action.Time; !is.Equal(shown) {
			t.Fatalf("%q shows %s, and decoding finds %s", line, shown, is)
		}
	})
}
