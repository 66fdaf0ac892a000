package format

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/lexer"
)

// CSV gives each entry a row with one column for each field of [Columns]. Cells are those of
// encoding/csv: quoted if they hold commas, quotes or line breaks. Strings are unchanged, null and
// missing values are empty, and numbers, objects and lists are JSON, with the original digits.
// Fields that the contract does not know have no column.
//
// Entries contain what other people typed, and a spreadsheet runs a cell that starts with = + - or
// @. An apostrophe before such a character makes it text. It is added
//
//   - before a cell that starts with one of these, with a tab or with a carriage return;
//   - before one of these within a cell, after a semicolon, a tab or a line break and any spaces
//     and quotes that follow it: where a spreadsheet separates cells at semicolons or tabs, as many
//     languages set it to, quotes within a line do not keep a cell together, and a new one starts
//     there.
//
// A comma within a cell needs none: the cell is quoted, and a reader that splits at commas does not
// split there. All other cells are as they were sent.
type CSV struct {
	cell   func(text string) string
	entry  *field
	values [][]byte // of the entry, by their columns: JSON
	text   []byte   // of a cell
}

// A field is one that has a column, or an object that holds such fields.
type field struct {
	columns []int // of it and of what it holds
	members map[string]*field
}

// NewCSV makes a CSV whose cells pass through a function, such as one that makes them safe to print
// on a terminal. A nil function leaves them unchanged.
func NewCSV(cell func(text string) string) *CSV {
	columns := Columns()
	f := &CSV{cell: cell, entry: new(field), values: make([][]byte, len(columns))}
	for i, path := range columns {
		at := f.entry
		for name := range strings.SplitSeq(path, ".") {
			if at.members == nil {
				at.members = map[string]*field{}
			}
			if at.members[name] == nil {
				at.members[name] = new(field)
			}
			at = at.members[name]
			at.columns = append(at.columns, i)
		}
	}
	return f
}

// Columns returns the columns of [CSV] in their order, each named by the path of its field, such as
// "actor.email". A column never changes its place; new ones are added at the end.
func Columns() []string {
	var columns []string
	for _, field := range ordered(auditlogsapi.ListAccountAuditLogsOperation.Fields) {
		columns = append(columns, field.Path)
	}
	return columns
}

// ordered returns the fields in the order of their columns. Those that have no column yet are last,
// so that a column never changes its place.
func ordered(fields []auditlogsapi.Field) []auditlogsapi.Field {
	fields = slices.Clone(fields)
	slices.SortFunc(fields, func(a, b auditlogsapi.Field) int {
		byColumn := cmp.Compare(cmp.Or(a.Column, math.MaxInt), cmp.Or(b.Column, math.MaxInt))
		return cmp.Or(byColumn, cmp.Compare(a.Path, b.Path))
	})
	return fields
}

// Header appends the row of the columns' names.
func (f *CSV) Header(b []byte) []byte {
	return append(append(b, strings.Join(Columns(), ",")...), '\n')
}

// Entry appends the entry's row. The cells come from its bytes and not from its fields, since a
// time.Time and a struct do not say what exactly came.
func (f *CSV) Entry(b []byte, e *auditlogs.Entry) []byte {
	clear(f.values)
	if !f.read(e.Raw) {
		clear(f.values)
	}
	for i, value := range f.values {
		if i > 0 {
			b = append(b, ',')
		}
		if len(value) == 0 || value[0] == 'n' {
			continue
		}
		f.text = guard(f.text[:0], cellOf(value))
		if f.cell != nil {
			f.text = append(f.text[:0], f.cell(string(f.text))...)
		}
		b = quote(b, f.text)
	}
	return append(b, '\n')
}

// maxDepth is how deep objects and arrays can nest, as for encoding/json.
const maxDepth = 10_000

// read finds the values of the columns, in one pass. It reports whether the entry is JSON.
func (f *CSV) read(raw []byte) bool {
	l := &lexer.Lexer{Data: raw}
	l.Space()
	if !l.Next('{') || !f.readObject(l, f.entry, maxDepth-1) {
		return false
	}
	l.Space()
	return l.At == len(raw)
}

func (f *CSV) readObject(l *lexer.Lexer, object *field, levels int) bool {
	for first := true; ; first = false {
		name, plain, step := l.Member(first)
		if step != lexer.Inside {
			return step == lexer.Closed
		}
		if !plain {
			name = unquote(name)
		}
		start, member := l.At, object.members[string(name)]
		if member != nil {
			for _, column := range member.columns {
				f.values[column] = nil // Of a name that comes twice, the last one counts.
			}
			if member.members != nil && l.Next('{') {
				if !f.readObject(l, member, levels-1) {
					return false
				}
				continue
			}
		}
		if !l.Value(levels) {
			return false
		}
		if member != nil && member.members == nil {
			f.values[member.columns[0]] = l.Data[start:l.At]
		}
	}
}

// cellOf returns a JSON value as a cell: the text of a string, and compact JSON for everything
// else.
func cellOf(value []byte) []byte {
	switch value[0] {
	case '"':
		return unquote(value[1 : len(value)-1])
	case '{', '[':
		return compact(value)
	}
	return value
}

// unquote returns the text of a JSON string without its quotes. What is not UTF-8 becomes U+FFFD.
func unquote(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	var unquoted string
	_ = json.Unmarshal(slices.Concat([]byte{'"'}, text, []byte{'"'}), &unquoted) // It is a string.
	return []byte(unquoted)
}

// compact returns JSON without white space, at any depth of nesting. A line break is always white
// space.
func compact(value []byte) []byte {
	if !holds(value, " \t\r\n") {
		return value
	}
	b, inString, escaped := make([]byte, 0, len(value)), false, false
	for _, c := range value {
		if c <= ' ' && !inString || c == '\n' || c == '\r' {
			continue
		}
		b = append(b, c)
		if c == '"' && !escaped {
			inString = !inString
		}
		escaped = c == '\\' && !escaped
	}
	return b
}

// holds reports whether a text holds one of a few characters. On a long text this is far quicker
// than bytes.ContainsAny.
func holds(text []byte, characters string) bool {
	for i := range len(characters) {
		if bytes.IndexByte(text, characters[i]) >= 0 {
			return true
		}
	}
	return false
}

// guard appends a cell, with an apostrophe before what a spreadsheet would take for a formula.
func guard(b, cell []byte) []byte {
	if len(cell) > 0 && strings.IndexByte("=+-@\t\r", cell[0]) >= 0 {
		b = append(b, '\'')
	}
	if !holds(cell, ";\t\r\n") {
		return append(b, cell...)
	}
	starts := false // A cell may start here, for a spreadsheet that separates elsewhere.
	for _, c := range cell {
		if starts && (c == '=' || c == '+' || c == '-' || c == '@') {
			b = append(b, '\'')
		}
		b = append(b, c)
		starts = c == ';' || c == '\t' || c == '\r' || c == '\n' || starts && (c == ' ' || c == '"')
	}
	return b
}

// quote appends a cell as encoding/csv does, which takes far longer for a cell with many quotes.
func quote(b, cell []byte) []byte {
	first, _ := utf8.DecodeRune(cell)
	if !unicode.IsSpace(first) && !holds(cell, "\",\r\n") && string(cell) != `\.` {
		return append(b, cell...)
	}
	b = append(b, '"')
	for i := bytes.IndexByte(cell, '"'); i >= 0; i = bytes.IndexByte(cell, '"') {
		b = append(append(b, cell[:i+1]...), '"')
		cell = cell[i+1:]
	}
	return append(append(b, cell...), '"')
}
