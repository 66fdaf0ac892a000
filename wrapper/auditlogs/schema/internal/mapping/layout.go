// Package mapping is the part of mapping an entry that does not depend on the schema: it takes the
// entry's bytes apart, hands each field of the contract to its targets, and keeps everything else
// in a part of the event that is ours.
package mapping

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/internal/lexer"
	"cfaudit.example/wrapper/auditlogs/schema"
)

// Own stands for the part of an event that is ours in [Config.Paths].
const Own = "*"

// A Conversion gives a target a field's value, as JSON. It reports whether the target now tells the
// value exactly; where no target does, the value is kept in our part as well.
type Conversion func(m *Mapping, slot int, value []byte) bool

// A Config describes a schema.
type Config struct {
	Own         string                               // the path of our part, such as "unmapped"
	Paths       []string                             // the paths that events can have, in their order; [Own] for our part
	Targets     func(f *auditlogsapi.Field) []string // the paths that a field fills
	Derived     []string                             // the paths that [Schema.Finish] fills
	Conversions map[string]Conversion                // by path; the others take text
	Constants   map[string]string                    // what every event says, by path
}

// A Layout is a schema, ready to map entries.
type Layout struct {
	slots   []slot
	own     int // the slot of our part
	index   map[string]int
	fields  []field
	objects []object
	values  []schema.Value // of the constants
	pool    sync.Pool
}

// A slot is a place for a value in an event.
type slot struct {
	chain []*segment // the objects and arrays around it
	leaf  *segment
}

// A segment is a step on a path.
type segment struct {
	name     string // "" for an element of an array
	key      []byte // the name as it stands in JSON, with its colon
	brackets string // of an object or an array
}

// A field is a field of the contract.
type field struct {
	path    string
	name    string
	key     []byte // the name
	object  int    // the number of its object
	nests   bool   // our part takes an object for it, or a scalar: Elasticsearch knows one type
	targets []target
}

type target struct {
	slot    int
	convert Conversion
}

// An object is an object of the contract. The first is the entry itself.
type object struct {
	*segment
	first, end int // its fields
}

// New compiles a schema. It panics where the description contradicts itself.
func New(config Config) *Layout {
	l := &Layout{index: map[string]int{}, objects: []object{{segment: new(segment)}}}
	segments := map[string]*segment{}
	for _, path := range config.Paths {
		if path == Own {
			l.own = len(l.slots)
			l.slots = append(l.slots, slot{chain: chain(segments, config.Own)})
			continue
		}
		parents := chain(segments, path)
		l.index[path] = len(l.slots)
		l.slots = append(l.slots, slot{parents[:len(parents)-1], parents[len(parents)-1]})
	}
	for i := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		l.add(&auditlogsapi.ListAccountAuditLogsOperation.Fields[i], config)
	}
	slices.SortStableFunc(l.fields, func(a, b field) int { return a.object - b.object })
	for i := range l.fields {
		o := &l.objects[l.fields[i].object]
		if o.end == 0 {
			o.first = i
		}
		o.end = i + 1
	}
	l.values = make([]schema.Value, len(l.slots))
	for path, text := range config.Constants {
		l.values[l.Slot(path)] = Constant(text)
	}
	l.pool.New = func() any { return newMapping(l) }
	return l
}

// chain returns the segments of a path, such as "resources[0].uid". Those of an equal path are the
// same.
func chain(known map[string]*segment, path string) (segments []*segment) {
	at := ""
	step := func(name, brackets, suffix string) {
		at += suffix
		if known[at] == nil {
			known[at] = newSegment(name, brackets)
		}
		segments = append(segments, known[at])
	}
	for part := range strings.SplitSeq(path, ".") {
		name, element, array := strings.Cut(part, "[")
		if array {
			step(name, "[]", "."+name)
			step("", "{}", "["+element)
		} else {
			step(name, "{}", "."+name)
		}
	}
	return segments
}

func newSegment(name, brackets string) *segment {
	s := &segment{name: name, brackets: brackets}
	if name != "" {
		s.key = fmt.Appendf(nil, "%q:", name)
	}
	return s
}

