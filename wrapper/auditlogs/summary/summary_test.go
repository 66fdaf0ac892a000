package summary

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

func TestTotals(t *testing.T) {
	s := collect(t, Options{},
		fmt.Sprintf(`{"action":{"result":"success","time":%q}}`, at(time.Hour)),
		fmt.Sprintf(`{"action":{"result":"failure","time":%q}}`, at(3*time.Hour)),
		fmt.Sprintf(`{"action":{"result":"","time":%q}}`, at(2*time.Hour)),
		fmt.Sprintf(`{"action":{"result":"Success","time":%q}}`, at(-time.Hour)),
		`{"action":{"result":"success","time":"yesterday"}}`,
		`{"action":null}`)
	if s.Entries != 6 || s.Success != 2 || s.Failure != 1 || s.Unknown != 3 || s.Untimed != 2 || s.Outside != 1 || s.Malformed != 1 {
		t.Errorf("counted %+v", s)
	}
	if !s.First.Equal(day.Add(-time.Hour)) || !s.Last.Equal(day.Add(3*time.Hour)) {
		t.Errorf("from %s to %s", s.First, s.Last)
	}
	if first := s.Timeline.Periods[0]; first.Entries != 3 || first.Failed != 1 {
		t.Errorf("the first day has %+v", first)
	}
}

func TestTimeline(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	kolkata, _ := time.LoadLocation("Asia/Kolkata")
	for name, test := range map[string]struct {
		since, before string
		in            *time.Location
		entries       []string
		unit          string
		periods       int
		want          map[string]int64 // starts of periods and their entries
	}{
		"two days have hours": {
			"2026-10-01T00:30:00Z", "2026-10-03T00:30:00Z", time.UTC, []string{"2026-10-01T00:59:59.999Z", "2026-10-01T01:00:00Z"},
			UnitHour, 49, map[string]int64{"2026-10-01T00:00:00Z": 1, "2026-10-01T01:00:00Z": 1},
		},
		"more has days": {
			"2026-10-01T00:30:00Z", "2026-10-03T00:30:01Z", time.UTC, []string{"2026-10-01T23:59:59Z", "2026-10-02T00:00:00Z"},
			UnitDay, 3, map[string]int64{"2026-10-01T00:00:00Z": 1, "2026-10-02T00:00:00Z": 1},
		},
		"a day of 25 hours is one day": {
			"2026-10-24T00:00:00+02:00", "2026-10-27T00:00:00+01:00", berlin, []string{"2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"},
			UnitDay, 3, map[string]int64{"2026-10-25T00:00:00+02:00": 2, "2026-10-26T00:00:00+01:00": 1},
		},
		"an hour that the clock shows twice is two": {
			"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", berlin, []string{"2026-10-25T00:15:00Z", "2026-10-25T01:15:00Z"},
			UnitHour, 2, map[string]int64{"2026-10-25T02:00:00+02:00": 1, "2026-10-25T02:00:00+01:00": 1},
		},
		"hours start by the clock of the zone": {
			"2026-10-01T00:00:00Z", "2026-10-01T02:00:00Z", kolkata, []string{"2026-10-01T00:29:00Z", "2026-10-01T00:31:00Z"},
			UnitHour, 3, map[string]int64{"2026-10-01T05:00:00+05:30": 1, "2026-10-01T06:00:00+05:30": 1},
		},
	} {
		since, _ := time.Parse(time.RFC3339, test.since)
		before, _ := time.Parse(time.RFC3339, test.before)
		var entries []string
		for _, at := range test.entries {
			entries = append(entries, fmt.Sprintf(`{"action":{"time":%q}}`, at))
		}
		s := collect(t, Options{Since: since, Before: before, Location: test.in}, entries...)
		got := map[string]int64{}
		for _, p := range s.Timeline.Periods {
			if p.Entries > 0 {
				got[p.Start.Format(time.RFC3339)] = p.Entries
			}
		}
		if s.Timeline.Unit != test.unit || len(s.Timeline.Periods) != test.periods || fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %d periods of a %s, %v: want %d of a %s, %v", name, len(s.Timeline.Periods), s.Timeline.Unit, got, test.periods, test.unit, test.want)
		}
	}
}

func TestWeek(t *testing.T) {
	// The first of October 2026 is a Thursday.
	s := collect(t, Options{Location: time.FixedZone("", 2*3600)}, fmt.Sprintf(`{"action":{"time":%q}}`, at(22*time.Hour+59*time.Minute)))
	if s.Week[4][0] != 1 {
		t.Errorf("Friday at 0 is missing in %v", s.Week)
	}
}

