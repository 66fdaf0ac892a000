package auditlogs

import (
	"bytes"
	stdjson "encoding/json"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/internal/lexer"
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
	lexer.Lexer
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
	s := &scanner{Lexer: lexer.Lexer{Data: body}, depth: limits.Depth}
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
	s.Space()
	if !s.Next('{') {
		return nil, 0, 0, false
	}
	for first := true; ; first = false {
		name, plain, step := s.Member(first)
		switch {
		case step == lexer.Closed:
			s.Space()
			return entries, from, to, s.At == len(s.Data)
		case step == lexer.Broken || !plain:
			return nil, 0, 0, false
		case string(name) != "result":
			if !s.Value(s.depth) {
				return nil, 0, 0, false
			}
			continue
		case to > 0:
			return nil, 0, 0, false
		}
		from = s.At
		if entries, ok = s.entries(limits); !ok {
			return nil, 0, 0, false
		}
		to = s.At
	}
}

// entries reads an array of entries.
func (s *scanner) entries(limits Limits) (entries []*Entry, ok bool) {
	if !s.Next('[') {
		return nil, false
	}
	for first := true; ; first = false {
		if step := s.Separator(first, ']'); step != lexer.Inside {
			return entries, step == lexer.Closed
		}
		start := s.At
		entry := new(Entry)
		if !s.entry(entry) {
			s.At = start
			if !s.Value(s.depth) {
				return nil, false
			}
			entry = decodeEntry(bytes.Clone(s.Data[start:s.At]))
		}
		if entries = append(entries, entry); len(entries) > limits.Entries || len(entry.Raw) > limits.Entry {
			return nil, false
		}
	}
}

// entry reads an entry.
func (s *scanner) entry(e *Entry) bool {
	start := s.At
	s.text, s.texts, s.raws = s.text[:0], s.texts[:0], s.raws[:0]
	if !s.object(&e.Entry, 1) {
		return false
	}
	// A copy of the bytes, so that keeping one entry does not keep its page.
	e.Raw = bytes.Clone(s.Data[start:s.At])
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
	if depth > s.depth || !s.Next('{') {
		return false
	}
	var seen uint64
	for first := true; ; first = false {
		name, plain, step := s.Member(first)
		if step != lexer.Inside || !plain {
			return step == lexer.Closed
		}
		number, field := auditlogsapi.Member(o, name)
		if number < 0 {
			if !s.Value(s.depth - depth) {
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

// field reads a value into a field. Null leaves it zero.
func (s *scanner) field(field any, depth int) bool {
	start := s.At
	if f, ok := field.(*stdjson.RawMessage); ok {
		if !s.Value(s.depth - depth) {
			return false
		}
		s.raws = append(s.raws, span[stdjson.RawMessage]{f, start, s.At})
		return true
	}
	if s.Peek() == 'n' {
		return s.Word("null")
	}
	switch f := field.(type) {
	case *string:
		return s.stringField(f)
	case *int:
		return s.integer(f)
	case *time.Time:
		if _, ok := s.Text(); !ok {
			return false
		}
		text := s.Data[start+1 : s.At-1]
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
	start := s.At
	plain, ok := s.Text()
	if !ok {
		return false
	}
	from := len(s.text)
	if plain {
		s.text = append(s.text, s.Data[start+1:s.At-1]...)
	} else {
		var err error
		if s.text, err = jsontext.AppendUnquote(s.text, s.Data[start:s.At]); err != nil {
			return false
		}
	}
	s.texts = append(s.texts, span[string]{field, from, len(s.text)})
	return true
}

// integer reads a whole number without a sign or an exponent.
func (s *scanner) integer(field *int) bool {
	start := s.At
	for s.At < len(s.Data) && lexer.IsDigit(s.Data[s.At]) {
		*field = *field*10 + int(s.Data[s.At]-'0')
		s.At++
	}
	digits := s.At - start
	return digits == 1 || 1 < digits && digits < 10 && s.Data[start] != '0'
}
