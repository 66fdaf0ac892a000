// Package detail computes what people want to see of one entry: its fields in the order in which
// they are read, the JSON values of the change as lines, and the difference from the resource's
// previous entry. How that looks is up to the caller: a terminal, a page, or data.
//
// Texts are those of the entry, which other people typed. Make them safe for where they are shown.
package detail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// A Page is one entry for people.
type Page struct {
	Rows   []Row  // what fits in a line, in the order in which it is read
	Bodies []Body // the JSON values of the change: request, response, value, and objects that the contract does not know
}

// A Row is a line of a page: fields that belong together.
type Row struct {
	Label  string
	Fields []Field
}

// A Field is one field of an entry.
type Field struct {
	Path string // such as "actor.email"
	Text string // the content of a string, or JSON
	name string // empty for one that needs none
}

// A Body is a JSON value of an entry.
type Body struct {
	Path string // such as "resource.request"
	Raw  json.RawMessage
}

// rows are the lines of a page. A field that is in none of them gets a line of its own.
var rows = []struct {
	label string
	plain int // how many of the fields need no name
	paths []string
}{
	{"Time", 1, []string{"action.time"}},
	{"Action", 1, []string{"action.description", "action.type"}},
	{"Result", 1, []string{"action.result", "raw.status_code"}},
	{"Actor", 1, []string{"actor.email", "actor.type", "actor.id"}},
	{"Credential", 1, []string{"actor.token_name", "actor.token_id", "actor.context"}},
	{"Address", 1, []string{"actor.ip_address"}},
	{"User agent", 1, []string{"raw.user_agent"}},
	{"Request", 2, []string{"raw.method", "raw.uri", "raw.cf_ray_id"}},
	{"Resource", 1, []string{"resource.type", "resource.product", "resource.id", "resource.scope"}},
	{"Zone", 1, []string{"zone.name", "zone.id"}},
	{"Account", 1, []string{"account.name", "account.id"}},
	{"Organization", 1, []string{"organization.id"}},
	{"Entry", 1, []string{"id"}},
}

// known are the contract's fields by path, and parents the objects that hold some.
var known, parents = func() (known map[string]auditlogsapi.Field, parents map[string]bool) {
	known, parents = map[string]auditlogsapi.Field{}, map[string]bool{}
	for _, field := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		known[field.Path] = field
		for i, c := range field.Path {
			if c == '.' {
				parents[field.Path[:i]] = true
			}
		}
	}
	return known, parents
}()

// Of returns the page of an entry. It has all that the entry has, but null.
func Of(e *auditlogs.Entry) Page {
	leaves := read(nil, "", e.Raw)
	texts := map[string]string{}
	var page Page
	for _, leaf := range leaves {
		if isBody(leaf) {
			page.Bodies = append(page.Bodies, leaf)
		} else {
			texts[leaf.Path] = text(leaf.Raw)
		}
	}
	for _, r := range rows {
		row := Row{Label: r.label}
		for i, path := range r.paths {
			value, there := texts[path]
			if !there {
				continue
			}
			delete(texts, path)
			field := Field{Path: path, Text: value}
			if i >= r.plain {
				field.name = strings.ReplaceAll(path[strings.LastIndexByte(path, '.')+1:], "_", " ")
			}
			row.Fields = append(row.Fields, field)
		}
		if row.Fields != nil {
			page.Rows = append(page.Rows, row)
		}
	}
	for _, leaf := range leaves {
		if value, left := texts[leaf.Path]; left {
			delete(texts, leaf.Path) // An object can have two members of one name: the last one counts.
			page.Rows = append(page.Rows, Row{Label: leaf.Path, Fields: []Field{{Path: leaf.Path, Text: value}}})
		}
	}
	return page
}

// Text returns a row's fields in one line, such as "failure, status code 403". Long ones are folded
// unless full is true: see [Fold].
func (r Row) Text(full bool) string {
	var b strings.Builder
	for i, field := range r.Fields {
		text := field.Text
		if !full {
			text = Fold(text)
		}
		switch {
		case field.name != "" && i > 0:
			b.WriteString(", " + field.name + " ")
		case field.name != "":
			b.WriteString(field.name + " ")
		case i > 0:
			b.WriteString(" ")
		}
		b.WriteString(text)
	}
	return b.String()
}

// read appends the values of an object's members, and those of the objects in it that the contract
// knows.
func read(leaves []Body, path string, object json.RawMessage) []Body {
	d := decoder(object)
	if _, err := d.ReadToken(); err != nil || object[0] != '{' {
		return leaves
	}
	for d.PeekKind() == '"' {
		name, _ := d.ReadToken()
		at := strings.TrimPrefix(path+"."+name.String(), ".")
		value, err := d.ReadValue()
		if err != nil {
			break // It is an entry's JSON, which was decoded before.
		}
		switch {
		case value.Kind() == 'n':
		case value.Kind() == '{' && parents[at]:
			leaves = read(leaves, at, json.RawMessage(value))
		default:
			leaves = append(leaves, Body{Path: at, Raw: append(json.RawMessage(nil), value...)})
		}
	}
	return leaves
}

func decoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// isBody reports whether a value is shown as JSON: one that the contract leaves open, an object or
// a list.
func isBody(leaf Body) bool {
	field, there := known[leaf.Path]
	open := there && (field.Type == "" || field.Type == "object") && field.Known == nil
	return open || leaf.Raw[0] == '{' || leaf.Raw[0] == '['
}

// text returns the content of a string, and other values as JSON.
func text(raw json.RawMessage) string {
	var content string
	if raw[0] == '"' && json.Unmarshal(raw, &content) == nil {
		return content
	}
	return string(raw)
}

// The bounds above which a value is folded.
const (
	MaxText    = 200 // bytes of a string
	MaxMembers = 20  // members of an object, or elements of a list
	MaxDepth   = 8   // objects and lists in each other
	MaxLines   = 200 // lines of a value
)

// Fold returns a text of at most [MaxText] bytes as it is. A longer one is cut, and ends with its
// length.
func Fold(text string) string {
	if len(text) <= MaxText {
		return text
	}
	return fmt.Sprintf("%s… (%s)", head(text), Size(len(text)))
}

// head returns the start of a long text.
func head(text string) string {
	n := MaxText
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// Size writes a number of bytes for people.
func Size(n int) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%d MB", n/1_000_000)
}
