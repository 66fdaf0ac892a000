package auditlogs

import (
	"bytes"
	"encoding/binary"
	stdjson "encoding/json"
	"math/bits"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
)

// The scanner reads a page in one pass: it checks that the page is JSON, fills entries, and copies
// their bytes. It is written by hand because the decoder spends two thirds of its time on finding
// fields by reflection, and copies the large values twice; with it, a page costs half as much
// (BenchmarkDecode). It knows no field: the generated Member maps a name to its field.
//
// It reads only ordinary pages. Everything else is left to the decoder: a single entry that has a
// value of another type, a repeated name or invalid UTF-8, and a whole page that is not JSON, or
// exceeds a bound. So only the decoder decides what these mean.
type scanner struct {
	data  []byte
	at    int
	depth int // the bound on nesting

	// The entry being read: its texts are collected and converted to strings together, with one
	// allocation.
	text  []byte
	texts []span[string]
	raws  []span[stdjson.RawMessage]
}

// A span is a field and the place of its value in the text or in the page.
type span[T any] struct {
	field      *T
	start, end int
}

// scanPage scans a page. It reports false for one that is not ordinary.
func scanPage(body []byte, limits Limits) (page auditlogsapi.EntryPage, entries []*Entry, ok bool) {
	s := &scanner{data: body, depth: limits.Depth}
	entries, from, to, ok := s.page(limits)
	if !ok {
		return page, nil, false
	}
	// What is around the entries is short, and left to the decoder.
	envelope := make([]byte, 0, from+len("null")+len(body)-to)
	envelope = append(append(append(envelope, body[:from]...), "null"...), body[to:]...)
	if json.Unmarshal(envelope, &page, decodeOptions) != nil {
		return page, nil, false
	}
	return page, entries, true
}

// page reads the page's object. It returns its entries, and where in the page these are.
func (s *scanner) page(limits Limits) (entries []*Entry, from, to int, ok bool) {
	s.space()
	if !s.next('{') {
		return nil, 0, 0, false
	}
	for first := true; ; first = false {
		name, escaped, step := s.member(first)
		switch {
		case step == closed:
			s.space()
			return entries, from, to, s.at == len(s.data)
		case step == broken || escaped:
			return nil, 0, 0, false
		case string(name) != "result":
			if !s.skip(1) {
				return nil, 0, 0, false
			}
			continue
		case to > 0:
			return nil, 0, 0, false
		}
		from = s.at
		if entries, ok = s.entries(limits); !ok {
			return nil, 0, 0, false
		}
		to = s.at
	}
}

// entries reads an array of entries.
func (s *scanner) entries(limits Limits) (entries []*Entry, ok bool) {
	if !s.next('[') {
		return nil, false
	}
	for first := true; ; first = false {
		if step := s.element(first); step != inside {
			return entries, step == closed
		}
		start := s.at
		entry := new(Entry)
		if !s.entry(entry) {
			s.at = start
			if !s.skip(1) {
				return nil, false
			}
			entry = decodeEntry(bytes.Clone(s.data[start:s.at]))
		}
		if entries = append(entries, entry); len(entries) > limits.Entries || len(entry.Raw) > limits.Entry {
			return nil, false
		}
	}
}

// entry reads an entry.
func (s *scanner) entry(e *Entry) bool {
	start := s.at
	s.text, s.texts, s.raws = s.text[:0], s.texts[:0], s.raws[:0]
	if !s.object(&e.Entry, 1) {
		return false
	}
	// A copy of the bytes, so that keeping one entry does not keep its page.
	e.Raw = bytes.Clone(s.data[start:s.at])
	text := string(s.text)
	for _, t := range s.texts {
		*t.field = text[t.start:t.end]
	}
	for _, r := range s.raws {
		*r.field = e.Raw[r.start-start : r.end-start : r.end-start]
	}
	e.Action.Time = e.Action.Time.UTC()
	return true
}

// object reads an object, at a depth, into the fields of its generated type.
func (s *scanner) object(o any, depth int) bool {
	if depth > s.depth || !s.next('{') {
		return false
	}
	var seen uint64
	for first := true; ; first = false {
		name, escaped, step := s.member(first)
		if step != inside || escaped {
			return step == closed
		}
		number, field := auditlogsapi.Member(o, name)
		if number < 0 {
			if !s.skip(depth + 1) {
				return false
			}
			continue
		}
		if seen&(1<<number) != 0 || !s.field(field, depth) {
			return false
		}
		seen |= 1 << number
	}
}

// A step is the scanner's place in an object or an array.
type step int

const (
	broken step = iota // at something unexpected
	closed             // after its end
	inside             // at a value
)

// member reads up to the value of an object's next member, or the object's end.
func (s *scanner) member(first bool) (name []byte, escaped bool, _ step) {
	switch s.separator(first, '}') {
	case closed:
		return nil, false, closed
	case broken:
		return nil, false, broken
	}
	start := s.at + 1
	escaped, ok := s.string()
	if !ok {
		return nil, false, broken
	}
	name = s.data[start : s.at-1]
	s.space()
	if !s.next(':') {
		return nil, false, broken
	}
	s.space()
	return name, escaped, inside
}

// element reads up to an array's next element, or the array's end.
func (s *scanner) element(first bool) step { return s.separator(first, ']') }

