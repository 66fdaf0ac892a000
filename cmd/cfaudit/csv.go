package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// csvFormat prints one column for each field that the contract knows.
type csvFormat struct {
	paths [][]string // of the columns
	safe  bool       // the text goes to a terminal

	text   bytes.Buffer
	writer *csv.Writer
	row    []string
}

// newCSV makes a csvFormat. A terminal that shows the text must be safe from it; a file gets it as it is.
func newCSV(toTerminal bool) *csvFormat {
	f := &csvFormat{safe: toTerminal}
	f.writer = csv.NewWriter(&f.text)
	for _, field := range csvFields(operation.Fields) {
		f.paths = append(f.paths, strings.Split(field.Path, "."))
	}
	f.row = make([]string, len(f.paths))
	return f
}

// csvFields returns the fields in the order of their columns. Those that have no column yet come last, so that a column
// never changes its place.
func csvFields(fields []auditlogsapi.Field) []auditlogsapi.Field {
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

func (f *csvFormat) header(b []byte) []byte {
	for i, path := range f.paths {
		f.row[i] = strings.Join(path, ".")
	}
	return f.write(b)
}

func (f *csvFormat) entry(b []byte, e *auditlogs.Entry) []byte {
	objects := map[string]map[string]json.RawMessage{"": members(e.Raw)}
	for i, path := range f.paths {
		cell := guard(csvCell(lookUp(objects, "", path)))
		if f.safe {
			cell = clean(cell)
		}
		f.row[i] = cell
	}
	return f.write(b)
}

func (f *csvFormat) write(b []byte) []byte {
	f.text.Reset()
	// A buffer takes every write.
	_ = f.writer.Write(f.row)
	f.writer.Flush()
	return append(b, f.text.Bytes()...)
}

// lookUp follows a path from the object with the given name in objects, where it keeps the objects that it comes across.
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

// members takes an object apart. Anything else has no members.
func members(value json.RawMessage) map[string]json.RawMessage {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(value, &object); err != nil {
		return nil
	}
	return object
}

// csvCell returns a JSON value as a cell: the text of a string, nothing for null, and JSON for everything else.
func csvCell(value json.RawMessage) string {
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

// guard puts an apostrophe before what a spreadsheet would take for a formula: entries carry what strangers typed.
func guard(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
