package simulation

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A scenario is everything that one run depends on.
type scenario struct {
	seed    uint64
	what    string // "list", "export" or "follow"
	history string // how it was drawn
	records []*record
	since   time.Time
	before  time.Time // not for follow
	traits  traits

	descends   bool
	limit      int
	remembered int
	rate       float64
	legs       []leg
}

// A leg is one run of the reader, from where the one before it ended.
type leg struct {
	parallel bool
	byPage   bool
	prefetch bool
	stop     int           // after so many entries; 0 for none
	lasts    time.Duration // for follow: the follower is stopped after this time,
	pause    time.Duration // and started again after this one
	refuse   int           // for follow: this batch is not taken; 0 for none
}

func (l leg) String() string {
	text := "plain"
	if l.parallel {
		text = "parallel"
	}
	if l.byPage {
		text += " by page"
	}
	if !l.prefetch {
		text += " without prefetch"
	}
	if l.stop > 0 {
		text += fmt.Sprintf(" until entry %d", l.stop)
	}
	if l.lasts > 0 {
		text = fmt.Sprintf("for %s, pause %s, batch %d not taken", l.lasts, l.pause, l.refuse)
	}
	return text
}

// String describes a scenario in one line.
func (s *scenario) String() string {
	legs := []string{}
	for _, l := range s.legs {
		legs = append(legs, l.String())
	}
	direction := "asc"
	if s.descends {
		direction = "desc"
	}
	return fmt.Sprintf("seed %d: %s %s, %d entries (%s), window [%s, %s), limit %d, remembered %d, rate %g; service: %s; legs: %s",
		s.seed, s.what, direction, len(s.records), s.history, s.since.Format(time.RFC3339Nano), s.before.Format(time.RFC3339Nano),
		s.limit, s.remembered, s.rate, s.traits, strings.Join(legs, ", "))
}

// bubbleStart is where the clock of a synctest bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

type drawing struct{ *rand.Rand }

func (d drawing) percent(p int) bool { return d.IntN(100) < p }

// between draws from low to high, small values as often as large ones.
func (d drawing) between(low, high int) int {
	return min(high, int(float64(low)*math.Exp(d.Float64()*math.Log(float64(high+1)/float64(low)))))
}

func (d drawing) duration(low, high time.Duration) time.Duration {
	return time.Duration(d.between(int(low), int(high)))
}

func pick[T any](d drawing, of ...T) T { return of[d.IntN(len(of))] }

// draw makes the scenario of a seed. A change here gives all seeds other scenarios: those in pinned
// are to be found anew then.
func draw(seed uint64) *scenario {
	d := drawing{rand.New(rand.NewPCG(seed, 0))}
	s := &scenario{seed: seed, what: "list"}
	switch p := d.IntN(100); {
	case p < 10:
		s.what = "export"
	case p < 18:
		s.what = "follow"
	}
	s.remembered = pick(d, 100, 100, 400, 0)
	if d.percent(25) {
		s.rate = float64(d.between(2, 50))
	}
	n := d.between(20, 700)
	switch p := d.IntN(1000); {
	case p < 2:
		n = d.between(6_001, 13_000)
	case p < 150:
		n = d.between(2_000, 6_000)
	}
	if s.what == "follow" {
		n = d.between(20, 600)
	}
	s.drawTraits(d, n)
	if s.traits.order == byHiddenShown {
		// Only the entries that were seen before the first stretch is opened can tell that the
		// order is another one: as many as are remembered. The default is enough to be sure.
		s.remembered = 0
	}
	if s.what == "follow" {
		s.drawFollow(d, n)
		return s
	}
	s.drawHistory(d, n)
	s.descends = s.what == "list" && d.percent(40)
	s.limit = 1000
	if d.percent(30) {
		s.limit = min(1000, s.traits.pageCap+d.IntN(200))
	}
	stops := pick(d, 0, 0, 0, 1, 1, 2, 4)
	if s.traits.ties == tiesPerRequest {
		// A new listing has not seen what an earlier one delivered, and so cannot count what is
		// repeated instead of what is lost.
		stops = 0
		s.traits.refuse = nil
	}
	for i := range stops + 1 {
		l := leg{parallel: d.percent(70), byPage: d.percent(30) || s.traits.ties == tiesPerRequest, prefetch: d.percent(80)}
		if i < stops {
			l.stop = 1 + d.IntN(max(n/2, 1))
		}
		s.legs = append(s.legs, l)
	}
	return s
}

func (s *scenario) drawTraits(d drawing, n int) {
	t := &s.traits
	t.sinceIncluded, t.beforeIncluded = d.percent(70), d.percent(40)
	if d.percent(30) {
		t.coarse = pick(d, time.Second, time.Second, time.Minute, time.Minute, 24*time.Hour)
	}
	t.order = byTime
	if d.percent(15) {
		t.order = pick(d, toTheSecond, byHidden, byHiddenShown)
	}
	t.ties = tiesFixed
	if d.percent(30) && t.order == byTime {
		t.ties = tiesPerListing
	}
	t.offset = d.percent(25)
	if d.percent(3) && t.order == byTime {
		t.ties, t.offset = tiesPerRequest, true
	}
	pages := d.between(2, 200)
	t.pageCap = min(1000, max(1, n/pages, n/200))
	t.pace = pace{shape: pick(d, "constant", "uniform", "tailed", "wild"), mean: d.duration(time.Millisecond, 3*time.Second)}
	if d.percent(10) {
		t.pace.stuck = 1 + d.IntN(pages+1)
	}
	if d.percent(25) {
		t.faults = pick(d, 1, 4, 10, 25)
	}
	if d.percent(15) {
		for range 1 + d.IntN(2) {
			t.refuse = append(t.refuse, 1+d.IntN(pages+2))
		}
	}
	if s.what == "follow" {
		// The documented order, and windows that are not empty for a day.
		t.order, t.offset, t.coarse = byTime, d.percent(25), pick(d, 0, 0, time.Second, time.Minute)
		if t.ties == tiesPerRequest {
			t.ties = tiesPerListing
		}
		t.pace.mean = min(t.pace.mean, time.Second)
		t.pageCap = max(t.pageCap, n/50, 1)
	}
}

