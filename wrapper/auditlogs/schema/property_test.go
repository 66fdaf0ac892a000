package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema"
	"cfaudit.example/wrapper/auditlogs/schema/ecs"
	"cfaudit.example/wrapper/auditlogs/schema/ocsf"
)

// A mapped schema is what the tests know about one of the schemas.
type mapped struct {
	name    string
	own     string
	append  func(b []byte, e *auditlogs.Entry, raw bool) []byte
	visit   func(e *auditlogs.Entry, raw bool, v schema.Visitor)
	raw     string
	targets func(f *auditlogsapi.Field) []string
	// made are the paths whose values no field has as they are. The functions say whether a value
	// is right.
	made map[string]func(in map[string]any, value any) bool
}

var schemas = []mapped{
	{
		name: "ecs", own: "cloudflare.audit", raw: "event.original",
		append: func(b []byte, e *auditlogs.Entry, raw bool) []byte {
			return ecs.Append(b, e, ecs.Options{OmitOriginal: !raw})
		},
		visit: func(e *auditlogs.Entry, raw bool, v schema.Visitor) {
			ecs.Visit(e, ecs.Options{OmitOriginal: !raw}, v)
		},
		targets: func(f *auditlogsapi.Field) []string { return f.ECS },
		made: map[string]func(map[string]any, any) bool{
			"ecs.version": is("9.4.0"), "event.kind": is("event"), "event.module": is("cloudflare"), "event.dataset": is("cloudflare.audit"),
			"cloud.provider": is("cloudflare"), "error.message": anything,
			"event.category": is("authentication", "configuration", "iam"),
			"event.type":     is("creation", "change", "deletion", "access", "start", "end", "info", "user", "group"),
			"event.outcome": func(in map[string]any, v any) bool {
				return v == "unknown" && in["action.result"] != "success" && in["action.result"] != "failure"
			},
			"event.action": func(in map[string]any, v any) bool { return v == strings.ToLower(fmt.Sprint(in["action.type"])) },
			"event.id":     orDigest("id"),
			"@timestamp": func(in map[string]any, v any) bool {
				text, _ := in["action.time"].(string)
				t, err := time.Parse(time.RFC3339, text)
				return err == nil && v == t.UTC().Format(time.RFC3339Nano) || v == "1970-01-01T00:00:00Z" && (err != nil || !strictly(text))
			},
		},
	},
	{
		name: "ocsf", own: "unmapped", raw: "raw_data",
		append: func(b []byte, e *auditlogs.Entry, raw bool) []byte {
			return ocsf.Append(b, e, ocsf.Options{OmitRawData: !raw})
		},
		visit: func(e *auditlogs.Entry, raw bool, v schema.Visitor) {
			ocsf.Visit(e, ocsf.Options{OmitRawData: !raw}, v)
		},
		targets: func(f *auditlogsapi.Field) []string { return f.OCSF },
		made: map[string]func(map[string]any, any) bool{
			"class_uid": is("6003", "3002"), "class_name": is("API Activity", "Authentication"),
			"category_uid": is("6", "3"), "category_name": is("Application Activity", "Identity & Access Management"),
			"activity_id": is("0", "1", "2", "3", "4", "99"), "activity_name": orText("action.type", "Unknown", "Create", "Read", "Update", "Delete", "Logon", "Logoff"),
			"type_uid": anything, "type_name": anything, "severity_id": is("1"), "severity": is("Informational"),
			"status_id": is("0", "1", "2", "99"), "status": orText("action.result", "Unknown", "Success", "Failure"),
			"actor.user.type_id": is("0", "1", "2", "3", "4", "99"), "actor.user.type": orText("actor.type", "Unknown", "User", "Admin", "System", "Service"),
			"metadata.version": is("1.8.0"), "metadata.product.name": is("Audit Logs"), "metadata.product.vendor_name": is("Cloudflare"),
			"metadata.profiles": is("cloud"), "metadata.log_name": is("audit_logs_v2"), "metadata.debug": anything, "cloud.provider": is("Cloudflare"),
			"metadata.uid": orDigest("id"), "actor.user.name": is("unknown"), "user.name": is("unknown"), "service.name": is("Cloudflare"),
			"src_endpoint.name": is("unknown"), "api.operation": is("unknown"), "resources[1].type": is("zone"), "resources[0].type": is("zone"),
			"http_request.url.path": func(in map[string]any, v any) bool {
				return strings.HasPrefix(fmt.Sprint(in["raw.uri"]), fmt.Sprint(v))
			},
			"time": func(in map[string]any, v any) bool {
				text, _ := in["action.time"].(string)
				t, err := time.Parse(time.RFC3339, text)
				return err == nil && v == json.Number(strconv.FormatInt(t.UnixMilli(), 10)) || v == json.Number("0") && (err != nil || !strictly(text))
			},
		},
	},
}

