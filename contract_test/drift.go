package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"
)

// The kinds of findings of a drift check.
const (
	UnknownField   = "unknown field"
	UnknownValue   = "unknown value"
	UnexpectedType = "unexpected type"
	BadFormat      = "bad format"
	MissingField   = "missing field"
	NotJSON        = "not JSON"
)

// A Finding is something that an answer holds and the contract does not know.
type Finding struct {
	Kind    string `json:"kind"`              // one of the constants above
	Path    string `json:"path"`              // where, such as result[].actor.type
	Value   string `json:"value,omitempty"`   // for an unknown value: the value, where it reads like a name; for an unexpected type: the type found
	Count   int    `json:"count"`             // how often it occurs
	Example string `json:"example,omitempty"` // one occurrence, of which only the shape is left
}

// A Report says how answers differ from the contract. It holds no value of the answers, except
// words such as "login" in the place of documented values, which are what the report is for.
type Report struct {
	Bodies   int       `json:"pages"`
	Entries  int       `json:"entries"`
	Findings []Finding `json:"findings"`
}

// Drift compares the bodies of answers with the schema that they should have. A body that is empty
// of findings also passes the closed copy of the contract, and the other way round.
func Drift(schema *openapi3.Schema, bodies ...[]byte) Report {
	d := drift{found: map[Finding]*Finding{}}
	for _, body := range bodies {
		d.body(schema, body)
	}
	report := Report{Bodies: len(bodies), Entries: d.entries, Findings: []Finding{}}
	for _, f := range d.found {
		report.Findings = append(report.Findings, *f)
	}
	slices.SortFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return report
}

// String returns the report as a table, one finding a line.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d pages with %d entries, %d findings\n", r.Bodies, r.Entries, len(r.Findings))
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  %-15s %s\n", f.Kind, f)
	}
	return b.String()
}

// String says where something was found, and what.
func (f Finding) String() string {
	text := fmt.Sprintf("%6d× %s", f.Count, f.Path)
	if f.Value != "" {
		text += " = " + f.Value
	}
	if f.Example != "" {
		text += "   shaped like " + f.Example
	}
	return text
}

type drift struct {
	entries int
	found   map[Finding]*Finding
}

// add counts a finding. The first occurrence is the example.
func (d *drift) add(kind, path, value string, example any) {
	key := Finding{Kind: kind, Path: path, Value: value}
	f := d.found[key]
	if f == nil {
		copied := key
		f = &copied
		if example != nil {
			f.Example = Redact(example)
		}
		d.found[key] = f
	}
	f.Count++
}

func (d *drift) body(schema *openapi3.Schema, body []byte) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		d.add(NotJSON, "body", "", nil)
		return
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		d.add(NotJSON, "after the body", "", nil)
	}
	if page, ok := value.(map[string]any); ok {
		if entries, ok := page["result"].([]any); ok {
			d.entries += len(entries)
		}
	}
	d.value(schema, "", value)
}

func (d *drift) value(schema *openapi3.Schema, path string, value any) {
	if !accepts(schema, value) {
		d.add(UnexpectedType, orBody(path), typeOf(value), value)
		return
	}
	switch v := value.(type) {
	case map[string]any:
		if FreeForm(schema) || openObject(schema) {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			at := strings.TrimPrefix(path+"."+printableName(name), ".")
			if field := schema.Properties[name]; field != nil {
				d.value(field.Value, at, v[name])
			} else {
				d.add(UnknownField, at, "", v[name])
			}
		}
		for _, name := range schema.Required {
			if _, ok := v[name]; !ok {
				d.add(MissingField, strings.TrimPrefix(path+"."+name, "."), "", nil)
			}
		}
	case []any:
		if schema.Items != nil {
			for _, item := range v {
				d.value(schema.Items.Value, path+"[]", item)
			}
		}
	case string:
		d.text(schema, path, v)
	case bool:
		if schema.Enum != nil && !slices.Contains(schema.Enum, any(v)) {
			d.add(UnknownValue, path, fmt.Sprint(v), nil)
		}
	}
}

func (d *drift) text(schema *openapi3.Schema, path, value string) {
	if known := KnownValues(schema); known != nil && !slices.Contains(known, value) {
		shown := ""
		if word.MatchString(value) || value == "" {
			shown = fmt.Sprintf("%q", value)
		}
		if shown == "" {
			d.add(UnknownValue, path, "", value)
		} else {
			d.add(UnknownValue, path, shown, nil)
		}
	}
	var err error
	switch schema.Format {
	case "date":
		err = checkDate(value)
	case "date-time":
		err = checkDateTime(value)
	}
	if err != nil {
		d.add(BadFormat, path, schema.Format, value)
	}
}

