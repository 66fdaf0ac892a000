package archive

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
	"cfaudit.example/wrapper/auditlogs/match"
)

// A filter tells which entries of a file are listed.
type filter struct {
	matcher       *match.Matcher
	since, before time.Time
	otherwise     time.Time // that of entries for which no file says one
	log           string    // only the entries of this log; empty for all
	wants         []want
}

func newFilter(matcher *match.Matcher, since, before, otherwise time.Time, log string) *filter {
	f := &filter{matcher: matcher, since: since, before: before, otherwise: otherwise, log: log}
	for path, values := range matcher.Wanted() {
		f.wants = append(f.wants, newWant(path, values))
	}
	// Long names are rare in a text, so that most lines are dropped by the first want.
	slices.SortStableFunc(f.wants, func(a, b want) int { return len(b.name) - len(a.name) })
	return f
}

// keeps reports whether an entry of a log passes the filters. The window is not looked at.
func (f *filter) keeps(e *auditlogs.Entry, log string) bool {
	return f.of(log) && (f.matcher.All() || f.matcher.Keeps(match.Read(e)))
}

// of reports whether a log is listed. What does not say which log it is from may be of any.
func (f *filter) of(log string) bool { return f.log == "" || log == "" || log == f.log }

// overlaps reports whether a part of the window is in another one.
func (f *filter) overlaps(since, before time.Time) bool {
	return before.After(f.since) && since.Before(f.before)
}

// within reports whether a time is in the window.
func (f *filter) within(t time.Time) bool { return !t.Before(f.since) && t.Before(f.before) }

// cuts reports whether a file can have entries outside of the window.
func (f *filter) cuts(of *file) bool {
	return !of.ordered || of.since.Before(f.since) || f.before.Before(of.before)
}

// logOf is the log that an entry of a file is from; empty if neither of them says so.
func (f *file) logOf(e *auditlogs.Entry) string {
	switch {
	case f.log != "":
		return f.log
	case e.Organization.ID != "":
		return stored.Organization + e.Organization.ID
	}
	return e.Account.ID
}

// A want is a field that must have one of some values. It is looked for in the bytes of lines, so
// that those that cannot pass need not be decoded: in such a line, no member with the field's name
// has one of the values. Where the bytes do not decide, because of an escape, the line is decoded.
type want struct {
	name    []byte // in quotes
	escapes [utf8.RuneSelf]bool
	values  map[string]bool
	number  bool // the values are numbers
	broken  bool // a value has the character that stands for invalid UTF-8
	rarest  int  // the place of a character of the name that is rare
}

// kinds are the types of the contract's fields, by their paths.
var kinds = func() map[string]string {
	kinds := map[string]string{}
	for _, operation := range auditlogsapi.Operations {
		for _, field := range operation.Fields {
			kinds[field.Path] = field.Type
		}
	}
	return kinds
}()

func newWant(path string, values []string) want {
	name := path[strings.LastIndexByte(path, '.')+1:]
	w := want{name: strconv.AppendQuote(nil, name), values: map[string]bool{}, number: kinds[path] == "integer"}
	for _, c := range []byte(name) {
		w.escapes[c] = true
	}
	for _, value := range values {
		w.values[value] = true
		w.broken = w.broken || strings.ContainsRune(value, utf8.RuneError)
	}
	return w
}

// in reports whether a line may have the field with one of the values.
func (w *want) in(line []byte) bool {
	for rest := w.named(line); rest != nil; rest = w.named(rest) {
		if w.at(rest) {
			return true
		}
	}
	return w.escaped(line)
}

// named returns what follows the next name; nil if there is none. It looks for the rarest character
// first, which takes half as long as [bytes.Index].
func (w *want) named(text []byte) []byte {
	for i := w.rarest; i < len(text); i++ {
		next := bytes.IndexByte(text[i:], w.name[w.rarest])
		if next < 0 {
			break
		}
		i += next
		end := i - w.rarest + len(w.name)
		if end <= len(text) && string(text[end-len(w.name):end]) == string(w.name) {
			return text[end:]
		}
	}
	return nil
}

// learn finds out which character of the name is rare in a text.
func (w *want) learn(text []byte) {
	var counts [256]int
	for _, c := range text[:min(len(text), 32<<10)] {
		counts[c]++
	}
	for i, c := range w.name {
		if counts[c] < counts[w.name[w.rarest]] {
			w.rarest = i
		}
	}
}

// at reports whether a member's name is followed by one of the values, or by one that only decoding
// can tell.
func (w *want) at(rest []byte) bool {
	rest = space(rest)
	if len(rest) == 0 || rest[0] != ':' {
		return false // The name is a value here.
	}
	rest = space(rest[1:])
	if len(rest) == 0 {
		return false
	}
	if w.number {
		end := bytes.IndexAny(rest, ",}] \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		token := rest[:end]
		return w.values[string(token)] || string(token) != "null" && bytes.ContainsFunc(token, func(r rune) bool { return r < '0' || r > '9' })
	}
	if rest[0] != '"' {
		return false // A field of another type is not there.
	}
	end := bytes.IndexByte(rest[1:], '"')
	if end < 0 {
		return true
	}
	value := rest[1 : end+1]
	return w.values[string(value)] || bytes.IndexByte(value, '\\') >= 0 || w.broken && !utf8.Valid(value)
}

// escaped reports whether an escape in a text may stand for a character of the name.
func (w *want) escaped(text []byte) bool {
	for {
		i := bytes.Index(text, []byte(`\u`))
		if i < 0 || i+6 > len(text) {
			return false
		}
		c, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
		if err == nil && c < utf8.RuneSelf && w.escapes[c] {
			return true
		}
		text = text[i+2:]
	}
}

func space(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// A sieve finds the lines of a text that may pass.
type sieve []want

// newSieve returns the filter's sieve for texts that are like this one.
func (f *filter) newSieve(text []byte) sieve {
	wants := slices.Clone(f.wants)
	for i := range wants {
		wants[i].learn(text)
	}
	return wants
}

func (s sieve) passes(line []byte) bool {
	for i := range s {
		if !s[i].in(line) {
			return false
		}
	}
	return true
}
