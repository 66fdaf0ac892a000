// Package schema is what its packages ecs and ocsf have in common: the events that they make of
// entries, as values in a tree.
//
// The README beside this file shows which field of an entry goes where.
package schema

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// A Visitor receives an event in the order of its text. An event is an object, for which Object is
// not called.
//
// Names and values are valid until the visit ends.
type Visitor interface {
	// Object starts an object. In an array its name is empty.
	Object(name string)
	// Array starts an array of objects.
	Array(name string)
	// End ends the object or array that started last.
	End()
	// Value gives a member of an object.
	Value(name string, v Value)
}

// A Kind says what a [Value] is.
type Kind uint8

// The kinds of values.
const (
	KindText    Kind = iota + 1 // a text, for Text
	KindInteger                 // a whole number, for Int
	KindTexts                   // a list of texts, for Texts
	KindJSON                    // any JSON value, for AppendJSON
)

// A Value is a member of an event. Its zero Value is no value.
type Value struct {
	bytes []byte
	list  []Value
	kind  Kind
	plain bool // bytes is a text without quotes and escapes; otherwise it is JSON
}

// Literal returns the value that JSON of a kind stands for. It keeps the JSON.
func Literal(kind Kind, json []byte) Value { return Value{kind: kind, bytes: json} }

// Text returns a text as a value. It keeps the text, which must be valid UTF-8.
func Text(text []byte) Value { return Value{kind: KindText, plain: true, bytes: text} }

// Texts returns a list of texts as a value. It keeps the list.
func Texts(list []Value) Value { return Value{kind: KindTexts, list: list} }

// Equal reports whether two values are alike, down to how they are written.
func (v Value) Equal(other Value) bool {
	return v.kind == other.kind && v.plain == other.plain && bytes.Equal(v.bytes, other.bytes) && slices.EqualFunc(v.list, other.list, Value.Equal)
}

// Kind says what the value is; 0 for no value.
func (v Value) Kind() Kind { return v.kind }

// Text returns the text; "" for a value of another kind.
func (v Value) Text() string {
	switch {
	case v.kind != KindText:
		return ""
	case v.plain:
		return string(v.bytes)
	}
	text, err := jsontext.AppendUnquote(nil, v.bytes)
	if err != nil {
		return ""
	}
	return string(text)
}

// Int returns the whole number; 0 for a value of another kind.
func (v Value) Int() int64 {
	if v.kind != KindInteger {
		return 0
	}
	n, err := strconv.ParseInt(string(v.bytes), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Texts returns the texts of a list; nil for a value of another kind.
func (v Value) Texts() []string {
	var texts []string
	for _, one := range v.list {
		texts = append(texts, one.Text())
	}
	return texts
}

// AppendJSON appends the value as JSON, whatever its kind is.
func (v Value) AppendJSON(b []byte) []byte {
	switch {
	case v.kind == KindTexts:
		b = append(b, '[')
		for i, one := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = one.AppendJSON(b)
		}
		return append(b, ']')
	case v.plain:
		return appendQuoted(b, v.bytes)
	}
	return append(b, v.bytes...)
}

// appendQuoted appends a text as a JSON string.
func appendQuoted(b, text []byte) []byte {
	b = append(slices.Grow(b, 2*len(text)+2), '"')
	for len(text) > 0 {
		n := printable(text)
		b = appendBackslashed(b, text[:n])
		if text = text[n:]; len(text) > 0 {
			b = appendControl(b, text[0])
			text = text[1:]
		}
	}
	return append(b, '"')
}

// printable returns how many characters come before the first control character.
func printable(text []byte) (n int) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; n+8 <= len(text); n += 8 {
		if eight := binary.LittleEndian.Uint64(text[n:]); (eight-ones*' ')&^eight&highs != 0 {
			break
		}
	}
	for n < len(text) && text[n] >= ' ' {
		n++
	}
	return n
}

// appendBackslashed puts a backslash before each quote and backslash. Texts of JSON are full of
// quotes: a branch for each would take twice as long.
func appendBackslashed(b, text []byte) []byte {
	b = slices.Grow(b, 2*len(text))
	out, n := b[len(b):cap(b)], 0
	for _, c := range text {
		out[n] = '\\'
		n += int(backslashed[c])
		out[n] = c
		n++
	}
	return b[:len(b)+n]
}

// backslashed is 1 for the characters that take a backslash.
var backslashed = [256]uint8{'"': 1, '\\': 1}

func appendControl(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
