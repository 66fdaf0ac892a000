package durable_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

func TestSealed(t *testing.T) {
	type state struct {
		Text   string `json:"text"`
		Number int    `json:"number"`
	}
	data, err := durable.Seal("state", 1, state{"a<b> ä", 12345})
	if err != nil {
		t.Fatal(err)
	}
	var got state
	if err := durable.Unseal("state", 1, data, &got); err != nil || got != (state{"a<b> ä", 12345}) {
		t.Errorf("%v, %v", got, err)
	}
	if err := durable.Unseal("other", 1, data, &got); !errors.Is(err, durable.ErrDamaged) {
		t.Errorf("another kind: %v", err)
	}
	if err := durable.Unseal("state", 2, data, &got); err == nil || errors.Is(err, durable.ErrDamaged) || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("another version: %v", err)
	}
	if err := durable.Unseal("state", 1, data, &struct{ Text string }{}); !errors.Is(err, durable.ErrDamaged) {
		t.Errorf("other fields: %v", err)
	}
	for n := range len(data) - 1 {
		if err := durable.Unseal("state", 1, data[:n], &got); !errors.Is(err, durable.ErrDamaged) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	for i := range data {
		for _, bit := range []byte{1, 2, 16, 32} {
			changed := bytes.Clone(data)
			changed[i] ^= bit
			var got state
			// Names are the same in both cases, and space at the end means nothing.
			if err := durable.Unseal("state", 1, changed, &got); err == nil && got != (state{"a<b> ä", 12345}) {
				t.Errorf("byte %d changed by %d: %v", i, bit, got)
			}
		}
	}
}
