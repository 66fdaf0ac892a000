package mapping

import (
	"hash/maphash"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/wrapper/auditlogs/internal/lexer"
)

// deepest is how deep a value may nest to be carried as it is. Elasticsearch takes 20 levels by
// default.
const deepest = 16

// bottom is how deep the parser follows nesting.
const bottom = 10000

// A parser reads JSON and cuts values out of it. It checks what it reads, so that what is cut out
// is valid.
type parser struct {
	lexer.Lexer

	// Of the last value.
	portable bool // it nests no deeper than deepest, and no object in it has two members of one name
	doubtful bool // the names are to be compared

	names []uint64 // hashes of the names of the objects that are being read
}

var hashSeed = maphash.MakeSeed()

// value reads a value at a depth.
func (p *parser) value(depth int) bool {
	switch p.Peek() {
	case '"':
		_, ok := p.Text()
		return ok
	case '{', '[':
		return p.nested(depth)
	case 't':
		return p.Word("true")
	case 'f':
		return p.Word("false")
	case 'n':
		return p.Word("null")
	}
	return p.Number()
}

// cut reads a value and returns its bytes.
func (p *parser) cut() (value []byte, ok bool) {
	p.portable, p.doubtful = true, false
	start := p.At
	if !p.value(1) {
		return nil, false
	}
	value = p.Data[start:p.At:p.At]
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
	if p.Next('[') {
		for first := true; ; first = false {
			switch p.Separator(first, ']') {
			case lexer.Closed:
				return true
			case lexer.Broken:
				return false
			}
			if !p.value(depth + 1) {
				return false
			}
		}
	}
	p.At++ // The brace.
	base, seen := len(p.names), uint64(0)
	for first := true; ; first = false {
		name, plain, step := p.Member(first)
		if step != lexer.Inside {
			p.names = p.names[:base]
			return step == lexer.Closed
		}
		switch {
		case !p.portable || p.doubtful:
		case !plain || len(p.names)-base == many:
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
