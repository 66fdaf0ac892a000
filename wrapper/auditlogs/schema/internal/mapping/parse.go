package mapping

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// deepest is how deep a value may nest to be carried as it is. Elasticsearch takes 20 levels by
// default.
const deepest = 16

// bottom is how deep the parser follows nesting.
const bottom = 10000

// A parser reads JSON and cuts values out of it. It checks what it reads, so that what is cut out
// is valid.
type parser struct {
	data []byte
	at   int

	// Of the last value.
	portable bool // it nests no deeper than deepest, and no object in it has two members of one name
	doubtful bool // the names are to be compared

	names []uint64 // hashes of the names of the objects that are being read
}

var hashSeed = maphash.MakeSeed()

// value reads a value at a depth.
func (p *parser) value(depth int) bool {
	switch p.peek() {
	case '"':
		_, ok := p.string()
		return ok
	case '{', '[':
		return p.nested(depth)
	case 't':
		return p.word("true")
	case 'f':
		return p.word("false")
	case 'n':
		return p.word("null")
	}
	return p.number()
}

// cut reads a value and returns its bytes.
func (p *parser) cut() (value []byte, ok bool) {
	p.portable, p.doubtful = true, false
	start := p.at
	if !p.value(1) {
		return nil, false
	}
	value = p.data[start:p.at:p.at]
	if p.portable && p.doubtful {
		p.portable = jsontext.Value(value).IsValid() // Which repeated names are not.
	}
	return value, true
}

// many is how many names of an object, or of our part, are compared one by one.
const many = 256

func (p *parser) nested(depth int) bool {
	if depth > deepest {
		if p.portable = false; depth > bottom {
			return false
		}
	}
	isObject := p.next('{') || !p.next('[')
	if !isObject {
		for first := true; ; first = false {
			switch p.separator(first, ']') {
			case closed:
				return true
			case broken:
				return false
			}
			if !p.value(depth + 1) {
				return false
			}
		}
	}
	base, seen := len(p.names), uint64(0)
	for first := true; ; first = false {
		name, escaped, step := p.member(first)
		if step != inside {
			p.names = p.names[:base]
			return step == closed
		}
		switch {
		case !p.portable || p.doubtful:
		case escaped || len(p.names)-base == many:
			p.doubtful = true
		default:
			hash := maphash.Bytes(hashSeed, name)
			bit := uint64(1) << (hash & 63)
			if seen&bit != 0 {
				p.doubtful = slices.Contains(p.names[base:], hash)
			}
			seen |= bit
			p.names = append(p.names, hash)
		}
		if !p.value(depth + 1) {
			return false
		}
	}
}

// A step is where a parser stands in an object or an array.
type step int

const (
	broken step = iota // at what does not belong there
	closed             // after its end
	inside             // at a value
)

// member reads up to the value of an object's next member, or the object's end.
func (p *parser) member(first bool) (name []byte, escaped bool, _ step) {
	switch p.separator(first, '}') {
	case closed:
		return nil, false, closed
	case broken:
		return nil, false, broken
	}
	start := p.at + 1
	escaped, ok := p.string()
	if !ok {
		return nil, false, broken
	}
	name = p.data[start : p.at-1]
	p.space()
	if !p.next(':') {
		return nil, false, broken
	}
	p.space()
	return name, escaped, inside
}

// separator reads what stands before the next member or element, or the end.
func (p *parser) separator(first bool, end byte) step {
	p.space()
	switch {
	case p.next(end):
		return closed
	case first:
		return inside
	case p.next(','):
		p.space()
		// Whoever reads the value notices when nothing follows the comma.
		return inside
	}
	return broken
}

// number reads a number.
func (p *parser) number() bool {
	p.next('-')
	if !p.next('0') && !p.digits() {
		return false
	}
	if p.next('.') && !p.digits() {
		return false
	}
	if p.next('e') || p.next('E') {
		if !p.next('+') {
			p.next('-')
		}
		return p.digits()
	}
	return true
}

func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.data) && isDigit(p.data[p.at]) {
		p.at++
	}
	return p.at > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// string reads a string with its quotes, and reports whether it contains escapes.
func (p *parser) string() (escaped, ok bool) {
	data, at := p.data, p.at+1
	if p.peek() != '"' {
		return false, false
	}
	for {
		// Eight bytes at once, as long as none of them needs a look.
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
			p.at = at + 1
			return escaped, true
		case c == '\\':
			p.at, escaped = at, true
			if !p.escape() {
				return true, false
			}
			at = p.at
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
	// Subtracting borrows into the high bit where a byte is too small. A borrow from the next byte
	// can make that one look too small as well, but only after a byte that really is.
	found := ((b-ones*' ')&^b | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
	return bits.TrailingZeros64(found) / 8
}

// escape reads an escape in a string.
func (p *parser) escape() bool {
	p.at++
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.at++
		return true
	case 'u':
		p.at++
		for range 4 {
			c := p.peek() | 0x20
			if !isDigit(p.peek()) && (c < 'a' || c > 'f') {
				return false
			}
			p.at++
		}
		return true
	}
	return false
}

// word reads null, true or false.
func (p *parser) word(word string) bool {
	if !bytes.HasPrefix(p.data[p.at:], []byte(word)) {
		return false
	}
	p.at += len(word)
	return true
}

// space reads white space.
func (p *parser) space() {
	for p.at < len(p.data) && p.data[p.at] <= ' ' {
		switch p.data[p.at] {
		case ' ', '\n', '\r', '\t':
			p.at++
		default:
			return
		}
	}
}

// next reads a character if it is the next one.
func (p *parser) next(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

// peek returns the next character; 0, which stands nowhere in JSON, at the end.
func (p *parser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}
