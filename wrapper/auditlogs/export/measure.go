package export

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"hash"
)

// A measure counts and digests what is written to it.
type measure struct {
	bytes, lines int64
	sum          hash.Hash
}

func newMeasure() *measure { return &measure{sum: sha256.New()} }

func (m *measure) Write(p []byte) (int, error) {
	m.bytes += int64(len(p))
	m.lines += int64(bytes.Count(p, []byte{'\n'}))
	m.sum.Write(p)
	return len(p), nil
}

func (m *measure) digest() string { return hex.EncodeToString(m.sum.Sum(nil)) }

// state is what restore continues the digest from.
func (m *measure) state() []byte {
	state, _ := m.sum.(encoding.BinaryMarshaler).MarshalBinary() // SHA-256 never fails.
	return state
}

func (m *measure) restore(state []byte) error {
	return m.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
}
