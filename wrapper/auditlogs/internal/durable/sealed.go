package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrDamaged is what [Unseal] returns for data that is not what [Seal] made.
var ErrDamaged = errors.New("damaged")

// A sealed value carries what tells whether it is whole, and what it is. A sum is needed since a number with a digit changed
// is still JSON, and what a program would take up from there is somebody's audit trail.
type sealed struct {
	Kind    string          `json:"kind"`
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"` // of Content, to the byte
	Content json.RawMessage `json:"content"`
}

// Seal returns a value as the content of a file, which says what kind of file it is and in which version of its form.
func Seal(kind string, version int, value any) ([]byte, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(sealed{kind, version, sum(content), content})
	return append(data, '\n'), err
}

// Unseal reads back what [Seal] made of the same kind and version. Data that was cut short, changed, or is something else
// is an error that is [ErrDamaged]; a whole file of another version is an error of its own.
func Unseal(kind string, version int, data []byte, value any) error {
	var s sealed
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%w: it is not JSON (%w)", ErrDamaged, err)
	}
	switch {
	case s.Kind != kind:
		return fmt.Errorf("%w: it is not of the kind %q", ErrDamaged, kind)
	case s.SHA256 != sum(s.Content):
		return fmt.Errorf("%w: its content is not the one that was written", ErrDamaged)
	case s.Version != version:
		return fmt.Errorf("it has version %d of its form, and this program reads version %d", s.Version, version)
	}
	decoder := json.NewDecoder(bytes.NewReader(s.Content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

func sum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
