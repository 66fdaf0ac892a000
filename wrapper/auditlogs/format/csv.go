package format

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
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
	fields fields
	values [][]byte // of the entry, by their columns: JSON
	entry  int      // its number

	source  bytes.Buffer
	decoder *jsontext.Decoder
	text    []byte // of a cell
}

// Fields are the members of an object that have a column, or lead to one.
type fields map[string]*field

type field struct {
	column  int // -1 where the field has none
	members fields
	entry   int // the number of the entry in which it came last
}

// NewCSV makes a CSV whose cells pass through a function, such as one that makes them safe to print
// on a terminal. A nil function leaves them unchanged.
func NewCSV(cell func(text string) string) *CSV {
	columns := Columns()
	f := &CSV{cell: cell, fields: fields{}, values: make([][]byte, len(columns)), decoder: new(jsontext.Decoder)}
	for i, path := range columns {
		at := &field{members: f.fields}
		for name := range strings.SplitSeq(path, ".") {
			if at.members == nil {
				at.members = fields{}
			}
			if at.members[name] == nil {
				at.members[name] = &field{column: -1}
			}
			at = at.members[name]
		}
		at.column = i
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
		switch {
		case (a.Column == 0) != (b.Column == 0):
			return cmp.Compare(b.Column, a.Column)
		case a.Column != b.Column:
			return cmp.Compare(a.Column, b.Column)
		}
		return cmp.Compare(a.Path, b.Path)
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
	f.entry++
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

// read finds the values of the columns, in one pass. It reports whether the entry is JSON.
func (f *CSV) read(raw []byte) bool {
	f.source = *bytes.NewBuffer(raw)
	f.decoder.Reset(&f.source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if f.decoder.PeekKind() != '{' || f.readObject(raw, f.fields) != nil {
		return false
	}
	_, err := f.decoder.ReadToken()
	return errors.Is(err, io.EOF)
}

func (f *CSV) readObject(raw []byte, members fields) error {
	d := f.decoder
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		member := members[string(unquote(name))]
		if member == nil {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if member.entry == f.entry {
			f.forget(member) // Of a name that comes twice, the last one counts.
		}
		member.entry = f.entry
		if member.members != nil && d.PeekKind() == '{' && member.column < 0 {
			if err := f.readObject(raw, member.members); err != nil {
				return err
			}
			continue
		}
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		if end := int(d.InputOffset()); member.column >= 0 {
			f.values[member.column] = raw[end-len(value) : end]
		}
	}
	_, err := d.ReadToken()
	return err
}

// forget drops the values of a field and of those in it.
func (f *CSV) forget(of *field) {
	if of.column >= 0 {
		f.values[of.column] = nil
	}
	for _, member := range of.members {
		f.forget(member)
	}
}

// cellOf returns a JSON value as a cell: the text of a string, and compact JSON for everything
// else.
func cellOf(value []byte) []byte {
	switch value[0] {
	case '"':
		return unquote(value)
	case '{', '[':
		return compact(value)
	}
	return value
}

// unquote returns the text of a JSON string. What is not UTF-8 becomes U+FFFD.
func unquote(value []byte) []byte {
	if text := value[1 : len(value)-1]; bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	var text string
	_ = json.Unmarshal(value, &text) // It is a string.
	return []byte(text)
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
		switch c {
		case ';', '\t', '\r', '\n':
			starts = true
		case ' ', '"':
		case '=', '+', '-', '@':
			if starts {
				b = append(b, '\'')
			}
			starts = false
		default:
			starts = false
		}
		b = append(b, c)
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
