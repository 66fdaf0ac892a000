package auditlogs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// A Position is a place in a listing, where [From] resumes. Those of [Entry.Position], [Page] and
// [IncompleteError] are directly after an entry, and count it as handled; [Entry.Before] is
// directly before one, which is delivered again. A position belongs to the query and the window
// that it is from, and is refused for others.
//
// Its text is opaque. It can be stored, printed, and read back with [ParsePosition] or through
// encoding's text interfaces. The zero Position is the start of the window, and its text is empty.
type Position struct {
	at place
}

// A place is the content of a Position's text.
type place struct {
	Start  string `json:"a,omitzero"` // where the requests start, if not at the start of the window
	Cursor string `json:"c,omitzero"` // of the page
	Offset int    `json:"o,omitzero"` // how many of the page's entries are before it
	mark   `json:",inline"`
	Since  string `json:"s"`
	Before string `json:"b"`
	Query  string `json:"q"` // the listing's identity
}

// A mark is the entry by which a place is found again, even if others have arrived before it: of
// the entries before the place, the last in the order of the listing. That is the last one that was
// delivered, unless the service sent that one out of order.
type mark struct {
	Identity identity  `json:"i,omitzero"`
	Time     time.Time `json:"t,omitzero"` // of the mark, or of the last entry before it that has one
	Untimed  bool      `json:"u,omitzero"` // the mark itself has no time
	ties     `json:",inline"`
}

// ties are digests of the last entries up to a place that share a time: of those on its page, and
// of all that were read.
type ties struct {
	OnPage uint64 `json:"x,omitzero"`
	Read   uint64 `json:"y,omitzero"`
}

const positionPrefix = "p1."

// String returns the position as text without spaces.
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	data, err := json.Marshal(p.at)
	if err != nil {
		// Only a year beyond 9999 cannot be encoded, and no entry with one is read.
		panic(err)
	}
	return positionPrefix + base64.RawURLEncoding.EncodeToString(data)
}

// IsZero reports whether p is the start of a window.
func (p Position) IsZero() bool { return p.at == place{} }

// Time returns the time, in UTC, of the last entry before the position; the zero time if none had
// one.
func (p Position) Time() time.Time { return p.at.Time }

// Window returns the ends of the position's window, as the query gave them.
func (p Position) Window() (since, before string) { return p.at.Since, p.at.Before }

// ParsePosition reads back the text of a position. The empty text is the start of a window.
func ParsePosition(text string) (Position, error) {
	if text == "" {
		return Position{}, nil
	}
	var p Position
	encoded, marked := strings.CutPrefix(text, positionPrefix)
	data, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err == nil {
		err = json.Unmarshal(data, &p.at)
	}
	_, _, window := checkWindow(p.at.Since, p.at.Before)
	switch {
	case !marked:
		err = fmt.Errorf("it does not start with %q", positionPrefix)
	case err == nil && (window != nil || p.at.Offset < 0 || p.at.Query == ""):
		err = errors.New("incomplete")
	case err == nil && p.at.Start != "":
		_, err = ParseTime(p.at.Start)
	}
	if err != nil {
		return Position{}, fmt.Errorf("%w: position %q is not one of a listing: %w", ErrInvalidQuery, printable(text), err)
	}
	return p, nil
}

// MarshalText returns the position's text.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads back a position's text.
func (p *Position) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePosition(string(text))
	return err
}
