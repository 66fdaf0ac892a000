package follow

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/identity"
)

// A memory knows the delivered entries that later sweeps can show again: a hash of each, and the
// minute of its time. The hash is 64 bits of the entry's identity, encrypted with a key of the
// memory's own: 64 bits are enough only if nobody can search for an entry with the hash of another
// one.
type memory struct {
	key    [keySize]byte
	cipher cipher.Block
	seen   map[uint64]int64 // the minute, since 1970
}

const (
	keySize  = 16
	hashSize = 8
)

func newMemory() memory {
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // It never fails.
	return memoryWith(key)
}

func memoryWith(key [keySize]byte) memory {
	block, _ := aes.NewCipher(key[:]) // It takes every key of this size.
	return memory{key: key, cipher: block, seen: map[uint64]int64{}}
}

// hash identifies an entry: by id, or by all of its bytes if it has none. Identical is how many
// rows with the same bytes came before.
func (m *memory) hash(e *auditlogs.Entry, identical int) uint64 {
	id := identity.Of(e)
	binary.BigEndian.PutUint64(id[8:], binary.BigEndian.Uint64(id[8:])+uint64(identical))
	m.cipher.Encrypt(id[:], id[:])
	return binary.BigEndian.Uint64(id[:])
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

// MarshalJSON writes the key and the hashes as one text: the minutes in order, each as the distance
// from the one before, the number of its hashes, and these.
func (m memory) MarshalJSON() ([]byte, error) {
	byMinute := map[int64][]uint64{}
	for hash, at := range m.seen {
		byMinute[at] = append(byMinute[at], hash)
	}
	data := append(make([]byte, 0, keySize+len(m.seen)*(hashSize+1)), m.key[:]...)
	last := int64(0)
	for _, at := range slices.Sorted(maps.Keys(byMinute)) {
		data = binary.AppendVarint(data, at-last)
		data = binary.AppendUvarint(data, uint64(len(byMinute[at])))
		for _, hash := range byMinute[at] {
			data = binary.BigEndian.AppendUint64(data, hash)
		}
		last = at
	}
	return json.Marshal(data)
}

// UnmarshalJSON reads back what MarshalJSON wrote.
func (m *memory) UnmarshalJSON(text []byte) error {
	var data []byte
	if err := json.Unmarshal(text, &data); err != nil {
		return err
	}
	if len(data) < keySize {
		return errors.New("the memory is cut short")
	}
	*m = memoryWith([keySize]byte(data))
	data = data[keySize:]
	last := int64(0)
	for len(data) > 0 {
		step, size := binary.Varint(data)
		n, more := binary.Uvarint(data[max(size, 0):])
		if size <= 0 || more <= 0 || n > uint64(len(data)-size-more)/hashSize {
			return errors.New("the memory is cut short, or holds a broken number")
		}
		data, last = data[size+more:], last+step
		for ; n > 0; n-- {
			m.seen[binary.BigEndian.Uint64(data)] = last
			data = data[hashSize:]
		}
	}
	return nil
}
