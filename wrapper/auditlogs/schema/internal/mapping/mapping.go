package mapping

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/lexer"
	"cfaudit.example/wrapper/auditlogs/schema"
)

// A Mapping is an entry on its way to an event.
type Mapping struct {
	Entry *auditlogs.Entry

	layout   *Layout
	text     []byte // the entry's bytes, exactly as they came where they are text
	raw      []byte // the same, clean
	parser   parser
	fields   []found
	objects  [][]byte // the bytes of the contract's objects; nil for those that have no members
	values   []schema.Value
	lists    [][]schema.Value
	own      [][]item // by object
	unmapped []item
	known    map[string]int // of the items in own, where they are many
	buffer   []byte         // of values that are not in the entry

	address   *byte // where the value starts that was last looked at as an address
	isAddress bool

	stack []*segment
	sink  jsonSink
}

// A found field is a field's value in the entry.
type found struct {
	value    []byte
	portable bool
}

// An item is a member of our part.
type item struct {
	object int
	name   []byte // as it stands in JSON, without its quotes
	value  []byte
}

func newMapping(l *Layout) *Mapping {
	return &Mapping{
		layout: l, fields: make([]found, len(l.fields)), objects: make([][]byte, len(l.objects)),
		values: make([]schema.Value, len(l.slots)), lists: make([][]schema.Value, len(l.slots)), own: make([][]item, len(l.objects)),
	}
}

// Map gives each field of an entry to its targets. The mapping is to be released.
func (l *Layout) Map(e *auditlogs.Entry) *Mapping {
	m := l.pool.Get().(*Mapping)
	m.Entry = e
	copy(m.values, l.values)
	raw := []byte(e.Raw)
	if raw == nil {
		raw, _ = json.Marshal(e.Entry) // An entry that was made by hand.
	}
	m.text = validUTF8(raw)
	m.raw = clean(m.text)
	if !m.read() {
		m.reset()
		m.unmapped = append(m.unmapped, item{0, []byte("entry"), m.text})
	}
	for i := range m.fields {
		m.convert(&l.fields[i], m.fields[i])
	}
	return m
}

// Release ends the use of a mapping and of all that it has returned.
func (m *Mapping) Release() {
	m.reset()
	clear(m.values)
	for i := range m.lists {
		clear(m.lists[i])
		m.lists[i] = m.lists[i][:0]
	}
	m.Entry, m.text, m.raw, m.parser.Data, m.sink.b, m.address = nil, nil, nil, nil, nil, nil
	if cap(m.buffer) > 4096 {
		m.buffer = nil
	}
	m.buffer = m.buffer[:0]
	m.layout.pool.Put(m)
}

func (m *Mapping) reset() {
	clear(m.fields)
	clear(m.objects)
	for i := range m.own {
		clear(m.own[i])
		m.own[i] = m.own[i][:0]
	}
	clear(m.unmapped)
	m.unmapped = m.unmapped[:0]
	m.known = nil
}

// read takes the entry apart.
func (m *Mapping) read() bool {
	m.parser = parser{Lexer: lexer.Lexer{Data: m.raw}, names: m.parser.names[:0]}
	m.parser.Space()
	if m.parser.Peek() != '{' || !m.object(0) {
		return false
	}
	m.parser.Space()
	return m.parser.At == len(m.raw)
}

// object reads the entry or an object of the contract.
func (m *Mapping) object(number int) bool {
	p, o := &m.parser, &m.layout.objects[number]
	p.At++
	for first := true; ; first = false {
		name, plain, step := p.Member(first)
		if step != lexer.Inside {
			return step == lexer.Closed
		}
		if !plain {
			name = plainName(name)
		}
		if number == 0 {
			if inner := m.layout.objectNamed(name); inner > 0 {
				if !m.inner(inner, name) {
					return false
				}
				continue
			}
		}
		value, ok := p.cut()
		if !ok {
			return false
		}
		isField := false
		for i := o.first; i < o.end; i++ {
			if m.layout.fields[i].name == string(name) {
				if old := m.fields[i].value; old != nil {
					m.unmapped = append(m.unmapped, item{number, name, old})
				}
				m.fields[i], isField = found{value, p.portable}, true
				break
			}
		}
		if !isField {
			m.unknown(number, name, value)
		}
	}
}

