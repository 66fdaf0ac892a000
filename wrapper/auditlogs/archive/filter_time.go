package archive

import (
	"bytes"
	"time"

	"cfaudit.example/wrapper/auditlogs/internal/lexer"
)

// The members that lead to the time of an entry. Letters of them that are escaped hide one.
var (
	actionName = newWant("action", nil)
	timeName   = newWant("action.time", nil)
)

// outside reports whether the bytes of a line show that its entry has a time, and not one in the
// window. Where they do not decide, the line has to be decoded.
func (f *filter) outside(line []byte) bool {
	t, ok := timeIn(line)
	return ok && !f.within(t)
}

// timeIn finds the time of an entry as nearly all have it: in UTC, in the only member of that name
// in the only action.
func timeIn(line []byte) (t time.Time, ok bool) {
	l := &lexer.Lexer{Data: line}
	l.Space()
	if !l.Next('{') || !member(l, actionName.name) || !l.Next('{') {
		return t, false
	}
	if !member(l, timeName.name) {
		return t, false
	}
	start := l.At + 1
	if plain, ok := l.Text(); !plain || !ok {
		return t, false
	}
	text := line[start : l.At-1]
	const seconds, nanoseconds = len("2006-01-02T15:04:05"), len("2006-01-02T15:04:05.000000000Z")
	if len(text) <= seconds || len(text) > nanoseconds || text[len(text)-1] != 'Z' || text[seconds] != '.' && text[seconds] != 'Z' {
		return t, false
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return t, false
	}
	// Of members with the same name, the last counts. Nearly always there is no other name like it.
	rest := line[l.At:]
	alone := !bytes.Contains(rest, timeName.name) && !bytes.Contains(rest, actionName.name)
	return t, alone && !timeName.escaped(rest) && !actionName.escaped(rest)
}

// deepest is how deep a value before the time may nest for its entry not to be decoded.
const deepest = 8

// member reads up to the value of an object's member with a name, in quotes.
func member(l *lexer.Lexer, quoted []byte) bool {
	for first := true; ; first = false {
		name, plain, step := l.Member(first)
		if step != lexer.Inside || !plain {
			return false
		}
		if string(name) == string(quoted[1:len(quoted)-1]) {
			return true
		}
		if !l.Value(deepest) {
			return false
		}
	}
}