// strictly reports whether a time that the time package takes is one that RFC 3339 has, written
// without escapes.
func strictly(text string) bool {
	var e auditlogs.Entry
	quoted, _ := json.Marshal(text)
	return e.UnmarshalJSON(fmt.Appendf(nil, `{"action":{"time":%s}}`, quoted)) == nil && e.Err() == nil
}

func anything(map[string]any, any) bool { return true }

func is(values ...string) func(map[string]any, any) bool {
	return func(_ map[string]any, v any) bool { return slices.Contains(values, fmt.Sprint(v)) }
}

func orText(field string, values ...string) func(map[string]any, any) bool {
	return func(in map[string]any, v any) bool { return slices.Contains(values, fmt.Sprint(v)) || in[field] == v }
}

func orDigest(field string) func(map[string]any, any) bool {
	return func(in map[string]any, v any) bool {
		text, isText := in[field].(string)
		return strings.HasPrefix(fmt.Sprint(v), "sha256:") && (!isText || text == "")
	}
}

func TestNothingIsLostOrInvented(t *testing.T) {
	for seed := range uint64(3000) {
		if check(t, []byte(newMaker(seed).entry())); t.Failed() {
			return
		}
	}
}

func FuzzMadeEntry(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, seed uint64) { check(t, []byte(newMaker(seed).entry())) })
}

func FuzzEntry(f *testing.F) {
	for seed := range uint64(100) {
		f.Add([]byte(newMaker(seed).entry()))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if json.Valid(raw) {
			check(t, raw)
		}
	})
}

// check maps an entry, and looks for each of its values in the event, and for each of the event's
// values in the entry.
func check(t *testing.T, raw []byte) {
	t.Helper()
	e := new(auditlogs.Entry)
	if err := e.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	in := leaves(decode(raw))
	for _, s := range schemas {
		for _, withRaw := range []bool{false, true} {
			text := s.append([]byte("before"), e, withRaw)[len("before"):]
			if !jsontext.Value(text).IsValid() || bytes.ContainsAny(text, "\n\r") {
				t.Errorf("%s of %q is not a line of JSON with each name once: %s", s.name, raw, text)
				continue
			}
			var visited builder
			s.visit(e, withRaw, &visited)
			if got := visited.String(); got != string(text) {
				t.Errorf("%s of %q is visited as %s, and written as %s", s.name, raw, got, text)
			}
			event := decode(text)
			out := leaves(event)
			if withRaw {
				if want := strings.ToValidUTF8(string(raw), ""); strings.ReplaceAll(out[s.raw].(string), "\uFFFD", "") != strings.ReplaceAll(want, "\uFFFD", "") {
					t.Errorf("%s of %q has %q in %s", s.name, raw, out[s.raw], s.raw)
				}
				continue
			}
			for at, value := range in {
				if !s.tells(out, at, value) {
					t.Errorf("%s of %q loses %s, %v: %s", s.name, raw, at, value, text)
				}
			}
			for at, value := range out {
				if !s.explains(in, at, value, raw) {
					t.Errorf("%s of %q invents %s, %v: %s", s.name, raw, at, value, text)
				}
			}
		}
	}
}

// tells reports whether an event has a value of an entry.
func (s *mapped) tells(out map[string]any, at string, value any) bool {
	if at == "" && value == empty("{}") {
		return true // An entry without members tells nothing.
	}
	for _, f := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		if at != f.Path && !strings.HasPrefix(at, f.Path+".") && !strings.HasPrefix(at, f.Path+"[") {
			continue
		}
		for _, target := range s.targets(&f) {
			if is, ok := out[target+at[len(f.Path):]]; ok && same(is, value) {
				return true
			}
			// The first of several has no others before it.
			if other := strings.Replace(target, "[1]", "[0]", 1); other != target {
				if is, ok := out[other+at[len(f.Path):]]; ok && same(is, value) {
					return true
				}
			}
		}
	}
	if is, ok := out[s.own+dotted(at)]; ok && same(is, value) {
		return true
	}
	// Odd values are lists of JSON. An entry that is no object is one.
	for i := range len(at) + 1 {
		if i < len(at) && at[i] != '.' && at[i] != '[' {
			continue
		}
		name := strings.TrimSuffix(at[:i], `""`)
		if at == "" {
			name = "entry"
		}
		for n := 0; ; n++ {
			text, ok := out[fmt.Sprintf("%s.%s_json[%d]", s.own, name, n)].(string)
			if !ok {
				break
			}
			if is, ok := leaves(decode([]byte(text)))[strings.TrimPrefix(at[i:], ".")]; ok && same(is, value) {
				return true
			}
		}
	}
	if strings.HasPrefix(at, "[") { // Of an entry that is a list.
		text, _ := out[s.own+".entry_json[0]"].(string)
		is, ok := leaves(decode([]byte(text)))[at]
		return ok && same(is, value)
	}
	return false
}