// inner reads the value of a member of the entry that the contract says is an object.
func (m *Mapping) inner(number int, name []byte) bool {
	p := &m.parser
	m.displace(0, name)
	m.displaceObject(number)
	start := p.At
	if p.Peek() != '{' {
		value, ok := p.cut()
		switch {
		case !ok:
			return false
		case value[0] == 'n':
			m.keep(0, name, value)
		default:
			m.unmapped = append(m.unmapped, item{0, name, value})
		}
		return true
	}
	if !m.object(number) {
		return false
	}
	value := m.raw[start:p.At:p.At]
	if isEmpty(value) {
		m.keep(0, name, value)
		return true
	}
	m.objects[number] = value
	return true
}

// isEmpty reports whether an object has no members.
func isEmpty(object []byte) bool { return len(bytes.TrimSpace(object[1:len(object)-1])) == 0 }

func (l *Layout) objectNamed(name []byte) int {
	for i := 1; i < len(l.objects); i++ {
		if l.objects[i].name == string(name) {
			return i
		}
	}
	return 0
}

// plainName returns a name that is written with escapes as everybody else writes it.
func plainName(name []byte) []byte {
	text, err := jsontext.AppendUnquote(nil, slices.Concat([]byte{'"'}, name, []byte{'"'}))
	if err != nil {
		return name
	}
	quoted := schema.Text(text).AppendJSON(nil)
	return quoted[1 : len(quoted)-1]
}

// jsonSuffix ends the names of lists that carry values as text; see the README.
const jsonSuffix = "_json"

// unknown keeps a member that the contract does not know.
func (m *Mapping) unknown(object int, name, value []byte) {
	m.displace(object, name)
	if !m.parser.portable || len(name) == 0 || bytes.HasSuffix(name, []byte(jsonSuffix)) {
		m.unmapped = append(m.unmapped, item{object, name, value})
		return
	}
	m.keep(object, name, value)
}

func (m *Mapping) keep(object int, name, value []byte) {
	m.own[object] = append(m.own[object], item{object, name, value})
	if m.known != nil {
		m.known[key(object, name)] = len(m.own[object]) - 1
	}
}

func key(object int, name []byte) string { return strconv.Itoa(object) + "." + string(name) }

// displace makes room for a name that comes again: the last value counts.
func (m *Mapping) displace(object int, name []byte) {
	items := m.own[object]
	at := -1
	if len(items) <= many {
		at = slices.IndexFunc(items, func(other item) bool { return bytes.Equal(other.name, name) })
	} else {
		if m.known == nil {
			m.known = map[string]int{}
			for o := range m.own {
				for i, other := range m.own[o] {
					m.known[key(o, other.name)] = i
				}
			}
		}
		if i, ok := m.known[key(object, name)]; ok && i < len(items) {
			at = i
		}
	}
	if at >= 0 && items[at].value != nil {
		m.unmapped = append(m.unmapped, items[at])
		items[at].value = nil
		m.own[object] = items
	}
}

// displaceObject does the same for an object of the contract.
func (m *Mapping) displaceObject(number int) {
	if m.objects[number] == nil {
		return
	}
	o := &m.layout.objects[number]
	m.unmapped = append(m.unmapped, item{0, []byte(o.name), m.objects[number]})
	m.objects[number] = nil
	clear(m.fields[o.first:o.end])
	m.own[number] = m.own[number][:0]
	m.unmapped = slices.DeleteFunc(m.unmapped, func(i item) bool { return i.object == number })
	m.known = nil
}

// convert hands a field to its targets.
func (m *Mapping) convert(f *field, is found) {
	if is.value == nil {
		return
	}
	exact, own := false, len(f.targets) == 0
	if is.portable {
		for _, t := range f.targets {
			if t.slot < 0 {
				own = true
			} else if t.convert(m, t.slot, is.value) {
				exact = true
			}
		}
	}
	if !exact || own {
		m.keepField(f, is)
	}
}

