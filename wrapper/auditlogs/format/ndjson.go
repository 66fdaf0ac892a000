package format

import "cfaudit.example/wrapper/auditlogs"

// NDJSON writes each entry's own bytes as a line, unknown fields included. They are compacted only
// if they contain line breaks. There is no header.
type NDJSON struct{}

// Header appends nothing.
func (NDJSON) Header(b []byte) []byte { return b }

// Entry appends the entry's line.
func (NDJSON) Entry(b []byte, e *auditlogs.Entry) []byte {
	line := []byte(e.Raw)
	if holds(line, "\r\n") {
		line = compact(line)
	}
	return append(append(b, line...), '\n')
}
