package format

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

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
	paths [][]string // of the columns
	cell  func(text string) string

	text   bytes.Buffer
	writer *csv.Writer
	row    []string
}

// NewCSV makes a CSV whose cells pass through a function, such as one that makes them safe to print
// on a terminal. A nil function leaves them unchanged.
func NewCSV(cell func(text string) string) *CSV {
	f := &CSV{cell: cell}
	f.writer = csv.NewWriter(&f.text)
	for _, column := range Columns() {
		f.paths = append(f.paths, strings.Split(column, "."))
	}
	f.row = make([]string, len(f.paths))
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
	copy(f.row, Columns())
	return f.write(b)
}

// Entry appends the entry's row.
func (f *CSV) Entry(b []byte, e *auditlogs.Entry) []byte {
	objects := map[string]map[string]json.RawMessage{"": members(e.Raw)}
	for i, path := range f.paths {
		cell := guard(cellOf(lookUp(objects, "", path)))
		if f.cell != nil {
			cell = f.cell(cell)
		}
		f.row[i] = cell
	}
	return f.write(b)
}

func (f *CSV) write(b []byte) []byte {
	f.text.Reset()
	// A write to a buffer never fails.
	_ = f.writer.Write(f.row)
	f.writer.Flush()
	return append(b, f.text.Bytes()...)
}

// lookUp follows a path from the object with the given name in objects, where it caches the objects
// on the path.
func lookUp(objects map[string]map[string]json.RawMessage, at string, path []string) json.RawMessage {
	value := objects[at][path[0]]
	if len(path) == 1 {
		return value
	}
	at += "." + path[0]
	if _, known := objects[at]; !known {
		objects[at] = members(value)
	}
	return lookUp(objects, at, path[1:])
}

// members returns the members of an object. Anything else has none.
func members(value json.RawMessage) map[string]json.RawMessage {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(value, &object); err != nil {
		return nil
	}
	return object
}

// cellOf returns a JSON value as a cell: the text of a string, nothing for null, and JSON for
// everything else.
func cellOf(value json.RawMessage) string {
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case 'n':
		return ""
	case '"':
		var text string
		if json.Unmarshal(value, &text) == nil {
			return text
		}
	case '{', '[':
		var compact bytes.Buffer
		if json.Compact(&compact, value) == nil {
			return compact.String()
		}
	}
	return string(value)
}

// withinCell matches what becomes the start of a formula if a cell is split; see [CSV].
var withinCell = regexp.MustCompile(`([;\t\r\n][;\t\r\n "]*)([=+\-@])`)

// guard puts an apostrophe before what a spreadsheet would take for a formula.
func guard(cell string) string {
	if cell == "" {
		return ""
	}
	if strings.ContainsAny(cell, ";\t\r\n") {
		cell = withinCell.ReplaceAllString(cell, "$1'$2")
	}
	if strings.IndexByte("=+-@\t\r", cell[0]) >= 0 {
		return "'" + cell
	}
	return cell
}