// Withdraw takes a value away from a slot that cannot have it, and keeps its field in our part.
func (m *Mapping) Withdraw(slot, field int) {
	if m.Has(slot) {
		m.values[slot] = schema.Value{}
		m.keepField(&m.layout.fields[field], m.fields[field])
	}
}

// Field returns a field's value; nil where the entry does not have it.
func (m *Mapping) Field(number int) []byte { return m.fields[number].value }

func (m *Mapping) keepField(f *field, is found) {
	first := is.value[0]
	fits := first == 'n' || f.nests == (first == '{') && first != '['
	if !is.portable || !fits {
		m.unmapped = append(m.unmapped, item{f.object, f.key, is.value})
		return
	}
	m.keep(f.object, f.key, is.value)
}

// Set gives a slot its value.
func (m *Mapping) Set(slot int, v schema.Value) { m.values[slot] = v }

// Copy gives a slot the value of another.
func (m *Mapping) Copy(to, from int) { m.values[to] = m.values[from] }

// SetText gives a slot a text that is not in the entry, and is valid UTF-8.
func (m *Mapping) SetText(slot int, text string) { m.values[slot] = m.made(text) }

// AddText adds a text that is not in the entry to the list in a slot.
func (m *Mapping) AddText(slot int, text string) { m.Add(slot, m.made(text)) }

func (m *Mapping) made(text string) schema.Value {
	at := len(m.buffer)
	m.buffer = append(m.buffer, text...)
	return schema.Text(m.buffer[at:len(m.buffer):len(m.buffer)])
}

// SetInt gives a slot a whole number that is not in the entry.
func (m *Mapping) SetInt(slot int, n int64) {
	at := len(m.buffer)
	m.buffer = strconv.AppendInt(m.buffer, n, 10)
	m.values[slot] = schema.Literal(schema.KindInteger, m.buffer[at:len(m.buffer):len(m.buffer)])
}

// Add adds a text to the list in a slot, unless it is there.
func (m *Mapping) Add(slot int, v schema.Value) {
	if slices.ContainsFunc(m.lists[slot], v.Equal) {
		return
	}
	m.lists[slot] = append(m.lists[slot], v)
	m.values[slot] = schema.Texts(m.lists[slot])
}

// Problems says which fields of the entry do not have the type of the contract; "" where all have.
// It does not repeat what the decoder says, whose words are not the same each time.
func (m *Mapping) Problems() string {
	err := m.Entry.Err()
	if err == nil {
		return ""
	}
	var fields []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if field := (*auditlogs.FieldError)(nil); errors.As(one, &field) && field.Field != "" {
				fields = append(fields, field.Field)
			}
		}
	}
	if len(fields) == 0 {
		return "the entry is not a JSON object"
	}
	return strings.ToValidUTF8("not of the type that the contract says: "+strings.Join(fields, ", "), replacement)
}

// Has reports whether a slot has a value.
func (m *Mapping) Has(slot int) bool { return m.values[slot].Kind() != 0 }

// SetDigest gives a slot a name for the entry that is made of its bytes.
func (m *Mapping) SetDigest(slot int) {
	raw := []byte(m.Entry.Raw)
	if raw == nil {
		raw = m.raw
	}
	digest := sha256.Sum256(raw)
	m.SetText(slot, DigestPrefix+hex.EncodeToString(digest[:16]))
}

// DigestPrefix starts what stands for the id of an entry that has none.
const DigestPrefix = "sha256:"

// AppendJSON appends the event.
func (m *Mapping) AppendJSON(b []byte) []byte {
	m.sink.b = append(b, '{')
	m.visit(&m.sink)
	return append(m.sink.b, '}')
}

// A sink takes an event.
type sink interface {
	begin(s *segment)
	end(s *segment)
	value(s *segment, v *schema.Value)
	item(name []byte, suffix string, v schema.Value)
}