// drawHistory draws records for a listing or an export.
func (s *scenario) drawHistory(d drawing, n int) {
	span := d.duration(time.Duration(n)*100*time.Microsecond, time.Duration(n)*time.Minute)
	span = max(span, 2*s.traits.coarse)
	start := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC).Add(time.Duration(d.Int64N(int64(24 * time.Hour))))
	unit := pick(d, time.Second, time.Second, time.Millisecond, time.Microsecond, time.Nanosecond)
	shape := pick(d, "uniform", "bursts", "nights", "uniform", "steady")
	if n > 6000 {
		shape = "a moment"
	}
	times := make([]time.Duration, n)
	centers := []time.Duration{}
	for range 1 + d.IntN(5) {
		centers = append(centers, time.Duration(d.Int64N(int64(span))))
	}
	for i := range times {
		at := time.Duration(d.Int64N(int64(span)))
		switch shape {
		case "bursts":
			if d.percent(90) {
				at = min(span-1, pick(d, centers...)+time.Duration(d.Int64N(int64(span/100)+1)))
			}
		case "nights":
			if at > span/4 && at < span*3/4 {
				at /= 4
			}
		case "steady":
			at = span / time.Duration(n) * time.Duration(i)
		case "a moment":
			at = span / 2
		}
		times[i] = at
	}
	ties := 0
	if d.percent(40) {
		for range 1 + d.IntN(4) {
			ties = 2 + d.between(1, max(n/3, 2))
			from := d.IntN(n)
			for i := from; i < min(n, from+ties); i++ {
				times[i] = times[from]
			}
		}
	}
	untimed, late, finer := 0, 0, d.percent(8) && unit >= time.Millisecond
	if d.percent(15) {
		untimed = 1 + d.IntN(5)
	}
	if d.percent(15) {
		late = 1 + d.IntN(15)
	}
	slices.Sort(times)
	lasts := s.traits.pace.mean * time.Duration(n/s.traits.pageCap+2)
	for i, at := range times {
		t := start.Add(at)
		r := &record{number: i, key: t.Truncate(unit), shown: t.Truncate(unit)}
		if finer {
			r.key = t
		}
		if (s.traits.order == byHidden || s.traits.order == byHiddenShown) && d.percent(1) {
			r.shown = r.shown.Add(time.Duration(d.Int64N(int64(2*farthest))) - farthest).Truncate(unit)
		}
		if d.percent(untimed) {
			r.untimed = pick(d, `"type":"create"`, `"time":null`, `"time":"soon"`)
		}
		if d.percent(late) {
			r.visible = 1 + time.Duration(d.Int64N(int64(lasts)))
		}
		s.records = append(s.records, r)
	}
	s.since, s.before = start.Add(-time.Second), start.Add(span+time.Second)
	if s.traits.coarse > 0 {
		s.before = s.before.Add(s.traits.coarse)
	}
	if d.percent(30) {
		s.since = s.records[d.IntN(n/3+1)].key
	}
	if d.percent(30) {
		s.before = s.records[n-1-d.IntN(n/3+1)].key
	}
	if !s.since.Before(s.before) {
		s.before = s.since.Add(time.Second)
	}
	s.history = fmt.Sprintf("%s over %s to the %s", shape, span, unit)
	if ties > 0 {
		s.history += ", ties"
	}
	if finer {
		s.history += ", sorted by a finer time"
	}
	if untimed > 0 {
		s.history += fmt.Sprintf(", %d %% without a time", untimed)
	}
	if late > 0 {
		s.history += fmt.Sprintf(", %d %% late", late)
	}
}

const (
	lookBack      = 30 * time.Minute
	lookBackEvery = 10 * time.Minute
	followed      = 80 * time.Minute // the history of a follower
)

// drawFollow draws a history that happens while a follower runs, and how often that is stopped.
func (s *scenario) drawFollow(d drawing, n int) {
	unit := pick(d, time.Second, time.Millisecond, time.Nanosecond)
	late := d.IntN(30)
	moment := time.Duration(d.Int64N(int64(followed)))
	many := pick(d, 0, 0, 30)
	for i := range n {
		at := time.Duration(d.Int64N(int64(followed))) - followed/4
		if d.percent(many) {
			at = moment
		}
		t := bubbleStart.Add(at).Truncate(unit)
		r := &record{number: i, key: t, shown: t}
		lateness := time.Duration(d.Int64N(int64(90 * time.Second)))
		if d.percent(late) {
			lateness = time.Duration(d.Int64N(int64(lookBack)))
		}
		r.visible = max(0, t.Add(lateness).Sub(bubbleStart))
		s.records = append(s.records, r)
	}
	s.since = bubbleStart.Add(-followed/4 - time.Minute)
	s.limit = 1000
	s.history = fmt.Sprintf("as it happens over %s to the %s, %d %% late", followed, unit, late)
	for range pick(d, 0, 1, 2, 5) {
		l := leg{lasts: d.duration(time.Second, 40*time.Minute), pause: d.duration(time.Second, 40*time.Minute)}
		if d.percent(30) {
			l.refuse = 1 + d.IntN(10)
		}
		s.legs = append(s.legs, l)
	}
	s.legs = append(s.legs, leg{})
}
