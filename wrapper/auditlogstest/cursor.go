package auditlogstest

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// A position is a place between two entries of a listing. The zero value is the place before the
// first one.
type position struct {
	Placed bool      // Time and Seq are those of the last entry before the place
	Time   time.Time //
	Seq    uint64    //
	Offset uint64    // how many entries are before the place; for shifting cursors only, instead of Time and Seq
	Pages  int       // how many pages are before the place
	Waited bool      // the empty page that belongs before the place has been given
}

// after returns the position after a page that started at p.
func (p position) after(page []*entry, shifting bool) position {
	next := position{Pages: p.Pages + 1}
	if shifting {
		next.Offset = p.Offset + uint64(len(page))
	} else {
		last := page[len(page)-1]
		next.Placed, next.Time, next.Seq = true, last.time, last.seq
	}
	return next
}

// A cursorMaker turns positions into cursors and back. A cursor is signed, and valid only for the
// query that it was made for.
type cursorMaker struct{ key []byte }

// A cursor is what the text of one holds.
type cursor struct {
	position
	Query []byte // its digest
}

// newCursorMaker derives the key from the history's seed, so that cursors stay valid after a
// restart with the same history.
func newCursorMaker(h *History) cursorMaker {
	if h == nil {
		return cursorMaker{[]byte(rand.Text())}
	}
	return cursorMaker{binary.BigEndian.AppendUint64([]byte("auditlogstest cursor "), h.Seed)}
}

const digestSize = 16

// queryDigest is a digest of everything that a cursor is bound to: its kind, the path, and all
// parameters except the cursor and the limit.
func queryDigest(shifting bool, path string, query url.Values) []byte {
	bound := url.Values{}
	for name, values := range query {
		if name != "cursor" && name != "limit" {
			bound[name] = slices.Sorted(slices.Values(values))
		}
	}
	sum := sha256.Sum256([]byte(strconv.FormatBool(shifting) + path + "?" + bound.Encode()))
	return sum[:digestSize]
}

func (m cursorMaker) format(p position, query []byte) string {
	data, _ := json.Marshal(cursor{p, query})
	return base64.RawURLEncoding.EncodeToString(append(m.sign(data), data...))
}

func (m cursorMaker) sign(data []byte) []byte {
	mac := hmac.New(sha256.New, m.key)
	mac.Write(data)
	return mac.Sum(nil)[:digestSize]
}

func (m cursorMaker) parse(text string, query []byte) (position, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	// Decoding ignores line breaks and spare bits, so encoding the result again must give the same
	// text.
	if err != nil || base64.RawURLEncoding.EncodeToString(b) != text || len(b) < digestSize || !hmac.Equal(b[:digestSize], m.sign(b[digestSize:])) {
		return position{}, errors.New("cursor is not one of this server's")
	}
	var c cursor
	if err := json.Unmarshal(b[digestSize:], &c); err != nil || !bytes.Equal(c.Query, query) {
		return position{}, errors.New("cursor belongs to other parameters")
	}
	return c.position, nil
}
