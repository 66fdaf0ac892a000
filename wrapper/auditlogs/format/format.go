// Package format turns entries into text: a line of JSON each, or a row for a spreadsheet. The
// packages export and follow and the command use it, and so can a program that lists entries.
package format

import (
	"fmt"
	"strings"

	"cfaudit.example/wrapper/auditlogs"
)

// A Format turns entries into text. Its methods append to b and return the result; each ends what
// it appends with a line break, and none keeps b. A Format is for one goroutine at a time.
type Format interface {
	// Header appends the text before the first entry.
	Header(b []byte) []byte
	// Entry appends an entry.
	Entry(b []byte, e *auditlogs.Entry) []byte
}

// The names of the formats, which [New] takes.
const (
	NameNDJSON = "ndjson" // [NDJSON]
	NameCSV    = "csv"    // [CSV]
)

// Names returns the names of the formats.
func Names() []string { return []string{NameNDJSON, NameCSV} }

// New returns the format with a name, ready for a file. Its error shows the right names.
func New(name string) (Format, error) {
	switch name {
	case NameNDJSON:
		return NDJSON{}, nil
	case NameCSV:
		return NewCSV(nil), nil
	}
	return nil, fmt.Errorf("there is no format %q: want one of %s", name, strings.Join(Names(), ", "))
}
