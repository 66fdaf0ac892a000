package format

import (
	"encoding/json"

	"cfaudit.example/wrapper/auditlogs"
)

// NDJSON gives each entry's own bytes a line, unknown fields included. Only where these bytes hold line breaks, they are
// compacted. There is no header.
type NDJSON struct{}

// Header appends nothing.
func (NDJSON) Header(b []byte) []byte { return b }

// Entry appends the entry's line.
func (NDJSON) Entry(b []byte, e *auditlogs.Entry) []byte {
	return append(oneLine(b, e.Raw), '\n')
}

// oneLine appends a JSON value, compacted where it spans several lines.
func oneLine(b []byte, value json.RawMessage) []byte {
	if holds(value, "\r\n") {
		value = compact(value)
	}
	return append(b, value...)
}
