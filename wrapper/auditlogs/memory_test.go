package auditlogs

import (
	"errors"
	"fmt"
	"testing"
)

// A cycle that is longer than the cursors that are remembered is found all the same, if only after
// some more rounds.
func TestLongCyclesOfCursors(t *testing.T) {
	for _, test := range []struct{ lead, length int }{
		{0, 1}, {0, 2}, {5, 3}, {0, watchedCursors}, {0, watchedCursors + 1}, {1000, 3 * watchedCursors},
	} {
		var w cursorWatch
		found := 0
		for i := 0; i < 20*watchedCursors && found == 0; i++ {
			cursor := i
			if i >= test.lead {
				cursor = test.lead + (i-test.lead)%test.length
			}
			if err := w.check(fmt.Sprint(cursor)); err != nil {
				if found = i; !errors.Is(err, ErrCursorLoop) || i < test.lead+test.length {
					t.Errorf("%+v: after %d cursors: %v", test, i, err)
				}
			}
		}
		if found == 0 {
			t.Errorf("%+v is not found", test)
		}
		if len(w.known) > watchedCursors || len(w.last) > watchedCursors {
			t.Errorf("%d cursors are remembered", len(w.known))
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(3)
	for i := range 10 {
		if !m.add(identity{byte(i)}) {
			t.Errorf("%d is taken for known", i)
		}
		for j := max(0, i-2); j <= i; j++ {
			if m.add(identity{byte(j)}) {
				t.Errorf("%d is forgotten after %d", j, i)
			}
		}
	}
	if len(m.known) != 3 || len(m.last) != 3 {
		t.Errorf("%d entries are remembered", len(m.known))
	}
}
