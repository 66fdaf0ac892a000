package auditlogstest

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/url"
	"slices"
	"time"
)

// A position is a place between two entries of a listing. The zero value is the place before the
// first one.
type position struct {
	placed bool      // time and seq are those of the last entry before the place
	time   time.Time //
	seq    uint64    //
	offset uint64    // how many entries are before the place; for shifting cursors only, instead of time and seq
	pages  int       // how many pages are before the place
	waited bool      // the empty page that belongs before the place has been given
}

// after returns the position after a page that started at p.
func (p position) after(page []*entry) position {
	next := position{offset: p.offset + uint64(len(page)), pages: p.pages + 1}
	if len(page) > 0 {
		last := page[len(page)-1]
		next.placed, next.time, next.seq = true, last.time, last.seq
	}
	return next
}

// A cursorMaker turns positions into cursors and back. A cursor is signed, and valid only for the
// query that it was made for.
type cursorMaker struct{ key []byte }

// newCursorMaker derives the key from the history's seed, so that cursors stay valid after a
// restart with the same history.
func newCursorMaker(h *History) cursorMaker {
	if h == nil {
		key := make([]byte, sha256.Size)
		_, _ = rand.Read(key)
		return cursorMaker{key}
	}
	key := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("auditlogstest cursor "), h.Seed))
	return cursorMaker{key[:]}
}

const (
	flagPlaced = 1 << iota
	flagShifting
	flagWaited
)

const (
	digestSize  = 16
	payloadSize = 1 + 4 + 8 + 4 + 8 + digestSize
)

// queryDigest is a digest of everything that a cursor is bound to: the path, and all parameters
// except the cursor and the limit.
func queryDigest(path string, query url.Values) []byte {
	bound := url.Values{}
	for name, values := range query {
		if name != "cursor" && name != "limit" {
			bound[name] = slices.Sorted(slices.Values(values))
		}
	}
	sum := sha256.Sum256([]byte(path + "?" + bound.Encode()))
	return sum[:digestSize]
}

func (m cursorMaker) format(p position, digest []byte, shifting bool) string {
	var flags byte
	number := p.seq
	if p.placed {
		flags |= flagPlaced
	}
	if p.waited {
		flags |= flagWaited
	}
	if shifting {
		flags |= flagShifting
		number = p.offset
	}
	b := []byte{flags}
	b = binary.BigEndian.AppendUint32(b, uint32(p.pages))
	b = binary.BigEndian.AppendUint64(b, uint64(p.time.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(p.time.Nanosecond()))
	b = binary.BigEndian.AppendUint64(b, number)
	b = append(b, digest...)
	return base64.RawURLEncoding.EncodeToString(append(b, m.sign(b)...))
}

func (m cursorMaker) sign(payload []byte) []byte {
	mac := hmac.New(sha256.New, m.key)
	mac.Write(payload)
	return mac.Sum(nil)[:digestSize]
}

func (m cursorMaker) parse(cursor string, digest []byte, shifting bool) (position, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	// Decoding ignores line breaks and spare bits, so encoding the result again must give the same
	// text.
	if err != nil || base64.RawURLEncoding.EncodeToString(b) != cursor || len(b) != payloadSize+digestSize ||
		!hmac.Equal(b[payloadSize:], m.sign(b[:payloadSize])) || (b[0]&flagShifting != 0) != shifting {
		return position{}, errors.New("cursor is not one of this server's")
	}
	if !bytes.Equal(b[payloadSize-digestSize:payloadSize], digest) {
		return position{}, errors.New("cursor belongs to other parameters")
	}
	p := position{pages: int(binary.BigEndian.Uint32(b[1:])), waited: b[0]&flagWaited != 0}
	if number := binary.BigEndian.Uint64(b[17:]); shifting {
		p.offset = number
	} else if b[0]&flagPlaced != 0 {
		p.placed, p.seq = true, number
		p.time = time.Unix(int64(binary.BigEndian.Uint64(b[5:])), int64(binary.BigEndian.Uint32(b[13:]))).UTC()
	}
	return p, nil
}
