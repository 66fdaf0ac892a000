package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// nameTable is the format that only the command has.
const nameTable = "table"

const (
	tableGap     = "  "
	tableDefault = 200 // the width without a terminal
)

// A tableFormat prints one line for each entry, for people.
type tableFormat struct {
	width   int  // of a line
	whole   bool // longer cells and lines are not cut
	colours bool
	columns []column
	widths  []int // of the columns
}

// A column is one of the table.
type column struct {
	name, title        string
	least, usual, most int // its width where there is little room, and where there is more
	// cell returns its text. A text with parts of different weight can use the width; others are
	// cut.
	cell func(e *auditlogs.Entry, width int) string
}

// A tableStyle holds the flags that say how a table looks.
type tableStyle struct {
	timeZone
	columns []string // names of columns and paths of fields; empty for the columns that fit
}

// defaultColumns returns the columns that a table has unless others are chosen.
func (s *tableStyle) defaultColumns() []column {
	plain := func(text func(e *auditlogs.Entry) string) func(*auditlogs.Entry, int) string {
		return func(e *auditlogs.Entry, _ int) string { return text(e) }
	}
	moment := len(s.text(time.Unix(0, 0)))
	if s.heading("") != "" {
		moment = max(len("2006-01-02T15:04:05+00:00"), len(s.heading("TIME")))
	}
	return []column{
		{"time", s.heading("TIME"), moment, moment, moment, plain(func(e *auditlogs.Entry) string { return s.text(e.Action.Time) })},
		{"actor", "ACTOR", 10, 26, 48, tableActor},
		{"address", "ADDRESS", 15, 15, 39, plain(func(e *auditlogs.Entry) string { return e.Actor.IPAddress })},
		{"action", "ACTION", 12, 22, 40, plain(func(e *auditlogs.Entry) string { return cmp.Or(e.Action.Description, e.Action.Type) })},
		{"type", "TYPE", 12, 14, 30, plain(tableType)},
		{"resource", "RESOURCE", 9, 10, 36, plain(func(e *auditlogs.Entry) string { return e.Resource.ID })},
		{"zone", "ZONE", 11, 14, 30, plain(func(e *auditlogs.Entry) string { return cmp.Or(e.Zone.Name, e.Zone.ID) })},
		{"result", "RESULT", 11, 11, 11, plain(tableResult)},
		{"id", "ID", 36, 36, 36, plain(func(e *auditlogs.Entry) string { return e.ID })},
	}
}

// tableFooter is the help about the table.
const tableFooter = `Table
table is for people: a line for each entry, cut to the terminal's width, or to 200 columns without a terminal. A token is
named in brackets beside its owner, and the status beside a result that is no success. Where there is no room for all
columns, it leaves out resource first, then id, type, zone, address, result, action and actor: id needs a width of 151.
--columns chooses others, by these names or by the path of any field, such as raw.user_agent; without a terminal, nothing in
them is cut. Times are in UTC, or with their offset in another time zone; --since and --before take either. Characters that
cannot be printed appear as �.`

// dropped are the columns in the order in which a table loses them that has no room for all. The
// first ones are there only if others get more than their least width.
var dropped = []struct {
	name  string
	spare int
}{{"resource", 16}, {"id", 10}, {"type", 10}, {"zone", 0}, {"address", 0}, {"result", 0}, {"action", 0}, {"actor", 0}}

// fieldColumn returns a column with the field at a path.
func (s *tableStyle) fieldColumn(path string) column {
	names := bytes.Split([]byte(path), []byte("."))
	return column{path, path, min(len(path), 10), max(len(path), 16), max(len(path), 40), func(e *auditlogs.Entry, _ int) string { return s.field(e, names) }}
}

