package export

import (
	"fmt"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

func made(id string, at time.Time) *auditlogs.Entry {
	e := &auditlogs.Entry{}
	e.ID, e.Action.Time = id, at
	e.Raw = fmt.Appendf(nil, `{"id":%q,"action":{"time":%q}}`, id, auditlogs.Time(at))
	return e
}

// TestRecentCoversWhatCanComeAgain has many entries within two seconds, of which the last is out
// of order.
func TestRecentCoversWhatCanComeAgain(t *testing.T) {
	at := time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)
	const many = 50_000
	entry := func(i int) *auditlogs.Entry {
		return made(fmt.Sprint(i), at.Add(time.Duration(i)*2*time.Second/many))
	}
	r := newRecent(nil, nil, time.Time{})
	for i := range many {
		if !r.add(entry(i)) {
			t.Fatalf("entry %d is taken for another", i)
		}
	}
	r.add(made("out of order", at.Add(-time.Hour)))
	for _, r := range []*recent{r, again(r)} {
		for i := range many {
			if r.add(entry(i)) {
				t.Fatalf("entry %d is forgotten", i)
			}
		}
	}
	// Later ones take their place.
	for i := range 2 * recentLeast {
		r.add(made(fmt.Sprint("later ", i), at.Add(time.Duration(i)*time.Minute)))
	}
	if len(r.last) != recentLeast || len(r.known) != recentLeast {
		t.Errorf("%d entries are remembered, and %d known", len(r.last), len(r.known))
	}
}

// again passes a memory through a checkpoint.
func again(r *recent) *recent {
	list, expected := r.list()
	return newRecent(list, expected, r.newest)
}

// TestRecentWithoutID has entries without an id come again with the same bytes: they are new,
// unless they are expected.
func TestRecentWithoutID(t *testing.T) {
	e := made("", time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC))
	r := newRecent(nil, nil, time.Time{})
	for range 2 {
		if !r.add(e) {
			t.Error("an entry is lost that has the bytes of another")
		}
	}
	r.expectAgain()
	for i, fresh := range []bool{false, false, true} {
		if r = again(r); r.add(e) != fresh {
			t.Errorf("time %d that it comes again: %t", i+1, !fresh)
		}
	}
}

// TestTally counts what an export and a check of it must count alike.
func TestTally(t *testing.T) {
	at := time.Date(2024, 10, 1, 12, 0, 0, 0, time.UTC)
	var counts tally
	if err := counts.within(Window{"2024-10-01", "2024-10-02"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*auditlogs.Entry{
		made("1", at), made("2", at.Add(-time.Second)), made("3", at.Add(-time.Minute)), made("4", at), made("5", time.Time{}),
		made("6", at.AddDate(0, 0, -1)), made("7", at.AddDate(0, 0, 1)), made("8", at.Add(12*time.Hour)),
	} {
		counts.add(e)
	}
	if counts.Entries != 8 || counts.OutOfOrder != 4 || counts.Outside != 2 || counts.First.ID != "1" || counts.Last.ID != "8" || !counts.Latest.Equal(at.AddDate(0, 0, 1)) {
		t.Errorf("%+v", counts)
	}
}
