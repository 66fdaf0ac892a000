package follow

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// The state stays below 1 MB whatever it holds: as many ids as there can be, however their times
// lie, and a cursor of any size.
func TestStateIsBounded(t *testing.T) {
	for _, test := range []struct {
		name    string
		minutes int // over which the entries' times lie
		cursor  int // its bytes
	}{
		{"all at once", 1, 100},
		{"within the usual look-back", 42, 100},
		{"over a month", 30 * 24 * 60, 100},
		{"over 18 months", 548 * 24 * 60, 100},
		{"the largest cursor that the limits let through", 30 * 24 * 60, 16 << 10},
		{"a cursor beyond all reason", 30 * 24 * 60, 2 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Date(2024, 10, 30, 12, 0, 0, 0, time.UTC)
			position := positioned(t, start, strings.Repeat("x", test.cursor))
			s := state{
				Log: "account " + strings.Repeat("a", 32), Query: "q", Start: start, Watermark: start, LookedBack: start, Newest: start, Seen: newMemory(),
				Sweep: &sweep{Since: start, Before: start.Add(2 * time.Hour), Begun: start, Position: position},
			}
			rng := rand.New(rand.NewPCG(1, 1))
			for range MaxRemembered {
				s.Seen.seen[rng.Uint64()] = minute(start) + rng.Int64N(int64(test.minutes))
			}
			data, err := s.encode(depth{overlap: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			back, err := decodeState(data)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) >= 1_000_000 || len(back.Seen.seen) != MaxRemembered {
				t.Errorf("%d bytes, %d ids", len(data), len(back.Seen.seen))
			}
			if kept := back.Sweep.Position; kept.IsZero() {
				// What is lost is the cursor, and not the place.
				if !back.Sweep.Since.Equal(start.Add(59*time.Minute)) || test.cursor < 1<<20 {
					t.Errorf("the sweep begins anew at %s", back.Sweep.Since)
				}
			} else if kept != position {
				t.Errorf("the position is another one")
			}
		})
	}
}

// positioned is a place in a listing of two hours, an hour after their start.
func positioned(t *testing.T, start time.Time, cursor string) auditlogs.Position {
	t.Helper()
	place, err := json.Marshal(map[string]any{"c": cursor, "t": start.Add(time.Hour), "s": auditlogs.Time(start), "b": auditlogs.Time(start.Add(2 * time.Hour)), "q": "x"})
	if err != nil {
		t.Fatal(err)
	}
	position, err := auditlogs.ParsePosition("p1." + base64.RawURLEncoding.EncodeToString(place))
	if err != nil {
		t.Fatal(err)
	}
	return position
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := newMemory()
	at := time.Date(2024, 10, 30, 12, 0, 0, 0, time.UTC)
	for i := range 100 {
		m.seen[uint64(i)] = minute(at.Add(time.Duration(i/10) * time.Minute)) // ten in each minute
	}
	if n, _ := m.shrink(100); n != 0 || len(m.seen) != 100 {
		t.Errorf("%d forgotten, although there is room", n)
	}
	// 25 too many, and a sixteenth of 75 more.
	n, through := m.shrink(75)
	if n != 29 || len(m.seen) != 71 || !through.Equal(at.Add(3*time.Minute)) {
		t.Errorf("%d forgotten, %d left, through %s", n, len(m.seen), through)
	}
	for i := range 100 {
		_, known := m.seen[uint64(i)]
		if i < 20 && known || i >= 30 && !known {
			t.Errorf("entry %d is known: %t", i, known)
		}
	}
	m.forget(at.Add(5*time.Minute + 30*time.Second))
	if len(m.seen) != 50 {
		t.Errorf("%d left", len(m.seen))
	}
	if m.seen[99] != minute(at.Add(9*time.Minute)) {
		t.Error("the newest is gone")
	}
}

// Two followers tell the same entry by different numbers, so that nobody can make entries that are
// taken for each other.
func TestMemoryIsSalted(t *testing.T) {
	one, other := newMemory(), newMemory()
	e := &auditlogs.Entry{}
	e.ID = "id"
	if one.hash(e, 0) == other.hash(e, 0) {
		t.Error("the same hash")
	}
	rows := map[uint64]string{}
	for i, text := range []string{`{"id":"id"}`, `{"a":1}`, `{"a":2}`} {
		var e auditlogs.Entry
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		rows[one.hash(&e, 0)] = text
		if i > 0 {
			rows[one.hash(&e, 1)] = fmt.Sprint(text, " again")
		}
	}
	if len(rows) != 5 {
		t.Errorf("%d different hashes", len(rows))
	}
}