// field returns the text of the field at a path: the content of a string, a time in the time zone,
// otherwise JSON.
func (s *tableStyle) field(e *auditlogs.Entry, path [][]byte) string {
	var at any = &e.Entry
	for _, name := range path {
		_, at = auditlogsapi.Member(at, name)
	}
	switch v := at.(type) {
	case *string:
		return *v
	case *int:
		if *v != 0 {
			return strconv.Itoa(*v)
		}
	case *time.Time:
		return s.text(*v)
	case *json.RawMessage:
		var text string
		if json.Unmarshal(*v, &text) == nil {
			return text
		}
		return string(*v)
	}
	return ""
}

// columnNames are the names that --columns takes: columns, then fields.
func columnNames() (names []string) {
	for _, c := range new(tableStyle).defaultColumns() {
		names = append(names, c.name)
	}
	for _, o := range []auditlogsapi.Operation{operation, organizationOperation} {
		for _, field := range o.Fields {
			if !slices.Contains(names, field.Path) {
				names = append(names, field.Path)
			}
		}
	}
	return names
}

const columnsFlag = "columns"

func (s *tableStyle) flags() []*flagValue {
	columns := &flagValue{
		name: columnsFlag, placeholder: "NAMES", group: groupOutput, repeated: true,
		help:      "the columns of the table, separated by commas: those it has by itself, and any field by its path, such as time,actor,raw.uri,id",
		byDefault: "those that fit",
		want:      "names of columns or paths of fields, separated by commas, such as time,actor,raw.uri,id",
		mistake:   columnMistake,
		complete:  completeColumns,
		set: func(value string) bool {
			if columnMistake(value) != "" || value == "" {
				return false
			}
			s.columns = append(s.columns, strings.Split(value, ",")...)
			return true
		},
	}
	return append([]*flagValue{columns}, s.timeZone.flags()...)
}

// columnMistake explains what is wrong with a list of columns; empty if nothing is.
func columnMistake(value string) string {
	names := columnNames()
	for name := range strings.SplitSeq(value, ",") {
		if slices.Contains(names, name) {
			continue
		}
		hint := suggestion(name, names, "")
		if hint == "" {
			hint = fmt.Sprintf(": want names of %s, or paths of fields such as actor.email", strings.Join(names[:slices.Index(names, "id")+1], ", "))
		}
		return "there is no field " + excerpt(name) + hint
	}
	return ""
}

// completeColumns completes the last name of a list.
func completeColumns(typed string) (values []string) {
	given := typed[:strings.LastIndexByte(typed, ',')+1]
	for _, name := range columnNames() {
		if !slices.Contains(strings.Split(given, ","), name) {
			values = append(values, given+name)
		}
	}
	return values
}

// newTable divides width among the columns in advance, so that each page can be printed as it
// arrives. A width of 0 is that of no terminal.
func newTable(width int, colours bool, style *tableStyle) *tableFormat {
	t := &tableFormat{width: cmp.Or(width, tableDefault), whole: width == 0 && style.columns != nil, colours: colours}
	byDefault := style.defaultColumns()
	for _, name := range style.columns {
		if i := slices.IndexFunc(byDefault, func(c column) bool { return c.name == name }); i >= 0 {
			t.columns = append(t.columns, byDefault[i])
		} else {
			t.columns = append(t.columns, style.fieldColumn(name))
		}
	}
	if style.columns == nil {
		t.columns = byDefault
		for _, next := range dropped {
			if needed(t.columns)+next.spare <= t.width {
				break
			}
			t.columns = slices.DeleteFunc(t.columns, func(c column) bool { return c.name == next.name })
		}
	}
	t.divide()
	return t
}

// needed is the least width of a line with some columns.
func needed(columns []column) int {
	sum := len(tableGap) * (len(columns) - 1)
	for _, c := range columns {
		sum += c.least
	}
	return sum
}

