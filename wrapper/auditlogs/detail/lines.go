package detail

import (
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// A Kind says what a line holds, for colours.
type Kind int

// The kinds of lines.
const (
	KindBracket Kind = iota // that opens or closes an object or a list
	KindString
	KindNumber
	KindLiteral // true, false, null
	KindFolded  // what is not shown
)

// A Line is one line of an indented JSON value: its indent, a name, a value, a comma, a note.
type Line struct {
	Depth int
	Name  string // JSON, with its quotes; empty in a list
	Value string // JSON, or "…" for what is folded
	Kind  Kind
	Comma bool
	Note  string // what was folded, such as "12 more, 4301 bytes"; empty for nothing
}

// Lines returns a JSON value as indented lines. Numbers keep their digits. Unless full is true, it
// folds strings of more than [MaxText] bytes, objects and lists after [MaxMembers] members and
// below [MaxDepth] others, and what comes after [MaxLines] lines: what is folded is named with its
// size.
func Lines(raw json.RawMessage, full bool) []Line {
	p := printer{decoder: decoder(raw), full: full}
	p.value(0, "")
	return p.lines
}

type printer struct {
	decoder *jsontext.Decoder
	full    bool
	lines   []Line
}

func (p *printer) add(l Line) { p.lines = append(p.lines, l) }

func (p *printer) value(depth int, name string) {
	kind := p.decoder.PeekKind()
	if kind != '{' && kind != '[' {
		value, err := p.decoder.ReadValue()
		if err != nil {
			return // The value was part of an entry, which is JSON.
		}
		p.add(p.scalar(depth, name, value))
		return
	}
	opens, closes := "{", "}"
	if kind == '[' {
		opens, closes = "[", "]"
	}
	if !p.full && depth >= MaxDepth {
		value, _ := p.decoder.ReadValue()
		p.add(Line{Depth: depth, Name: name, Value: opens + "…" + closes, Kind: KindFolded, Note: Size(len(value))})
		return
	}
	_, _ = p.decoder.ReadToken()
	p.add(Line{Depth: depth, Name: name, Value: opens})
	first := len(p.lines)
	for n := 0; !p.ended(); n++ {
		if n > 0 {
			p.lines[len(p.lines)-1].Comma = true
		}
		if !p.full && (n >= MaxMembers || len(p.lines) >= MaxLines) {
			p.skip(depth+1, kind == '{')
			break
		}
		member := ""
		if kind == '{' {
			token, _ := p.decoder.ReadToken()
			member = quote(token.String())
		}
		p.value(depth+1, member)
	}
	_, _ = p.decoder.ReadToken()
	if len(p.lines) == first {
		p.lines[first-1].Value += closes
		return
	}
	p.add(Line{Depth: depth, Value: closes})
}

// ended reports whether an object or a list has no more members.
func (p *printer) ended() bool {
	kind := p.decoder.PeekKind()
	return kind == '}' || kind == ']' || kind == 0
}

// skip folds what is left of an object or a list.
func (p *printer) skip(depth int, named bool) {
	start, n := p.decoder.InputOffset(), 0
	for ; !p.ended(); n++ {
		if named {
			_, _ = p.decoder.ReadToken()
		}
		if p.decoder.SkipValue() != nil {
			break
		}
	}
	p.add(Line{Depth: depth, Value: "…", Kind: KindFolded, Note: fmt.Sprintf("%d more, %s", n, Size(int(p.decoder.InputOffset()-start)))})
}

func (p *printer) scalar(depth int, name string, value jsontext.Value) Line {
	l := Line{Depth: depth, Name: name, Value: string(value), Kind: KindLiteral}
	switch value.Kind() {
	case '0':
		l.Kind = KindNumber
	case '"':
		l.Kind = KindString
		content := text(json.RawMessage(value))
		if p.full || len(content) <= MaxText {
			l.Value = quote(content)
			break
		}
		whole := quote(head(content))
		l.Value, l.Note = whole[:len(whole)-1]+`…"`, Size(len(content))
	}
	return l
}

// quote returns a string as JSON, with only those escapes that it needs.
func quote(content string) string {
	quoted, _ := jsontext.AppendQuote(nil, content) // What is not UTF-8 becomes U+FFFD.
	return string(quoted)
}
