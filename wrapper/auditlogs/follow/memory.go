package follow

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A memory knows the delivered entries that later sweeps can show again: a hash of each, and the
// minute of its time. The hash is salted, so that nobody can craft an entry with the hash of
// another one, and 64 bits are enough.
type memory struct {
	salt [saltSize]byte
	seen map[uint64]int64 // the minute, since 1970
}

const (
	saltSize = 16
	hashSize = 8
)

func newMemory() memory {
	m := memory{seen: map[uint64]int64{}}
	_, _ = rand.Read(m.salt[:]) // It never fails.
	return m
}

// hash identifies an entry: by id, or by all of its bytes if it has none. Alike is how many rows
// with the same bytes came before.
func (m *memory) hash(e *auditlogs.Entry, alike int) uint64 {
	h := sha256.New()
	h.Write(m.salt[:])
	if e.ID != "" {
		h.Write([]byte(e.ID))
	} else {
		// The zero byte keeps an id from being equal to another entry's bytes.
		h.Write(binary.AppendUvarint([]byte{0}, uint64(alike)))
		h.Write(e.Raw)
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

func minute(t time.Time) int64 { return t.Unix() / 60 }

// since counts the ids from a time on, in total and by minute.
func (m *memory) since(first time.Time) (all int, perMinute map[int64]int) {
	perMinute = map[int64]int{}
	for _, at := range m.seen {
		if at >= minute(first) {
			all++
			perMinute[at]++
		}
	}
	return all, perMinute
}

// forget forgets what is before a time.
func (m *memory) forget(before time.Time) {
	first := minute(before)
	maps.DeleteFunc(m.seen, func(_ uint64, at int64) bool { return at < first })
}

// shrink forgets the oldest entries until most are left, and returns how many it forgot and up to
// which time.
func (m *memory) shrink(most int) (forgotten int, through time.Time) {
	excess := len(m.seen) - most
	if excess <= 0 {
		return 0, time.Time{}
	}
	// A few more, so that not every further entry costs a search for the oldest.
	excess += most / 16
	minutes := slices.Sorted(maps.Values(m.seen))
	last := minutes[excess-1]
	inLast := excess - slices.Index(minutes, last)
	for hash, at := range m.seen {
		if at == last && inLast > 0 {
			inLast--
			delete(m.seen, hash)
		}
	}
	maps.DeleteFunc(m.seen, func(_ uint64, at int64) bool { return at < last })
	return excess, time.Unix((last+1)*60, 0).UTC()
}

// MarshalJSON writes the salt and the hashes as one text: the minutes in order, each as the
// distance from the one before, the number of its hashes, and these.
func (m memory) MarshalJSON() ([]byte, error) {
	type sighting struct {
		minute int64
		hash   uint64
	}
	all := make([]sighting, 0, len(m.seen))
	for hash, at := range m.seen {
		all = append(all, sighting{at, hash})
	}
	slices.SortFunc(all, func(a, b sighting) int {
		if a.minute != b.minute {
			if a.minute < b.minute {
				return -1
			}
			return 1
		}
		if a.hash < b.hash {
			return -1
		}
		return 1
	})
	data := append(make([]byte, 0, saltSize+len(all)*(hashSize+1)), m.salt[:]...)
	last := int64(0)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].minute == all[0].minute {
			n++
		}
		data = binary.AppendVarint(data, all[0].minute-last)
		data = binary.AppendUvarint(data, uint64(n))
		for _, s := range all[:n] {
			data = binary.BigEndian.AppendUint64(data, s.hash)
		}
		last, all = all[0].minute, all[n:]
	}
	return json.Marshal(data)
}

// UnmarshalJSON reads back what MarshalJSON wrote.
func (m *memory) UnmarshalJSON(text []byte) error {
	var data []byte
	if err := json.Unmarshal(text, &data); err != nil {
		return err
	}
	if len(data) < saltSize {
		return errors.New("the memory is cut short")
	}
	*m = memory{salt: [saltSize]byte(data[:saltSize]), seen: make(map[uint64]int64, len(data)/hashSize)}
	data = data[saltSize:]
	last := int64(0)
	for len(data) > 0 {
		step, size := binary.Varint(data)
		if size <= 0 {
			return errors.New("the memory holds a broken minute")
		}
		data = data[size:]
		n, size := binary.Uvarint(data)
		if size <= 0 {
			return errors.New("the memory holds a broken count")
		}
		if data = data[size:]; n > uint64(len(data)/hashSize) {
			return errors.New("the memory is cut short")
		}
		last += step
		for ; n > 0; n-- {
			m.seen[binary.BigEndian.Uint64(data)] = last
			data = data[hashSize:]
		}
	}
	return nil
}