// divide gives each column its least width, then what it usually needs, then more, as long as there
// is room.
func (t *tableFormat) divide() {
	room := t.width - needed(t.columns)
	for _, c := range t.columns {
		t.widths = append(t.widths, c.least)
	}
	for room < 0 {
		widest := slices.Index(t.widths, slices.Max(t.widths))
		if t.widths[widest] == 1 {
			return
		}
		t.widths[widest]--
		room++
	}
	for _, wanted := range []func(c column) int{func(c column) int { return c.usual }, func(c column) int { return c.most }} {
		for grown := true; grown && room > 0; {
			grown = false
			for i, c := range t.columns {
				if t.widths[i] < wanted(c) && room > 0 {
					t.widths[i]++
					room--
					grown = true
				}
			}
		}
	}
}

// Header appends the titles.
func (t *tableFormat) Header(b []byte) []byte {
	return t.line(b, styleBold, func(i int) string { return t.columns[i].title })
}

// Entry appends an entry's line.
func (t *tableFormat) Entry(b []byte, e *auditlogs.Entry) []byte {
	colour := ""
	if e.Action.Result == string(auditlogsapi.ActionResultFailure) {
		colour = styleRed
	}
	return t.line(b, colour, func(i int) string {
		if t.whole {
			return t.columns[i].cell(e, math.MaxInt)
		}
		return t.columns[i].cell(e, t.widths[i])
	})
}

// line appends one line, which fits into the width.
func (t *tableFormat) line(b []byte, colour string, cell func(i int) string) []byte {
	var text strings.Builder
	for i, width := range t.widths {
		if i > 0 {
			text.WriteString(tableGap)
		}
		shown := clean(cmp.Or(cell(i), "-"))
		_, n := measure(shown, width)
		if n == len(shown) || !t.whole && i < len(t.widths)-1 { // The line's width bounds the last one.
			shown = fit(shown, width)
		}
		text.WriteString(shown)
	}
	whole := text.String()
	if !t.whole {
		whole = atMost(whole, t.width)
	}
	whole = strings.TrimRight(whole, " ")
	if t.colours && colour != "" {
		whole = colour + whole + styleReset
	}
	return append(append(b, whole...), '\n')
}

// tableActor names who acted, and beside the owner the token that was used. Where there is no room
// for both, both are cut.
func tableActor(e *auditlogs.Entry, width int) string {
	owner, token := clean(e.Actor.Email), clean(cmp.Or(e.Actor.TokenName, e.Actor.TokenID))
	switch {
	case token == "":
		return cmp.Or(owner, e.Actor.ID, e.Actor.Type)
	case owner == "":
		return "[" + token + "]"
	}
	ownerWidth, tokenWidth := runewidth.StringWidth(owner), runewidth.StringWidth(token)
	room := max(width-len(" []"), 2)
	if ownerWidth+tokenWidth > room {
		tokenWidth = min(tokenWidth, max(room/2, room-ownerWidth))
		ownerWidth = room - tokenWidth
		owner, token = strings.TrimRight(fit(owner, ownerWidth), " "), strings.TrimRight(fit(token, tokenWidth), " ")
	}
	return owner + " [" + token + "]"
}

// tableType returns product and type, and only one of them where it says the other as well.
func tableType(e *auditlogs.Entry) string {
	product, kind := e.Resource.Product, e.Resource.Type
	switch {
	case says(kind, product):
		return kind
	case says(product, kind):
		return product
	}
	return product + " " + kind
}

// says reports whether a text has all words of another one, in singular or plural.
func says(text, other string) bool {
	words := func(text string) []string {
		found := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" ._-/", r) })
		for i := range found {
			found[i] = strings.TrimSuffix(found[i], "s")
		}
		return found
	}
	all := words(text)
	return !slices.ContainsFunc(words(other), func(word string) bool { return !slices.Contains(all, word) })
}

// tableResult returns how the action ended, with the status of a failure.
func tableResult(e *auditlogs.Entry) string {
	result, status := e.Action.Result, e.Entry.Raw.StatusCode
	if status == 0 || result == string(auditlogsapi.ActionResultSuccess) && status < 400 || result == "" && status < 400 {
		return result
	}
	return strings.TrimSpace(result + " " + strconv.Itoa(status))
}
