package format

import (
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
	if holds(value, "\r\n") {
		value = compact(value)
	}
	return append(b, value...)
}