// KnownValues returns the texts that the contract lists for a field, whether it is open or closed;
// nil for any.
func KnownValues(schema *openapi3.Schema) []string {
	listed := schema.Enum
	if open, ok := schema.Extensions["x-extensible-enum"].([]any); ok {
		listed = append(slices.Clone(listed), open...)
	}
	var known []string
	for _, value := range listed {
		if text, ok := value.(string); ok {
			known = append(known, text)
		}
	}
	return known
}

// accepts reports whether a value's type is one that the schema names.
func accepts(schema *openapi3.Schema, value any) bool {
	branch := func(s *openapi3.SchemaRef) bool { return accepts(s.Value, value) }
	if value == nil {
		return schema.Nullable || slices.ContainsFunc(schema.AnyOf, branch)
	}
	if len(schema.AnyOf) > 0 && !slices.ContainsFunc(schema.AnyOf, branch) {
		return false
	}
	if schema.Type == nil {
		return true
	}
	if object, ok := value.(map[string]any); ok && schema.MaxProps != nil && uint64(len(object)) > *schema.MaxProps {
		return false
	}
	is := typeOf(value)
	return schema.Type.Is(is) || is == openapi3.TypeInteger && schema.Type.Is(openapi3.TypeNumber)
}

// typeOf names the JSON type of a decoded value.
func typeOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return openapi3.TypeString
	case bool:
		return openapi3.TypeBoolean
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return openapi3.TypeNumber
		}
		return openapi3.TypeInteger
	case []any:
		return openapi3.TypeArray
	}
	return openapi3.TypeObject
}

func orBody(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

var (
	// word is what the values of an enumeration look like. Names of people and hosts mostly do not.
	word = regexp.MustCompile(`^[a-z_]{1,32}$`)
	// fieldName is what the names of fields look like. An object that is used as a map has other
	// names, which are data.
	fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{0,39}[0-9]?$`)
)

// printableName returns a name as it is where it looks like the name of a field, and its shape
// otherwise.
func printableName(name string) string {
	if fieldName.MatchString(name) {
		return name
	}
	return shape(name)
}

// shape bounds how much of a text is kept, and keeps no letter or digit of it.
func shape(text string) string {
	const bound = 60
	var b strings.Builder
	for i, r := range []rune(text) {
		switch {
		case i == bound:
			return b.String() + "…"
		case unicode.IsDigit(r) || unicode.IsNumber(r):
			b.WriteByte('0')
		case unicode.IsLetter(r) || unicode.IsMark(r):
			b.WriteByte('x')
		case r > '~' || r < ' ':
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Redact writes a decoded JSON value as JSON in which letters are x and digits are 0, names of
// fields included: in data that nobody knows, a name can be as private as a value. Long lists and
// objects are cut.
func Redact(value any) string {
	const bound = 4
	var b strings.Builder
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case json.Number:
		return shape(v.String())
	case string:
		return `"` + shape(v) + `"`
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if i == bound {
				b.WriteRune('…')
				break
			}
			b.WriteString(Redact(item))
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			if i == bound {
				b.WriteRune('…')
				break
			}
			b.WriteString(`"` + shape(name) + `":` + Redact(v[name]))
		}
		b.WriteByte('}')
	}
	return b.String()
}

// closeSchemas forbids in the answers what the contract leaves open.
func closeSchemas(doc *openapi3.T) error {
	return doc.WalkSchemas(func(_ string, ref *openapi3.SchemaRef) error {
		schema := ref.Value
		if len(schema.Properties) > 0 {
			none := false
			schema.AdditionalProperties = openapi3.BoolSchema{Has: &none}
		}
		open, ok := schema.Extensions["x-extensible-enum"].([]any)
		switch {
		case !ok:
		case schema.Type.Is(openapi3.TypeString):
			schema.Enum = open
		default:
			text := openapi3.NewStringSchema()
			schema.AnyOf = openapi3.SchemaRefs{
				openapi3.NewSchemaRef("", openapi3.NewStringSchema().WithEnum(open...)),
				openapi3.NewSchemaRef("", &openapi3.Schema{Not: openapi3.NewSchemaRef("", text)}),
			}
		}
		return nil
	})
}