func (l *Layout) add(f *auditlogsapi.Field, config Config) {
	added := field{path: f.Path, name: f.Path, nests: f.Type == "object" || f.Type == "" && f.Known == nil}
	if objectName, name, nested := strings.Cut(f.Path, "."); nested {
		added.name = name
		added.object = slices.IndexFunc(l.objects, func(o object) bool { return o.name == objectName })
		if added.object < 0 {
			added.object = len(l.objects)
			l.objects = append(l.objects, object{segment: newSegment(objectName, "{}")})
		}
	}
	added.key = []byte(added.name)
	for _, path := range config.Targets(f) {
		if path == config.Own+"."+f.Path {
			added.targets = append(added.targets, target{slot: -1})
			continue
		}
		at, ok := l.index[path]
		if !ok {
			panic(fmt.Sprintf("the field %s has the target %s, which is no path of an event", f.Path, path))
		}
		convert := config.Conversions[path]
		switch {
		case slices.Contains(config.Derived, path):
			convert = derived
		case convert == nil:
			convert = Text
		}
		added.targets = append(added.targets, target{at, convert})
	}
	l.fields = append(l.fields, added)
}

// Field returns the number of a field of the contract, for [Mapping.Field]. It panics where there
// is none.
func (l *Layout) Field(path string) int {
	at := slices.IndexFunc(l.fields, func(f field) bool { return f.path == path })
	if at < 0 {
		panic("no field " + path)
	}
	return at
}

// Slot returns the place of a path. It panics where there is none.
func (l *Layout) Slot(path string) int {
	at, ok := l.index[path]
	if !ok {
		panic("no path " + path)
	}
	return at
}

// Text gives a target a text. An empty one is no value.
func Text(m *Mapping, slot int, value []byte) bool {
	if !IsText(value) {
		return false
	}
	m.Set(slot, schema.Literal(schema.KindText, value))
	return true
}

// Constant returns a text as a value that is quoted already.
func Constant(text string) schema.Value {
	return schema.Literal(schema.KindText, schema.Text([]byte(text)).AppendJSON(nil))
}

// IsText reports whether a value is a text that is not empty.
func IsText(value []byte) bool { return len(value) > 2 && value[0] == '"' }

// Plain returns a text without its quotes, where it is one without escapes.
func Plain(value []byte) ([]byte, bool) {
	if !IsText(value) {
		return nil, false
	}
	value = value[1 : len(value)-1]
	return value, bytes.IndexByte(value, '\\') < 0
}

// Integer gives a target a whole number.
func Integer(m *Mapping, slot int, value []byte) bool {
	if len(value) > len("999999999") || len(value) > 1 && value[0] == '0' {
		return false
	}
	for _, c := range value {
		if !lexer.IsDigit(c) {
			return false
		}
	}
	m.Set(slot, schema.Literal(schema.KindInteger, value))
	return true
}

// JSON gives a target any value, except null.
func JSON(m *Mapping, slot int, value []byte) bool {
	if value[0] == 'n' {
		return false
	}
	m.Set(slot, schema.Literal(schema.KindJSON, value))
	return true
}

// derived leaves a target to [Schema.Finish].
func derived(*Mapping, int, []byte) bool { return false }

// Time returns the time of the entry's action, whose text is RFC 3339.
func (m *Mapping) Time(value []byte) (t time.Time, ok bool) {
	if t = m.Entry.Action.Time; !t.IsZero() && m.Entry.Err() == nil {
		return t, true // All fields could be read.
	}
	return parseTime(value)
}

func parseTime(value []byte) (t time.Time, ok bool) {
	text, ok := Plain(value)
	if !ok {
		// One that is written with escapes is a time all the same.
		if text = []byte(schema.Literal(schema.KindText, value).Text()); !IsText(value) || len(text) == 0 {
			return t, false
		}
	}
	const hour, fraction, offset = len("2006-01-02T"), len("2006-01-02T15:04:05"), len("07:00")
	// The time package takes more than that: an hour of one digit, a comma before the fraction, and
	// offsets that are none.
	if t.UnmarshalText(text) != nil || text[hour+1] == ':' || text[fraction] == ',' {
		return t, false
	}
	end := text[len(text)-offset:]
	return t, text[len(text)-1] == 'Z' || string(end[:2]) < "24" && string(end[3:]) < "60"
}

// Address gives a target an address.
func Address(m *Mapping, slot int, value []byte) bool {
	return m.IsAddress(value) && Text(m, slot, value)
}

// IsAddress reports whether a value is an address that every schema takes: without a zone, and in
// at most 39 characters.
func (m *Mapping) IsAddress(value []byte) bool {
	text, ok := Plain(value)
	if !ok || len(text) > len("2001:0db8:0000:0000:0000:0000:0000:0001") || bytes.IndexByte(text, '%') >= 0 {
		return false
	}
	if m.address != &value[0] { // Several targets ask.
		_, err := netip.ParseAddr(string(text))
		m.address, m.isAddress = &value[0], err == nil
	}
	return m.isAddress
}
