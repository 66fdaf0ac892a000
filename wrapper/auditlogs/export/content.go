package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// A content reads the text of an export, and counts the same as the export did when it wrote it.
type content struct {
	*measure
	format string
	csv    bool
	tally

	record []byte // a part of one
	quoted bool   // it ends within quotes
	long   bool   // it is too long, and skipped
	longs  int

	headed   bool // the header was read
	id, time int  // the columns of a csv; -1 if there is no such column
}

// longestRecord bounds what is kept of a file that may be damaged. It is more than any entry has
// under the default limits.
const longestRecord = 64 << 20

// newContent returns a content of a format. Its error is that of the window.
func newContent(name string, window Window) (*content, error) {
	c := &content{measure: newMeasure(), format: name, csv: name == format.NameCSV}
	return c, c.within(window)
}

// Write splits records: they end with lines, in csv only outside of quotes.
func (c *content) Write(p []byte) (int, error) {
	_, _ = c.measure.Write(p) // It never fails.
	for part := range bytes.Lines(p) {
		if c.csv && bytes.Count(part, []byte{'"'})%2 == 1 {
			c.quoted = !c.quoted
		}
		if c.long = c.long || len(c.record)+len(part) > longestRecord; c.long {
			c.record = nil
		} else {
			c.record = append(c.record, part...)
		}
		if !c.quoted && part[len(part)-1] == '\n' {
			c.take()
			c.record, c.long = c.record[:0], false
		}
	}
	return len(p), nil
}

// take counts the record.
func (c *content) take() {
	var e auditlogs.Entry
	switch {
	case c.long:
		c.longs++
	case !c.csv:
		if read, ok := format.Read(c.format, c.record); ok { // Where it is damaged, the digest says so.
			e = *read
		}
	default:
		row, _ := csv.NewReader(bytes.NewReader(c.record)).Read() // If it is damaged, the digest does not match.
		if !c.headed {
			c.headed = true
			c.id, c.time = slices.Index(row, "id"), slices.Index(row, "action.time")
			return
		}
		action := map[string]any{"time": cell(row, c.time)}
		text, _ := json.Marshal(map[string]any{"id": plainID(cell(row, c.id)), "action": action})
		_ = e.UnmarshalJSON(text) // As the listing decoded the fields.
	}
	c.add(&e)
}

func cell(row []string, column int) string {
	if column < 0 || column >= len(row) {
		return ""
	}
	return row[column]
}

// plainID is what a cell and the id that it was made from have in common: csv puts an apostrophe
// before what a spreadsheet would take for a formula, and reads "\r\n" as "\n".
func plainID(id string) string {
	if len(id) > 1 && id[0] == '\'' && strings.ContainsRune("=+-@\t\r\n", rune(id[1])) {
		id = id[1:]
	}
	return strings.ReplaceAll(id, "\r\n", "\n")
}

// differs lists the differences of the text from a manifest's counts.
func (c *content) differs(m *Counts) (wrong differences) {
	wrong.count("entries", c.Entries, m.Entries)
	if c.csv && (!c.headed || c.id < 0 || c.time < 0) {
		wrong.add("its first line is not the header of an export: want one with the columns id and action.time")
		return wrong
	}
	if c.longs > 0 {
		return wrong // Nothing more is known of such an entry.
	}
	wrong.count("entries out of the order of time", c.OutOfOrder, m.OutOfOrder)
	wrong.count("entries outside of the window", c.Outside, m.Outside)
	if !c.csv { // A cell does not show its type.
		wrong.count("entries with a field of an unexpected type", c.Malformed, m.Malformed)
	}
	if !c.same(c.First, m.First, m.Malformed) {
		wrong.add("its first entry is %s, and the manifest says %s", c.First, m.First)
	}
	if !c.same(c.Last, m.Last, m.Malformed) {
		wrong.add("its last entry is %s, and the manifest says %s", c.Last, m.Last)
	}
	return wrong
}

// same compares the entries that two marks name.
func (c *content) same(is, to *EntryRef, odd int64) bool {
	switch {
	case is == nil || to == nil:
		return is == to
	case !is.Time.Equal(to.Time):
		return false
	case !c.csv:
		return is.ID == to.ID
	}
	// An id that is not a string has a cell, but is not an id.
	return is.ID == plainID(to.ID) || to.ID == "" && odd > 0
}
