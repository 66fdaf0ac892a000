package auditlogs

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	internal "cfaudit.example/wrapper/auditlogs/internal/identity"
)

// An Entry is one entry of the audit log.
//
// The embedded fields are the typed ones, as the contract describes them. A field that the service
// did not send, or sent as null, is its zero value; Raw distinguishes the two. The field that the
// contract calls raw, the request that the entry records, is Entry.Entry.Raw, since Raw holds the
// bytes.
type Entry struct {
	auditlogsapi.Entry

	// Raw holds the entry's bytes exactly as the service sent them, unknown fields included. They
	// are the entry's own: keeping the entry does not keep its page in memory. The JSON values in
	// Resource may share them.
	Raw json.RawMessage

	err     error
	content identity // of the ID, or of the bytes where there is none
	id      identity // the same, unless the listing had such an entry without an ID before
	page    *pageStart
	offset  int // how many of the page's entries are before the place after this one
	ties    ties
	mark    mark
	before  mark // that of the place before this entry
}

// Err is not nil when a field of the entry, or the entry itself, did not have the type that the
// contract gives it. Such fields hold their zero value, all others are filled, and Raw is whole. It
// wraps a [*FieldError] for each such field.
func (e *Entry) Err() error { return e.err }

// Position returns the place directly after the entry, for [From]: a listing that resumes there
// does not deliver this entry again. Save it once the entry has been handled; for one that has not,
// save [Entry.Before]. An entry that is not from a listing has the zero Position.
func (e *Entry) Position() Position {
	return e.page.position(e.offset, e.mark)
}

// Before returns the place directly before the entry, for [From]: a listing that resumes there
// delivers this entry first. It is the one to save when handling the entry has failed. An entry
// that is not from a listing has the zero Position.
func (e *Entry) Before() Position {
	return e.page.position(e.offset-1, e.before)
}

// MarshalJSON returns the entry's own bytes. [json.Marshal] then compacts them, and escapes
// characters that are special in HTML; to store or forward an entry exactly as it was sent, use
// Raw.
func (e Entry) MarshalJSON() ([]byte, error) {
	if e.Raw == nil {
		return json.Marshal(e.Entry)
	}
	return e.Raw, nil
}

// UnmarshalJSON reads an entry as a listing does: Raw gets a copy of data, and a field of an
// unexpected type is reported by Err and not as an error. The entry has no Position.
func (e *Entry) UnmarshalJSON(data []byte) error {
	*e = *decodeEntry(bytes.Clone(data))
	return nil
}

// A Page is one answer of the service.
type Page struct {
	// Entries holds the page's entries in the order of the listing. A page without entries is not
	// an end.
	Entries []*Entry
	// Next is the place after the page's last entry. It is the zero Position on the last page.
	Next Position
	// RayID is the Ray ID of the request, for Cloudflare's support; empty if the answer had none.
	RayID string
	// History is the status of the history that the page is from; empty for a page of a log.
	History HistoryStatus
	// Attempts counts the requests that the page took.
	Attempts int
	// RateLimited counts those of them that the service refused with status 429, too many requests.
	RateLimited int
	// Repeated counts the entries that the service sent again, and that are left out of Entries.
	Repeated int
	// OutOfOrder counts the entries in Entries whose time is strictly before that of an entry
	// already listed, in the direction of the listing. The service sorts by time, so they may be
	// entries that it repeats from so far back that they are no longer remembered.
	OutOfOrder int
}

// A pageStart is what a page's entries share to know their positions. It holds nothing else of the
// page.
type pageStart struct {
	listing *listing
	cursor  string
}

// position returns the place in a page after its first entries; the zero Position without a page.
func (s *pageStart) position(offset int, m mark) Position {
	if s == nil {
		return Position{}
	}
	if year := m.Time.Year(); year > 9999 || year < 0 {
		m.Time = time.Time{} // RFC 3339 cannot express it.
	}
	return Position{at: place{
		Start:  s.listing.start,
		Cursor: s.cursor,
		Offset: offset,
		mark:   m,
		Since:  s.listing.since,
		Before: s.listing.before,
		Query:  s.listing.identity,
	}}
}

// An identity tells entries apart: by ID, or by all of their bytes where there is none. It is long
// enough that no two entries share one by chance.
type identity [16]byte

func init() {
	internal.Of = func(entry any) [16]byte {
		e := entry.(*Entry)
		if e.content == (identity{}) {
			return identify(e) // It does not come from a listing.
		}
		return e.content
	}
}

// identify returns the identity of an entry, without the number of identical ones before it.
func identify(e *Entry) identity {
	text := []byte(e.ID)
	if e.ID == "" {
		// The zero byte keeps an ID from standing for another entry's bytes.
		text = append([]byte{0}, e.Raw...)
	}
	return digestOf(text)
}

// after returns the identity of an entry that follows the given number of identical ones.
func (id identity) after(identical int) identity {
	if identical == 0 {
		return id
	}
	return digestOf(binary.AppendUvarint(id[:], uint64(identical)))
}

// in returns the identity of an entry in one of several logs.
func (id identity) in(log string) identity {
	return digestOf(append(id[:], log...))
}

func digestOf(text []byte) identity {
	sum := sha256.Sum256(text)
	return identity(sum[:len(identity{})])
}

// digest is a part of an identity, for sets of entries.
func (id identity) digest() uint64 { return binary.LittleEndian.Uint64(id[:]) }

// MarshalText writes an identity into a position.
func (id identity) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, id[:]), nil
}

// UnmarshalText reads an identity from a position.
func (id *identity) UnmarshalText(text []byte) error {
	if base64.RawURLEncoding.DecodedLen(len(text)) != len(id) {
		return errors.New("identity of another length")
	}
	_, err := base64.RawURLEncoding.Decode(id[:], text)
	return err
}
