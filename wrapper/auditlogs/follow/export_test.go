package follow

import (
	"encoding/json"
	"time"

	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// WithClock replaces the clock of the machine, which tests cannot move.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		c.now = now
		return nil
	}
}

// WithMemory sets how many ids are remembered.
func WithMemory(ids int) Option {
	return func(c *config) error {
		c.memory = ids
		return nil
	}
}

// Decodes reports whether a state can be read, and whether it is the same when it is written again.
func Decodes(data []byte) (read, same bool) {
	s, err := decodeState(data)
	if err != nil {
		return false, false
	}
	again, err := s.encode(depth{})
	if err != nil {
		return true, false
	}
	back, err := decodeState(again)
	return true, err == nil && len(back.Seen.seen) == len(s.Seen.seen) && back.Watermark.Equal(s.Watermark)
}

// DecodesContent does the same for the content of a state, past its sum.
func DecodesContent(content []byte) (read, same bool) {
	data, err := durable.Seal(stateKind, stateVersion, json.RawMessage(content))
	if err != nil {
		return false, false
	}
	return Decodes(data)
}
