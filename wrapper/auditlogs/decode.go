package auditlogs

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
)

// The decoder is go-json-experiment: the code that becomes encoding/json/v2, one module without
// dependencies, assembly or unsafe, and at less than half of encoding/json's cost. Entries carry
// what people typed, so that invalid UTF-8 and repeated names, which the decoder refuses by
// default, must not fail a page: invalid UTF-8 reads as U+FFFD, and the last of repeated names
// counts, as with encoding/json. Raw keeps both as they were sent.
var decodeOptions = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// errNoSuccess is an answer under status 200 that does not say success: true.
var errNoSuccess = errors.New("success is not true")

// decodePage decodes an answer under status 200: its entries and the information beside them, with
// the next page's cursor, which is empty on the last page.
func decodePage(body []byte, limits Limits) (entries []*Entry, info auditlogsapi.ResultInfo, err error) {
	page, entries, ordinary := scanPage(body, limits)
	if !ordinary {
		page, entries, err = decodeRows(body, limits)
	}
	switch {
	case errors.Is(err, ErrLimitExceeded):
		return nil, info, unwrapped(err)
	case err != nil:
		// The decoder has a bound of its own for depth, and may have met that one.
		if err := checkDepth(body, decoderDepth); err != nil {
			return nil, info, err
		}
		return nil, info, fmt.Errorf("%w: %w", ErrMalformedResponse, err)
	case !page.Success:
		return nil, info, errNoSuccess
	}
	info = page.ResultInfo
	if info.Cursor == "" {
		info.Cursor = info.Cursors.After
	}
	if len(info.Cursor) > limits.Cursor {
		return nil, info, fmt.Errorf("%w: the cursor holds %d bytes, and Limits.Cursor allows %d", ErrLimitExceeded, len(info.Cursor), limits.Cursor)
	}
	return entries, info, nil
}

// decodeRows decodes a page that the scanner has refused. Its entries are counted while they are
// read, since even an empty entry of two bytes takes far more memory.
func decodeRows(body []byte, limits Limits) (page auditlogsapi.EntryPage, entries []*Entry, err error) {
	rows := func(decoder *jsontext.Decoder, _ *[]stdjson.RawMessage) error {
		if decoder.PeekKind() != '[' {
			return errors.ErrUnsupported // Null is no entries. The decoder refuses anything else.
		}
		if _, err := decoder.ReadToken(); err != nil {
			return err
		}
		for decoder.PeekKind() != ']' {
			n := len(entries) + 1 // The count continues if the name of the list is repeated.
			if n > limits.Entries {
				return fmt.Errorf("%w: the page holds more entries than Limits.Entries allows, %d", ErrLimitExceeded, limits.Entries)
			}
			row, err := decoder.ReadValue()
			if err != nil {
				return err
			}
			if len(row) > limits.Entry {
				return fmt.Errorf("%w: entry %d of the page holds %d bytes, and Limits.Entry allows %d", ErrLimitExceeded, n, len(row), limits.Entry)
			}
			if err := checkDepth(row, limits.Depth); err != nil {
				return fmt.Errorf("entry %d of the page: %w", n, err)
			}
			entries = append(entries, decodeEntry(bytes.Clone(row)))
		}
		_, err := decoder.ReadToken()
		return err
	}
	err = json.Unmarshal(body, &page, decodeOptions, json.WithUnmarshalers(json.UnmarshalFromFunc(rows)))
	return page, entries, err
}

// decoderDepth is the deepest nesting that the decoder accepts. It is less than the decoder's own
// bound by more than the envelope's depth, so that no value passes one bound and fails the other.
const decoderDepth = 9990

// checkDepth bounds how deep a JSON value nests.
func checkDepth(value []byte, bound int) error {
	// Nearly always there are fewer brackets than that, and a cheap count decides.
	if bytes.Count(value, []byte{'{'})+bytes.Count(value, []byte{'['}) <= bound {
		return nil
	}
	depth, inString := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > bound {
				return fmt.Errorf("%w: it nests deeper than %d, the bound of Limits.Depth", ErrLimitExceeded, bound)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// A FieldError is a field of an entry whose value does not have the type that the contract gives
// it.
type FieldError struct {
	Field string // the path of the field, such as "action.time"; empty for the entry itself
	Err   error  // what is wrong with it
}

// Error names the field and says what is wrong with it.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return "entry: " + printable(e.Err.Error())
	}
	return "field " + e.Field + ": " + printable(e.Err.Error())
}

// Unwrap returns what is wrong with the field.
func (e *FieldError) Unwrap() error { return e.Err }

// decodeEntry decodes one entry. Where a field has another type than the contract says, it decodes
// all the others.
func decodeEntry(raw stdjson.RawMessage) *Entry {
	e := &Entry{Raw: raw}
	err := json.Unmarshal(raw, &e.Entry, decodeOptions)
	var problems []error
	rest := raw
	// One field is removed at a time, since the decoder stops at the first: at most as many as the
	// contract has.
	for range len(auditlogsapi.ListAccountAuditLogsOperation.Fields) + 1 {
		semantic, ok := errors.AsType[*json.SemanticError](err)
		if !ok || semantic.JSONPointer == "" {
			break
		}
		problems = append(problems, fieldError(semantic))
		rest = nullAt(rest, semantic.JSONPointer)
		e.Entry = auditlogsapi.Entry{}
		err = json.Unmarshal(rest, &e.Entry, decodeOptions)
	}
	if err == nil && !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte{'{'}) {
		err = errors.New("not a JSON object")
	}
	if err != nil {
		e.Entry = auditlogsapi.Entry{}
		problems = append(problems, &FieldError{Err: err})
	}
	e.Action.Time = e.Action.Time.UTC()
	e.err = errors.Join(problems...)
	return e
}

// fieldError says what is wrong with a field, without its value, which may be a secret.
func fieldError(err *json.SemanticError) *FieldError {
	field := strings.ReplaceAll(strings.TrimPrefix(string(err.JSONPointer), "/"), "/", ".")
	return &FieldError{Field: field, Err: fmt.Errorf("the JSON %s there cannot be read as %s", err.JSONKind, err.GoType)}
}

// unwrapped removes the decoder's wrapping from an error of ours.
func unwrapped(err error) error {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok && semantic.Err != nil {
		return semantic.Err
	}
	return err
}

// nullAt replaces the values that pointer names with null: all of them, if a name is repeated.
func nullAt(document []byte, pointer jsontext.Pointer) []byte {
	var out []byte
	copied := 0
	decoder := jsontext.NewDecoder(bytes.NewReader(document), decodeOptions)
	for {
		if _, err := decoder.ReadToken(); err != nil {
			break
		}
		// At a name, the pointer is that of the member whose value comes next.
		if decoder.StackPointer() != pointer || decoder.PeekKind() == 0 {
			continue
		}
		if kind, length := decoder.StackIndex(decoder.StackDepth()); kind != '{' || length%2 == 0 {
			continue
		}
		value, err := decoder.ReadValue()
		if err != nil {
			break
		}
		end := int(decoder.InputOffset())
		out = append(append(out, document[copied:end-len(value)]...), "null"...)
		copied = end
	}
	return append(out, document[copied:]...)
}
