package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// ErrDamaged is what [Unseal] returns for data that is not what [Seal] made.
var ErrDamaged = stored.ErrDamaged

// A sealed value carries its checksum and its kind. The checksum is needed since a number with one
// changed digit is still valid JSON, and a program would resume somebody's audit trail from there.
type sealed struct {
	Kind    string          `json:"kind"`
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"` // of Content, to the byte
	Content json.RawMessage `json:"content"`
}

// Seal returns a value as the content of a file, with the kind of the file and the version of its
// format.
func Seal(kind string, version int, value any) ([]byte, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(sealed{kind, version, sum(content), content})
	return append(data, '\n'), err
}

// Unseal reads back what [Seal] made of the same kind and version. The error is [ErrDamaged] if
// data was cut short or changed, or is something else; an intact file of another version is a
// different error.
func Unseal(kind string, version int, data []byte, value any) error {
	var s sealed
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%w: it is not JSON (%w)", ErrDamaged, err)
	}
	switch {
	case s.Kind != kind:
		return fmt.Errorf("%w: it is not a file of the kind %q", ErrDamaged, kind)
	case s.SHA256 != sum(s.Content):
		return fmt.Errorf("%w: its content has changed since it was written", ErrDamaged)
	case s.Version != version:
		return fmt.Errorf("its format is version %d, and this program reads version %d", s.Version, version)
	}
	decoder := json.NewDecoder(bytes.NewReader(s.Content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

func sum(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }
