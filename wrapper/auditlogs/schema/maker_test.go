package schema_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
)

// A maker makes entries of what entries are made of, and of what they should not be.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 15))} }

func (m maker) one(texts ...string) string { return texts[m.IntN(len(texts))] }

func (m maker) rarely(one int) bool { return m.IntN(one) == 0 }

func (m maker) entry() string {
	if m.rarely(100) {
		return m.one("null", "7", `"text"`, "[]", `[{"id":"a"}]`, "{}", "true", "{ }", `"\ud800"`)
	}
	objects := map[string][]string{}
	order := []string{""}
	put := func(object, member string) {
		if objects[object] == nil && object != "" {
			order = append(order, object)
		}
		objects[object] = append(objects[object], member)
	}
	for _, f := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		object, name, nested := strings.Cut(f.Path, ".")
		if !nested {
			object, name = "", f.Path
		}
		for n := 0; n == 0 && !m.rarely(5) || m.rarely(80); n++ {
			if m.rarely(100) {
				name = fmt.Sprintf(`\u%04x`, name[0]) + name[1:]
			}
			put(object, m.member(name, m.field(&f)))
		}
		if m.rarely(60) {
			put(object, m.member(m.one("new", "new", "x_json", name+"_json", "", `n\u0065w`, "é", "a.b", `"\"`[:1]+"q"), m.value(0)))
		}
	}
	var members []string
	for _, object := range order {
		if object == "" {
			members = append(members, objects[""]...)
			continue
		}
		member := m.member(object, "{"+m.space()+strings.Join(objects[object], ","+m.space())+"}")
		if m.rarely(40) {
			members = append(members, m.member(object, m.one("null", "{}", "[]", "7", `"text"`, `{"name":"twice"}`, "{ }")))
			if m.rarely(2) {
				continue
			}
		}
		members = append(members, member)
	}
	m.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ","+m.space()) + m.space() + "}"
}

func (m maker) member(name, value string) string {
	return `"` + strings.ReplaceAll(name, `"`, `\"`) + `"` + m.space() + ":" + m.space() + value
}

func (m maker) field(f *auditlogsapi.Field) string {
	switch {
	case m.rarely(25):
		return m.value(0)
	case m.rarely(25):
		return m.one(`""`, "null", "{}", "[]", "0", "true")
	case f.Path == "actor.ip_address":
		return m.one(`"192.0.2.1"`, `"2001:db8::1"`, `"::ffff:192.0.2.1"`, `"fe80::1%eth0"`, `"192.0.2.256"`, `"localhost"`, `"192.0.2.1, 192.0.2.2"`,
			`"2001:0db8:0000:0000:0000:ffff:192.000.002.001"`, `"\u0031.2.3.4"`, `"010.1.1.1"`, `" 192.0.2.1"`)
	case f.Path == "actor.email":
		return m.one(`"alice@example.com"`, `"alice"`, `"a@b"`, `"a b@example.com"`, `"@"`, `"zoë@example.com"`, `"a@-.-"`, `"a@@b.c"`, `"a@b..c\n"`)
	case f.Path == "raw.method":
		return m.one(`"GET"`, `"POST"`, `"PURGE"`, `"get"`)
	case f.Path == "raw.uri":
		return m.one(`"/accounts/a?x=1"`, `"/a"`, `"https://example.com/"`, `"?"`, `"/\u0000"`)
	case f.Type == "integer":
		return m.one("200", "404", "0", "-1", "1e2", "200.0", "007"[2:], `"200"`, "99999999999999999999", "1e999", "-0")
	case f.Format == "date-time":
		return m.one(`"2024-10-30T12:00:00Z"`, `"2024-10-30T14:00:00.123456789+02:00"`, `"2024-10-30T12:00:00.5Z"`, `"yesterday"`, `"2024-02-30T12:00:00Z"`,
			`"2024-10-30T12:00:00\u005a"`, `"2024-10-30T1:00:00Z"`, `"2024-10-30T12:00:00,5Z"`, `"2024-10-30T12:00:00+24:00"`, `"2024-10-30t12:00:00z"`,
			`"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"2024-10-30T12:00:00.123456789123Z"`, "1730289600", `"2024-10-30"`)
	case len(f.Known) > 0 && !m.rarely(4):
		return `"` + m.one(append(f.Known, "logout", "Update", "SUCCESS")...) + `"`
	case f.Type == "" || f.Type == "object":
		return m.one(m.object(0), m.object(0), m.value(0))
	}
	return m.text()
}

func (m maker) space() string {
	return m.one("", "", "", "", "", "", "", " ", "\n", "\r\n", "\t ")
}

func (m maker) text() string {
	return `"` + strings.Repeat(m.one("a", "é", "zone", " ", "/"), m.IntN(12)) +
		m.one("", "", "", "", "", `\"`, `\\`, `\/`, `\n`, `\u00e9`, `\ud83d\ude80`, "🚀", `\ud800`, `\udc00x`, `\ud800\ud800`, `\\ud800`, "\xff", "\xc3", "\u2028", "\x7f") +
		m.one("", "", "12345678") + `"`
}

func (m maker) object(depth int) string {
	var members []string
	for range m.IntN(6) {
		members = append(members, m.member(m.one("a", "b", "c", "name", "id", "value", "type", `\u0061`, m.one("x", "y")+strings.Repeat("z", m.IntN(9))), m.value(depth+1)))
	}
	return "{" + strings.Join(members, ","+m.space()) + "}"
}

func (m maker) value(depth int) string {
	switch n := m.IntN(9); {
	case n == 0 && depth < 6:
		return "[" + m.space() + m.value(depth+1) + "," + m.value(depth+1) + m.space() + "]"
	case n < 3 && depth < 6:
		return m.object(depth)
	case n == 3 && m.rarely(20):
		deep := m.IntN(40)
		return strings.Repeat("[", deep) + m.text() + strings.Repeat("]", deep)
	case n == 4 && m.rarely(20):
		deep := m.IntN(40)
		return strings.Repeat(`{"a":`, deep) + m.text() + strings.Repeat("}", deep)
	case n == 5 && m.rarely(50):
		var members []string
		for i := range 40 + m.IntN(40) {
			members = append(members, fmt.Sprintf(`"f%d":%d`, i/(1+m.IntN(2)), i))
		}
		return "{" + strings.Join(members, ",") + "}"
	case n < 6:
		return m.text()
	}
	return m.one("null", "true", "false", "{}", "[]", "[ ]", "{ }", "0", "-1", "1.50", "1e9", "1E-3", "0.5", "1e999", "123456789012345678901234567890")
}
