package follow

import (
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A sweep reaches back as far as one page carries, beside what is to come, and never to where ids
// were forgotten.
func TestReach(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	d := depth{overlap: time.Minute, lookBack: 30 * time.Minute}
	for _, test := range []struct {
		name      string
		perMinute int // entries that are remembered
		pageSize  int
		forgotten int // minutes ago; 0 for none
		start     int // minutes ago
		want      int // minutes ago
		deep      bool
	}{
		{name: "nothing happens", pageSize: 1000, want: 35, deep: true},
		{name: "some entries", perMinute: 10, pageSize: 1000, want: 35, deep: true},
		{name: "nearly a page", perMinute: 25, pageSize: 1000, want: 35, deep: true},
		{name: "the page is nearly full, and more is to come", perMinute: 26, pageSize: 1000, want: 33},
		{name: "twice as many as a page carries", perMinute: 57, pageSize: 1000, want: 14},
		{name: "more in a minute than a page carries", perMinute: 2000, pageSize: 1000, want: 2},
		{name: "small pages", perMinute: 10, pageSize: 100, want: 8},
		{name: "pages of one entry", perMinute: 10, pageSize: 1, want: 2},
		{name: "some ids are forgotten", perMinute: 10, pageSize: 1000, forgotten: 20, want: 20},
		{name: "nearly all ids are forgotten", perMinute: 10, pageSize: 1000, forgotten: 1, want: 2},
		{name: "a start within the look-back", perMinute: 10, pageSize: 1000, start: 12, want: 12, deep: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := state{Start: ago(1000), Watermark: ago(1), LookedBack: ago(5), Newest: ago(1), Seen: newMemory()}
			if test.start > 0 {
				s.Start = ago(test.start)
			}
			if test.forgotten > 0 {
				s.Forgotten = ago(test.forgotten)
			}
			for i := range 36 * test.perMinute {
				s.Seen.seen[uint64(i)] = minute(ago(1 + i%36))
			}
			since, deep := s.reach(now, d, time.Minute, test.pageSize)
			if !since.Equal(ago(test.want)) || deep != test.deep {
				t.Errorf("it starts %s ago, and looks back: %t; want %d minutes, %t", now.Sub(since), deep, test.want, test.deep)
			}
		})
	}
}

// What a service gives a page is learned from pages that are not the last.
func TestPageSizeIsLearned(t *testing.T) {
	none, on := auditlogs.Position{}, positioned(t, time.Now(), "cursor")
	type page struct {
		rows       int
		from, next auditlogs.Position
	}
	for _, test := range []struct {
		name  string
		pages []page
		want  int
	}{
		{"one page that is the last", []page{{5, none, none}}, 0},
		{"a full page", []page{{100, none, on}, {7, on, none}}, 100},
		{"the rest of a page that was taken up again", []page{{3, on, on}, {7, on, none}}, 0},
		{"the rest of a page, and less after it", []page{{3, on, on}, {2, on, none}}, 0},
		{"an empty page", []page{{0, none, on}, {7, on, none}}, 0},
		{"a short page before a full one", []page{{90, none, on}, {100, on, on}, {90, on, on}}, 100},
		{"the service gives more than before", []page{{100, none, on}, {400, none, none}}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s state
			for _, p := range test.pages {
				s.sized(p.rows, p.from, p.next)
			}
			if s.PageSize != test.want {
				t.Errorf("%d entries a page: want %d", s.PageSize, test.want)
			}
		})
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if got := h.add(nil); got != (Lateness{}) {
		t.Errorf("nothing was measured: %+v", got)
	}
	if got, second := h.add([]time.Duration{time.Second, -time.Hour}), time.Second; got != (Lateness{2, second, second, second}) {
		t.Errorf("%+v", got)
	}
	h = histogram{}
	var lengths []time.Duration
	for i := range 1000 {
		lengths = append(lengths, time.Duration(i+1)*time.Second)
	}
	got := h.add(lengths)
	for name, of := range map[string][2]time.Duration{"median": {got.Median, 500 * time.Second}, "p95": {got.P95, 950 * time.Second}} {
		if got, want := of[0], of[1]; got < want || got > want*105/100 {
			t.Errorf("the %s is %s: want %s, or up to 5 %% more", name, got, want)
		}
	}
	if got.Most != 1000*time.Second || got.Entries != 1000 {
		t.Errorf("%+v", got)
	}
	if got := h.add([]time.Duration{1000 * time.Hour}); got.Most != 1000*time.Hour || got.P95 > 1000*time.Second {
		t.Errorf("with one beyond the bins: %+v", got)
	}
}