func (m *Mapping) visit(out sink) {
	m.stack = m.stack[:0]
	for i := range m.values {
		if i == m.layout.own {
			if m.hasOwn() {
				m.enter(m.layout.slots[i].chain, out)
				m.visitOwn(out)
			}
			continue
		}
		if m.values[i].Kind() == 0 {
			continue
		}
		s := &m.layout.slots[i]
		m.enter(s.chain, out)
		out.value(s.leaf, &m.values[i])
	}
	m.enter(nil, out)
}

// enter leaves and enters objects until those on the stack are the given ones.
func (m *Mapping) enter(chain []*segment, out sink) {
	common := 0
	for common < len(m.stack) && common < len(chain) && m.stack[common] == chain[common] {
		common++
	}
	for i := len(m.stack); i > common; i-- {
		out.end(m.stack[i-1])
	}
	m.stack = m.stack[:common]
	for _, s := range chain[common:] {
		out.begin(s)
		m.stack = append(m.stack, s)
	}
}

func (m *Mapping) hasOwn() bool {
	for number := range m.own {
		if m.hasOwnOf(number) {
			return true
		}
	}
	return false
}

// hasOwnOf reports whether our part has members of an object.
func (m *Mapping) hasOwnOf(number int) bool {
	return slices.ContainsFunc(m.own[number], func(i item) bool { return i.value != nil }) ||
		slices.ContainsFunc(m.unmapped, func(i item) bool { return i.object == number })
}

func (m *Mapping) visitOwn(out sink) {
	// The values of a name come together.
	slices.SortStableFunc(m.unmapped, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.object, b.object), bytes.Compare(a.name, b.name))
	})
	unmapped := m.unmapped
	for number := range m.own {
		if !m.hasOwnOf(number) {
			continue
		}
		o := m.layout.objects[number].segment
		if number > 0 {
			out.begin(o)
		}
		for _, i := range m.own[number] {
			if i.value != nil {
				out.item(i.name, "", schema.Literal(kindOf(i.value), i.value))
			}
		}
		for len(unmapped) > 0 && unmapped[0].object == number {
			var list []schema.Value
			name := unmapped[0].name
			for len(unmapped) > 0 && unmapped[0].object == number && bytes.Equal(unmapped[0].name, name) {
				list = append(list, schema.Text(unmapped[0].value))
				unmapped = unmapped[1:]
			}
			out.item(name, jsonSuffix, schema.Texts(list))
		}
		if number > 0 {
			out.end(o)
		}
	}
}

func kindOf(value []byte) schema.Kind {
	if value[0] == '"' {
		return schema.KindText
	}
	return schema.KindJSON
}

// A jsonSink writes an event as JSON.
type jsonSink struct{ b []byte }

func (s *jsonSink) comma() {
	if last := s.b[len(s.b)-1]; last != '{' && last != '[' {
		s.b = append(s.b, ',')
	}
}

func (s *jsonSink) begin(at *segment) {
	s.comma()
	s.b = append(append(s.b, at.key...), at.brackets[0])
}

func (s *jsonSink) end(at *segment) { s.b = append(s.b, at.brackets[1]) }

func (s *jsonSink) value(at *segment, v *schema.Value) {
	s.comma()
	s.b = v.AppendJSON(append(s.b, at.key...))
}

func (s *jsonSink) item(name []byte, suffix string, v schema.Value) {
	s.comma()
	s.b = append(append(append(append(s.b, '"'), name...), suffix...), '"', ':')
	s.b = v.AppendJSON(s.b)
}

// A visitorSink shows a visitor an event.
type visitorSink struct{ schema.Visitor }

func (s visitorSink) begin(at *segment) {
	if at.brackets == "[]" {
		s.Array(at.name)
	} else {
		s.Object(at.name)
	}
}

func (s visitorSink) end(*segment) { s.End() }

func (s visitorSink) value(at *segment, v *schema.Value) { s.Value(at.name, *v) }

func (s visitorSink) item(name []byte, suffix string, v schema.Value) {
	text := string(name)
	if bytes.IndexByte(name, '\\') >= 0 {
		text = schema.Literal(schema.KindText, slices.Concat([]byte{'"'}, name, []byte{'"'})).Text()
	}
	s.Visitor.Value(text+suffix, v)
}
