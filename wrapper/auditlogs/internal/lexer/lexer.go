// Package lexer reads JSON piece by piece: what the scanner of pages and the parser of entries have
// in common. It checks what it reads, and copies nothing.
package lexer

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A Lexer reads Data from At on. Each method moves At past what it reads, and reports whether that
// is JSON.
type Lexer struct {
	Data []byte
	At   int
}

// A Step is the lexer's place in an object or an array.
type Step int

const (
	Broken Step = iota // at something unexpected
	Closed             // after its end
	Inside             // at a value
)

// Member reads up to the value of an object's next member, or the object's end. The name is plain
// as Text says.
func (l *Lexer) Member(first bool) (name []byte, plain bool, _ Step) {
	switch l.Separator(first, '}') {
	case Closed:
		return nil, false, Closed
	case Broken:
		return nil, false, Broken
	}
	start := l.At + 1
	plain, ok := l.Text()
	if !ok {
		return nil, false, Broken
	}
	name = l.Data[start : l.At-1]
	l.Space()
	if !l.Next(':') {
		return nil, false, Broken
	}
	l.Space()
	return name, plain, Inside
}

// Separator reads the text before the next member or element, or the end.
func (l *Lexer) Separator(first bool, end byte) Step {
	l.Space()
	switch {
	case l.Next(end):
		return Closed
	case first:
		return Inside
	case l.Next(','):
		l.Space()
		// Reading the value fails if nothing follows the comma.
		return Inside
	}
	return Broken
}

// Value reads a value in which objects and arrays nest to the given number of levels at most.
func (l *Lexer) Value(levels int) bool {
	switch l.Peek() {
	case '"':
		_, ok := l.Text()
		return ok
	case '{', '[':
		return levels > 0 && l.nested(levels)
	case 't':
		return l.Word("true")
	case 'f':
		return l.Word("false")
	case 'n':
		return l.Word("null")
	}
	return l.Number()
}

func (l *Lexer) nested(levels int) bool {
	isObject := l.Next('{') || !l.Next('[')
	for first := true; ; first = false {
		var step Step
		if isObject {
			_, _, step = l.Member(first)
		} else {
			step = l.Separator(first, ']')
		}
		if step != Inside {
			return step == Closed
		}
		if !l.Value(levels - 1) {
			return false
		}
	}
}

// Number reads a number.
func (l *Lexer) Number() bool {
	l.Next('-')
	if !l.Next('0') && !l.digits() {
		return false
	}
	if l.Next('.') && !l.digits() {
		return false
	}
	if l.Next('e') || l.Next('E') {
		if !l.Next('+') {
			l.Next('-')
		}
		return l.digits()
	}
	return true
}

func (l *Lexer) digits() bool {
	start := l.At
	for l.At < len(l.Data) && IsDigit(l.Data[l.At]) {
		l.At++
	}
	return l.At > start
}

// IsDigit reports whether a character is a decimal digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// Text reads a string with its quotes, and reports whether it is plain: in ASCII, without escapes.
func (l *Lexer) Text() (plain, ok bool) {
	data, at := l.Data, l.At+1
	if l.Peek() != '"' {
		return false, false
	}
	escaped, all := false, uint64(0)
	for {
		// Eight bytes at once, as long as none of them is special.
		for at+8 <= len(data) {
			b := binary.LittleEndian.Uint64(data[at:])
			found := special(b)
			all |= b & (found&-found - 1) // Not what comes after the first special one.
			if found != 0 {
				at += bits.TrailingZeros64(found) / 8
				break
			}
			at += 8
		}
		if at >= len(data) {
			return false, false
		}
		c := data[at]
		all |= uint64(c)
		switch {
		case c == '"':
			l.At = at + 1
			return !escaped && all&highs == 0, true
		case c == '\\':
			l.At, escaped = at, true
			if !l.escape() {
				return false, false
			}
			at = l.At
		case c < ' ':
			return false, false
		default:
			at++
		}
	}
}

const ones, highs = 0x0101010101010101, 0x8080808080808080

// special returns 0 if none of eight bytes is a quote, a backslash or a control character.
// Otherwise the lowest bit that is set is in the first that is.
func special(b uint64) uint64 {
	quote, backslash := b^(ones*'"'), b^(ones*'\\')
	// Subtracting borrows into the high bit if a byte is too small. A borrow can make the next byte
	// look too small as well, but only after a byte that really is.
	return ((b-ones*' ')&^b | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}

// escape reads an escape in a string.
func (l *Lexer) escape() bool {
	l.At++
	switch l.Peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		l.At++
		return true
	case 'u':
		l.At++
		for range 4 {
			c := l.Peek() | 0x20
			if !IsDigit(l.Peek()) && (c < 'a' || c > 'f') {
				return false
			}
			l.At++
		}
		return true
	}
	return false
}

// Word reads null, true or false.
func (l *Lexer) Word(word string) bool {
	if !bytes.HasPrefix(l.Data[l.At:], []byte(word)) {
		return false
	}
	l.At += len(word)
	return true
}

// Space reads white space.
func (l *Lexer) Space() {
	for l.At < len(l.Data) && l.Data[l.At] <= ' ' {
		switch l.Data[l.At] {
		case ' ', '\n', '\r', '\t':
			l.At++
		default:
			return
		}
	}
}

// Next reads a character if it is the next one.
func (l *Lexer) Next(c byte) bool {
	if l.Peek() != c {
		return false
	}
	l.At++
	return true
}

// Peek returns the next character; 0, which JSON never contains, at the end.
func (l *Lexer) Peek() byte {
	if l.At < len(l.Data) {
		return l.Data[l.At]
	}
	return 0
}