func dotted(at string) string {
	if at == "" {
		return ""
	}
	return "." + at
}

// explains reports whether a value of an event comes from the entry.
func (s *mapped) explains(in map[string]any, at string, value any, raw []byte) bool {
	if strings.HasPrefix(at, s.own) {
		if strings.Contains(at, "_json[") {
			return bytes.Contains(oneLine(raw), oneLine([]byte(value.(string)))) || strings.ContainsRune(value.(string), '\uFFFD')
		}
		is, ok := in[strings.TrimPrefix(strings.TrimPrefix(at, s.own), ".")]
		return ok && same(is, value)
	}
	plain, _, _ := strings.Cut(at, "[")
	for _, f := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		for _, target := range s.targets(&f) {
			if strings.HasPrefix(target, "resources[1]") && strings.HasPrefix(at, "resources[0]") {
				target = strings.Replace(target, "[1]", "[0]", 1)
			}
			switch {
			case target == plain && slices.Contains([]string{"related.user", "related.ip", "related.hosts"}, plain) && same(in[f.Path], value):
				return true
			case strings.HasPrefix(at, target):
				if is, ok := in[f.Path+at[len(target):]]; ok && same(is, value) {
					return true
				}
			}
		}
	}
	for _, path := range []string{at, plain} {
		if right := s.made[path]; right != nil && right(in, value) {
			return true
		}
	}
	return false
}

func oneLine(text []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\n"), []byte(" ")), []byte("\r"), []byte(" "))
}

func same(a, b any) bool { return a == b }

// decode decodes JSON, its numbers as they are written. Of a repeated name the last one counts.
func decode(text []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Sprintf("%v: %s", err, text)
	}
	return value
}

// empty stands for an object or a list without members.
type empty string

// leaves returns the values in a value by their paths.
func leaves(value any) map[string]any {
	found := map[string]any{}
	var walk func(at string, value any)
	walk = func(at string, value any) {
		switch v := value.(type) {
		case map[string]any:
			if len(v) == 0 {
				found[at] = empty("{}")
			}
			for name, inner := range v {
				if name == "" {
					name = `""`
				}
				if at == "" {
					walk(name, inner)
				} else {
					walk(at+"."+name, inner)
				}
			}
		case []any:
			if len(v) == 0 {
				found[at] = empty("[]")
			}
			for i, inner := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), inner)
			}
		default:
			found[at] = v
		}
	}
	walk("", value)
	return found
}

// A builder writes JSON of what it is shown.
type builder struct {
	strings.Builder
	ends  []string
	later bool
}

func (b *builder) member(name string) {
	if b.Len() == 0 {
		b.WriteString("{")
	} else if b.later {
		b.WriteString(",")
	}
	b.later = true
	if name != "" {
		quoted, _ := jsontext.AppendQuote(nil, name)
		b.Write(quoted)
		b.WriteString(":")
	}
}

func (b *builder) start(name, start, end string) {
	b.member(name)
	b.WriteString(start)
	b.ends, b.later = append(b.ends, end), false
}

func (b *builder) Object(name string) { b.start(name, "{", "}") }
func (b *builder) Array(name string)  { b.start(name, "[", "]") }
func (b *builder) End() {
	b.WriteString(b.ends[len(b.ends)-1])
	b.ends, b.later = b.ends[:len(b.ends)-1], true
}

func (b *builder) Value(name string, v schema.Value) {
	b.member(name)
	switch v.Kind() {
	case schema.KindInteger:
		fmt.Fprint(&b.Builder, v.Int())
		return
	case schema.KindText:
		if !utf8.ValidString(v.Text()) {
			b.WriteString("not text")
		}
	}
	b.Write(v.AppendJSON(nil))
}

func (b *builder) String() string { return b.Builder.String() + "}" }
