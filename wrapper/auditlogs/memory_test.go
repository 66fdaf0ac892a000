package auditlogs

import (
	"errors"
	"fmt"
	"testing"
)

// Every cycle of cursors is found, whatever its length and whatever comes before it: as soon as it closes while all of its
// cursors are remembered, and otherwise a few cursors later.
func TestCyclesOfCursors(t *testing.T) {
	const all = watchedCursors
	for _, test := range []struct{ lead, length, late int }{
		{0, 1, 0}, {0, 2, 0}, {5, 3, 0}, {0, all, 0}, {0, all + 1, 1}, {all, 1, 1}, {3*all + 1, 5, 15}, {1000, 3 * all, 3},
	} {
		var w cursorWatch
		closes := test.lead + test.length
		for i := 0; ; i++ {
			cursor := i
			if i >= test.lead {
				cursor = test.lead + (i-test.lead)%test.length
			}
			if err := w.check(fmt.Sprint(cursor)); err != nil {
				if !errors.Is(err, ErrCursorLoop) || i < closes || i > closes+test.late {
					t.Errorf("%+v: after %d cursors: %v", test, i, err)
				}
				break
			}
			if i > closes+test.late {
				t.Errorf("%+v is not found", test)
				break
			}
		}
		if len(w.known) > watchedCursors {
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
