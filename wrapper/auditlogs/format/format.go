// Package format turns entries into text: a line of JSON each, as they were sent or in the words of
// a schema, or a row for a spreadsheet. What exports and follows writes through it, and so can a
// program that lists by itself.
package format

import (
	"encoding/json"
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
	NameECS    = "ecs"    // [ECS]
	NameOCSF   = "ocsf"   // [OCSF]
)

// An Option changes how a format writes. One that a format has no use for changes nothing.
type Option func(*options)

type options struct {
	cell    func(text string) string
	omitRaw bool
}

// Cells passes the cells of a [CSV] through a function, such as one that makes them safe to print
// on a terminal.
func Cells(cell func(text string) string) Option { return func(o *options) { o.cell = cell } }

// OmitRaw leaves the entry's bytes out of [ECS] and [OCSF].
func OmitRaw() Option { return func(o *options) { o.omitRaw = true } }

// A kind is a format in the list of formats.
type kind struct {
	name string
	ends []string // of the names of files that hold it
	make func(o options) Format
	// read returns the bytes of the entry that a line was made from; nil where they are not in it.
	// It is nil for a format whose lines are the entries.
	read func(line []byte) []byte
}

// kinds is the list of formats. What is in it works in the library and in every command.
var kinds = []kind{
	{name: NameNDJSON, ends: []string{".ndjson", ".jsonl"}, make: func(options) Format { return NDJSON{} }},
	{name: NameCSV, ends: []string{".csv"}, make: func(o options) Format { return NewCSV(o.cell) }},
	{name: NameECS, ends: []string{".ecs.ndjson", ".ecs.jsonl"}, make: func(o options) Format { return ECS{OmitOriginal: o.omitRaw} }, read: originalOfECS},
	{name: NameOCSF, ends: []string{".ocsf.ndjson", ".ocsf.jsonl"}, make: func(o options) Format { return OCSF{OmitRawData: o.omitRaw} }, read: rawDataOfOCSF},
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
func New(name string, opts ...Option) (Format, error) {
	var o options
	for _, option := range opts {
		option(&o)
	}
	for _, k := range kinds {
		if k.name == name {
			return k.make(o), nil
		}
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
// not contain it, such as one that was written with [OmitRaw], or a row of a [CSV].
func Read(name string, line []byte) (e *auditlogs.Entry, ok bool) {
	for _, k := range kinds {
		if k.name != name || name == NameCSV {
			continue
		}
		if k.read != nil {
			if line = k.read(line); line == nil {
				return nil, false
			}
		}
		e = new(auditlogs.Entry)
		_ = e.UnmarshalJSON(line) // What is wrong with it is an error of the entry.
		return e, true
	}
	return nil, false
}

func originalOfECS(line []byte) []byte {
	var event struct{ Event struct{ Original *string } }
	if json.Unmarshal(line, &event) != nil || event.Event.Original == nil {
		return nil
	}
	return []byte(*event.Event.Original)
}

func rawDataOfOCSF(line []byte) []byte {
	var event struct {
		RawData *string `json:"raw_data"`
	}
	if json.Unmarshal(line, &event) != nil || event.RawData == nil {
		return nil
	}
	return []byte(*event.RawData)
}
