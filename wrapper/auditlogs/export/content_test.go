package export

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// TestContentOfEveryEntry writes entries of every kind as an export does, and reads them as a
// check does: the counts must be the same, or a check would call a good file damaged.
func TestContentOfEveryEntry(t *testing.T) {
	entries := []string{`null`, `7`, `[]`, `{}`, `"text"`, "{\n\"id\":\r\n\"a\"}"}
	for _, id := range []string{
		`"a"`, `""`, `null`, `7`, `{}`, `["a"]`, `"=1+1"`, `"'=1+1"`, `"="`, `"'"`, `"-"`, `"\ta"`, `"a\tb"`, `"\r"`, `"\r\n"`, `"a\r\nb"`, `"a\nb"`,
		`"a,\"b\""`, `"\ud800"`, "\"\xff\"", `" a "`, `"a","id":"b"`, `"a","id":7`, `"a","id":null`, `"` + strings.Repeat("long", 1000) + `"`,
	} {
		for _, at := range []string{
			`"2024-10-01T12:00:00Z"`, `"2024-10-01T14:00:00.123456789+02:00"`, `"2024-10-01T12:00:00\u005a"`, `"2024-10-01T12:00:00,5Z"`,
			`"2024-10-01T1:00:00Z"`, `"2024-10-01T12:00:00+24:00"`, `"2001-01-01T00:00:00Z"`, `"0000-01-01T00:00:00+23:00"`,
			`"9999-12-31T23:00:00-23:00"`, `"0001-01-01T00:00:00Z"`, `"soon"`, `""`, `null`, `7`, `{}`,
		} {
			entries = append(entries, fmt.Sprintf(`{"id":%s,"action":{"time":%s}}`, id, at))
		}
	}
	window := Window{"2024-10-01", "2024-10-02"}
	for _, name := range format.Names() {
		lines, err := format.New(name, format.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, raw := range entries {
			var counts tally
			_ = counts.within(window)
			text := lines.Header(nil)
			// As the first, as one between, and as the last.
			for _, raw := range []string{raw, `{"id":"between","action":{"time":"2024-10-01T12:00:00Z"}}`, raw} {
				var e auditlogs.Entry
				if err := e.UnmarshalJSON([]byte(raw)); err != nil {
					t.Fatal(err)
				}
				counts.add(&e)
				text = lines.Entry(text, &e)
			}
			c, _ := newContent(name, window)
			if _, err := io.Copy(c, iotest.OneByteReader(strings.NewReader(string(text)))); err != nil {
				t.Fatal(err)
			}
			if wrong := c.differs(&counts.Counts); wrong != nil {
				t.Errorf("%s: entry %d, %.80s: %v", name, i, raw, wrong)
			}
		}
	}
}

// TestContentIsBounded has a record that is longer than any that is kept.
func TestContentIsBounded(t *testing.T) {
	for _, name := range format.Names() {
		c, _ := newContent(name, Window{"2024-10-01", "2024-10-02"})
		_, _ = io.WriteString(c, "action.time,id\n")
		_, _ = io.WriteString(c, `"`)
		part := []byte(strings.Repeat("x", 1<<20))
		for range 2 * longestRecord >> 20 {
			_, _ = c.Write(part)
		}
		if cap(c.record) > 2*longestRecord {
			t.Errorf("%s: %d bytes of a record are kept", name, cap(c.record))
		}
		_, _ = io.WriteString(c, "\"\n")
		want := int64(map[bool]int{true: 1, false: 2}[name == format.NameCSV])
		if c.Entries != want || c.longs != 1 || c.differs(&Counts{Entries: want}) != nil {
			t.Errorf("%s: %d entries, %d of them too long", name, c.Entries, c.longs)
		}
	}
}
