// Package format turns entries into text: a line of JSON each, as they were sent or in the words of
// a schema, or a row for a spreadsheet. What exports and follows writes through it, and so can a
// program that lists by itself.
package format

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema/ecs"
	"cfaudit.example/wrapper/auditlogs/schema/ocsf"
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
	NameECS    = "ecs"    // events of the Elastic Common Schema
	NameOCSF   = "ocsf"   // events of the Open Cybersecurity Schema Framework
)

// Options change how a format writes. What a format has no use for changes nothing.
type Options struct {
	// Cell changes the text of each cell of a [CSV], for example to make it safe to print on a
	// terminal. Nil leaves it as it is.
	Cell func(text string) string
	// OmitRaw leaves the entry's bytes out of the events of a schema.
	OmitRaw bool
}

// A kind is a format in the list of formats.
type kind struct {
	name string
	ends []string // of the names of files that hold it
	make func(o Options) Format
	// read returns the bytes of the entry that a line was made from; none where they are not in it.
	// It is nil for a format whose lines are the entries.
	read func(line []byte) []byte
}

// kinds is the list of formats. What is in it works in the library and in every command.
var kinds = []kind{
	{name: NameNDJSON, ends: []string{".ndjson", ".jsonl"}, make: func(Options) Format { return NDJSON{} }},
	{name: NameCSV, ends: []string{".csv"}, make: func(o Options) Format { return NewCSV(o.Cell) },
		read: func([]byte) []byte { return nil }},
	{
		name: NameECS, ends: []string{".ecs.ndjson", ".ecs.jsonl"}, read: entryOfEvent,
		make: func(o Options) Format {
			return events(func(b []byte, e *auditlogs.Entry) []byte {
				return ecs.Append(b, e, ecs.Options{OmitOriginal: o.OmitRaw})
			})
		},
	},
	{
		name: NameOCSF, ends: []string{".ocsf.ndjson", ".ocsf.jsonl"}, read: entryOfEvent,
		make: func(o Options) Format {
			return events(func(b []byte, e *auditlogs.Entry) []byte {
				return ocsf.Append(b, e, ocsf.Options{OmitRawData: o.OmitRaw})
			})
		},
	},
}

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

// events gives each entry a line with an event of a schema. There is no header.
type events func(b []byte, e *auditlogs.Entry) []byte

func (events) Header(b []byte) []byte { return b }

func (f events) Entry(b []byte, e *auditlogs.Entry) []byte { return append(f(b, e), '\n') }

// entryOfEvent returns the entry's bytes from an event of either schema.
func entryOfEvent(line []byte) []byte {
	var event struct {
		Event   struct{ Original string } // of ECS
		RawData string                    `json:"raw_data"` // of OCSF
	}
	if json.Unmarshal(line, &event) != nil {
		return nil
	}
	return []byte(cmp.Or(event.Event.Original, event.RawData))
}

// Names returns the names of the formats.
func Names() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// New returns the format with a name, ready for a file. Its error shows the right names.
func New(name string, o Options) (Format, error) {
	if i := slices.Index(Names(), name); i >= 0 {
		return kinds[i].make(o), nil
	}
	return nil, fmt.Errorf("there is no format %q: want one of %s", name, strings.Join(Names(), ", "))
}

// OfFile returns the name of the format whose extension a file name ends with, and that extension;
// "" if there is none. The name is in lower case and without the extension of a compression.
func OfFile(file string) (name, end string) {
	for _, k := range kinds {
		for _, e := range k.ends {
			if len(e) > len(end) && strings.HasSuffix(file, e) {
				name, end = k.name, e
			}
		}
	}
	return name, end
}

// Read returns the entry that a line of JSON was made from. It reports false for a line that does
// not contain it, such as one that was written with OmitRaw, or a row of a [CSV].
func Read(name string, line []byte) (e *auditlogs.Entry, ok bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return nil, false
	}
	if read := kinds[i].read; read != nil {
		if line = read(line); len(line) == 0 {
			return nil, false
		}
	}
	e = new(auditlogs.Entry)
	_ = e.UnmarshalJSON(line) // What is wrong with it is an error of the entry.
	return e, true
}
