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
		sieve := filterOf(t, test.query).sieve()
		sieve.over([]byte(test.line))
		if got := sieve.passes(0, len(test.line)); got != test.passes {
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

// A line that is dropped on its bytes does not pass when it is decoded, whatever is in it and
// beside it.
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
			before, after := `{"actor":{"email":"x"}}`+"\n", "\n"+`{"actor":{"email":"`+"alice@example.com"+`"}}`
			text := before + line + after
			sieve := want.sieve()
			sieve.over([]byte(text))
			sieve.passes(0, len(before)-1)
			passes := sieve.passes(len(before), len(before)+len(line))
			if keeps := want.keeps(decoded.(*auditlogs.Entry), ""); keeps && !passes {
				t.Fatalf("%s=%q drops %q", name, value, line)
			}
		}
	})
}