func TestGroups(t *testing.T) {
	s := collect(t, Options{Top: 2, By: [][]string{{"actor.type", "resource.scope"}, {"raw.status_code"}}},
		`{"actor":{"email":"a@example.com","id":"1","type":"user"},"action":{"result":"failure"},"resource":{"type":"t","id":"r","scope":"zones"},"raw":{"status_code":403}}`,
		`{"actor":{"email":"a@example.com","id":"2"},"resource":{"type":"t"},"zone":{"name":"example.com"}}`,
		`{"actor":{"id":"1","token_id":"k"},"resource":{"id":"r","scope":{"a": [1, "<"]}},"zone":{"id":"z"}}`,
		`{"actor":{"type":"system","token_id":"k","token_name":"n"}}`,
		`{}`)
	for name, want := range map[string]struct {
		rows                     []string
		distinct, others, absent int64
	}{
		"actors":                    {[]string{"a@example.com: 2, 1 failed", "system: 1, 0 failed"}, 3, 1, 1},
		"tokens":                    {[]string{"k: 1, 0 failed", "n / k: 1, 0 failed"}, 2, 0, 3},
		"resources":                 {[]string{"r: 1, 0 failed", "t / r: 1, 1 failed"}, 2, 0, 3},
		"zones":                     {[]string{"z: 1, 0 failed", "example.com: 1, 0 failed"}, 2, 0, 3},
		"addresses":                 {nil, 0, 0, 5},
		"actor.type,resource.scope": {[]string{`{"a":[1,"<"]}: 1, 0 failed`, "user / zones: 1, 1 failed"}, 3, 1, 2},
		"raw.status_code":           {[]string{"403: 1, 1 failed"}, 1, 0, 4},
	} {
		g := group(t, s, name)
		if got := rows(g); !slices.Equal(got, want.rows) || g.Distinct != want.distinct || g.Others != want.others || g.Absent != want.absent || g.AtLeast {
			t.Errorf("%s: %q, %+v, want %+v", name, got, g, want)
		}
	}
	if is := group(t, s, "actors").Values[1].Is; len(is) != 1 || is["actor.type"] != "system" {
		t.Errorf("the actor with a type only is %v", is)
	}
}

// TestLongValues keeps values apart that only differ after their start.
func TestLongValues(t *testing.T) {
	long := strings.Repeat("ü", 250_000)
	s := collect(t, Options{}, `{"raw":{"user_agent":"`+long+`a"}}`, `{"raw":{"user_agent":"`+long+`b"}}`, `{"raw":{"user_agent":"`+long+`b"}}`)
	g := group(t, s, "user agents")
	if g.Distinct != 2 || g.Values[0].Entries != 2 || len(g.Values[0].Text) > longText || !strings.HasPrefix(g.Values[0].Text, "üü") ||
		!strings.Contains(g.Values[0].Text, "… (500001 bytes, SHA-256 ") {
		t.Errorf("counted %+v", g)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	window := Options{Since: day, Before: day.Add(time.Hour)}
	for want, change := range map[string]func(*Options){
		"the window is missing":                     func(o *Options) { o.Since = time.Time{} },
		"want Since before Before":                  func(o *Options) { o.Before = o.Since },
		"Top is -1: want 1 to 10000":                func(o *Options) { o.Top = -1 },
		`"actor" is no field of an entry: want one`: func(o *Options) { o.By = [][]string{{"actor"}} },
		"want one field or more":                    func(o *Options) { o.By = [][]string{{}} },
		"By has 5 groups: want at most 4":           func(o *Options) { o.By = make([][]string, 5) },
	} {
		options := window
		change(&options)
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := New(window); err != nil {
		t.Error(err)
	}
}

func TestOf(t *testing.T) {
	broken := errors.New("broken")
	stream := func(end error) iter.Seq2[*auditlogs.Entry, error] {
		return func(yield func(*auditlogs.Entry, error) bool) {
			if yield(entry(t, `{"id":"1"}`), nil) && end != nil {
				yield(nil, end)
			}
		}
	}
	options := Options{Since: day, Before: day.Add(time.Hour)}
	if s, err := Of(stream(nil), options); err != nil || s.Entries != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := Of(stream(broken), options); !errors.Is(err, broken) || s.Entries != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestMemoryIsBounded counts entries of which every field differs from all others.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	c, err := New(Options{Since: day, Before: day.AddDate(0, 0, 7)})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	e := new(auditlogs.Entry)
	for i := range 200_000 {
		text := fmt.Sprintf("%032d", i)
		e.ID, e.Actor.Email, e.Actor.TokenID, e.Actor.IPAddress = text, text, text, text
		e.Entry.Raw.UserAgent, e.Action.Description, e.Action.Type, e.Resource.Product = text, text, text, text
		e.Zone.Name, e.Resource.ID, e.Action.Result = text, text, "failure"
		e.Action.Time = day.Add(time.Duration(i) * time.Second)
		c.Add(e)
	}
	runtime.GC()
	runtime.ReadMemStats(&end)
	if held := int64(end.HeapAlloc) - int64(start.HeapAlloc); held > 120<<20 {
		t.Errorf("holds %d MB", held>>20)
	} else {
		t.Logf("holds %d MB", held>>20)
	}
	s := c.Summary()
	for _, g := range s.Groups {
		if !g.AtLeast || g.MayMiss == 0 {
			t.Errorf("%s says that its numbers are exact: %+v", g.Name, g)
		}
	}
}

func TestIndex(t *testing.T) {
	both, name, none := `{"actor":{"token_id":"k","token_name":"n"}}`, `{"actor":{"token_name":"n / k"}}`, `{}`
	g := group(t, collect(t, Options{}, both, both), "tokens")
	for raw, want := range map[string]int{both: 0, name: -1, none: -1} {
		if got := g.Index(time.UTC)(entry(t, raw)); got != want {
			t.Errorf("%s is value %d, want %d", raw, got, want)
		}
	}
}