// separator reads the text before the next member or element, or the end.
func (s *scanner) separator(first bool, end byte) step {
	s.space()
	switch {
	case s.next(end):
		return closed
	case first:
		return inside
	case s.next(','):
		s.space()
		// Reading the value fails if nothing follows the comma.
		return inside
	}
	return broken
}

// field reads a value into a field. Null leaves it zero.
func (s *scanner) field(field any, depth int) bool {
	start := s.at
	if f, ok := field.(*stdjson.RawMessage); ok {
		if !s.skip(depth + 1) {
			return false
		}
		s.raws = append(s.raws, span[stdjson.RawMessage]{f, start, s.at})
		return true
	}
	if s.peek() == 'n' {
		return s.word("null")
	}
	switch f := field.(type) {
	case *string:
		return s.stringField(f)
	case *int:
		return s.integer(f)
	case *time.Time:
		if _, ok := s.string(); !ok {
			return false
		}
		text := s.data[start+1 : s.at-1]
		return f.UnmarshalText(text) == nil && strictTime(text)
	}
	return auditlogsapi.IsObject(field) && s.object(field, depth+1)
}

// strictTime reports whether a time that [time.Time.UnmarshalText] accepts is RFC 3339.
// UnmarshalText also accepts an hour of one digit, a comma before the fraction, and offsets of 24
// hours and more or of 60 minutes and more: the decoder refuses them.
func strictTime(text []byte) bool {
	const hour, fraction, offset = len("2006-01-02T"), len("2006-01-02T15:04:05"), len("07:00")
	if text[hour+1] == ':' || text[fraction] == ',' {
		return false
	}
	end := text[len(text)-offset:]
	return text[len(text)-1] == 'Z' || string(end[:2]) < "24" && string(end[3:]) < "60"
}

// stringField reads text into a field.
func (s *scanner) stringField(field *string) bool {
	start := s.at
	escaped, ok := s.string()
	if !ok {
		return false
	}
	from := len(s.text)
	if escaped {
		var err error
		if s.text, err = jsontext.AppendUnquote(s.text, s.data[start:s.at]); err != nil {
			return false
		}
	} else {
		text := s.data[start+1 : s.at-1]
		if !utf8.Valid(text) {
			return false
		}
		s.text = append(s.text, text...)
	}
	s.texts = append(s.texts, span[string]{field, from, len(s.text)})
	return true
}

// integer reads a whole number without a sign or an exponent.
func (s *scanner) integer(field *int) bool {
	start := s.at
	for s.at < len(s.data) && isDigit(s.data[s.at]) {
		*field = *field*10 + int(s.data[s.at]-'0')
		s.at++
	}
	digits := s.at - start
	return digits == 1 || 1 < digits && digits < 10 && s.data[start] != '0'
}

// skip reads a value at a depth.
func (s *scanner) skip(depth int) bool {
	switch s.peek() {
	case '"':
		_, ok := s.string()
		return ok
	case '{', '[':
		return depth <= s.depth && s.skipNested(depth)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) skipNested(depth int) bool {
	isObject := s.next('{') || !s.next('[')
	for first := true; ; first = false {
		var step step
		if isObject {
			_, _, step = s.member(first)
		} else {
			step = s.element(first)
		}
		if step != inside {
			return step == closed
		}
		if !s.skip(depth + 1) {
			return false
		}
	}
}

// number reads a number.
func (s *scanner) number() bool {
	s.next('-')
	if !s.next('0') && !s.digits() {
		return false
	}
	if s.next('.') && !s.digits() {
		return false
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && isDigit(s.data[s.at]) {
		s.at++
	}
	return s.at > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// string reads a string with its quotes, and reports whether it contains escapes.
func (s *scanner) string() (escaped, ok bool) {
	data, at := s.data, s.at+1
	if s.peek() != '"' {
		return false, false
	}
	for {
		// Eight bytes at once, as long as none of them is special.
		for at+8 <= len(data) {
			n := ordinary(binary.LittleEndian.Uint64(data[at:]))
			if at += n; n < 8 {
				break
			}
		}
		if at >= len(data) {
			return escaped, false
		}
		switch c := data[at]; {
		case c == '"':
			s.at = at + 1
			return escaped, true
		case c == '\\':
			s.at, escaped = at, true
			if !s.escape() {
				return true, false
			}
			at = s.at
		case c < ' ':
			return escaped, false
		default:
			at++
		}
	}
}

// ordinary returns how many of the eight bytes come before the first that is a quote, a backslash
// or a control character.
func ordinary(b uint64) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := b^(ones*'"'), b^(ones*'\\')
	// Subtracting borrows into the high bit if a byte is too small. A borrow can make the next byte
	// look too small as well, but only after a byte that really is.
	found := ((b-ones*' ')&^b | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
	return bits.TrailingZeros64(found) / 8
}

// escape reads an escape in a string.
func (s *scanner) escape() bool {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		s.at++
		for range 4 {
			c := s.peek() | 0x20
			if !isDigit(s.peek()) && (c < 'a' || c > 'f') {
				return false
			}
			s.at++
		}
		return true
	}
	return false
}

// word reads null, true or false.
func (s *scanner) word(word string) bool {
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		return false
	}
	s.at += len(word)
	return true
}

// space reads white space.
func (s *scanner) space() {
	for s.at < len(s.data) && s.data[s.at] <= ' ' {
		switch s.data[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

// next reads a character if it is the next one.
func (s *scanner) next(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// peek returns the next character; 0, which JSON never contains, at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}
