package format

import (
	"bytes"
	"encoding/json"

	"cfaudit.example/wrapper/auditlogs"
)

// NDJSON writes each entry's own bytes as a line, unknown fields included. They are compacted only
// if they contain line breaks. There is no header.
type NDJSON struct{}

// Header appends nothing.
func (NDJSON) Header(b []byte) []byte { return b }

// Entry appends the entry's line.
func (NDJSON) Entry(b []byte, e *auditlogs.Entry) []byte {
	return append(oneLine(b, e.Raw), '\n')
}

// oneLine appends a JSON value, compacted if it spans several lines.
func oneLine(b []byte, value json.RawMessage) []byte {
	if bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0 {
		var compact bytes.Buffer
		if json.Compact(&compact, value) == nil {
			return append(b, compact.Bytes()...)
		}
		// Too deep for the json package. A line break in JSON is always white space.
		for _, c := range value {
			if c == '\r' || c == '\n' {
				c = ' '
			}
			b = append(b, c)
		}
		return b
	}
	return append(b, value...)
}
