package main

import (
	"bytes"
	"encoding/json"

	"cfaudit.example/wrapper/auditlogs"
)

// ndjsonFormat prints each entry's own bytes on a line.
type ndjsonFormat struct{}

func (ndjsonFormat) header(b []byte) []byte { return b }

func (ndjsonFormat) entry(b []byte, e *auditlogs.Entry) []byte {
	return append(oneLine(b, e.Raw), '\n')
}

// oneLine appends a JSON value, compacted where it spans several lines.
func oneLine(b []byte, value json.RawMessage) []byte {
	if bytes.ContainsAny(value, "\r\n") {
		var compact bytes.Buffer
		if json.Compact(&compact, value) == nil {
			return append(b, compact.Bytes()...)
		}
		// Too deep for the json package. A line break in JSON is space, wherever it stands.
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
