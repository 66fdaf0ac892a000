package summary

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// Options say what is counted and how.
type Options struct {
	// Since and Before are the window. The timeline has a period for each of its hours, or for each
	// of its days if it is longer than 48 hours. Required.
	Since, Before time.Time
	// Location is the time zone of hours, days and weekdays; nil for UTC.
	Location *time.Location
	// Top is how many values of each group a summary has; 0 for 10.
	Top int
	// By adds groups: each counts the combinations of some fields, named by their paths. See
	// [Fields].
	By [][]string
}

// The bounds of options.
const (
	standardTop = 10
	MaxTop      = 10_000 // of Options.Top
	MaxBy       = 4      // groups that Options.By adds
)

// A Summary is what the entries of a window come to.
type Summary struct {
	Since    time.Time `json:"since"`     // the start of the window
	Before   time.Time `json:"before"`    // its end
	TimeZone string    `json:"time_zone"` // of hours, days and weekdays

	Entries   int64     `json:"entries"`
	Success   int64     `json:"success"`        // those whose action.result is "success"
	Failure   int64     `json:"failure"`        // those whose action.result is "failure"
	Unknown   int64     `json:"unknown"`        // all others: the log does not say
	First     time.Time `json:"first,omitzero"` // the time of the oldest entry
	Last      time.Time `json:"last,omitzero"`  // the time of the newest entry
	Untimed   int64     `json:"untimed"`        // entries without a time, which the timeline and the heat map lack
	Outside   int64     `json:"outside"`        // entries outside of the window, which the timeline lacks
	Malformed int64     `json:"malformed"`      // entries with a field of an unexpected type; such a field counts as absent

	Timeline Timeline     `json:"timeline"`
	Week     [7][24]int64 `json:"week"`   // entries by weekday, from Monday, and hour
	Groups   []Group      `json:"groups"` // actors, tokens, addresses and so on, and then those of Options.By
	Hints    []Hint       `json:"hints"`  // what deserves a look
}

// A Timeline counts entries by hour or by day.
type Timeline struct {
	Unit    string   `json:"unit"` // UnitHour or UnitDay, and UnitWeek only after [Timeline.Fit]
	Periods []Period `json:"periods"`
}

// Most is the number of entries of the fullest period.
func (t Timeline) Most() (most int64) {
	for _, p := range t.Periods {
		most = max(most, p.Entries)
	}
	return most
}

// Fit returns the timeline with a period for every seven days if it has days, and more than n.
func (t Timeline) Fit(n int) Timeline {
	if t.Unit != UnitDay || len(t.Periods) <= n {
		return t
	}
	weeks := Timeline{Unit: UnitWeek}
	for days := range slices.Chunk(t.Periods, 7) {
		week := Period{Start: days[0].Start}
		for _, day := range days {
			week.Entries += day.Entries
			week.Failed += day.Failed
		}
		weeks.Periods = append(weeks.Periods, week)
	}
	return weeks
}

// A Period is an hour, a day or a week of a timeline.
type Period struct {
	Start   time.Time `json:"start"`
	Entries int64     `json:"entries"`
	Failed  int64     `json:"failed"`
}

// A Group counts the values of a field, or the combinations of several.
type Group struct {
	Name     string   `json:"name"`     // such as "actors"; for one of Options.By, its fields
	Fields   []string `json:"fields"`   // the paths of the fields
	FirstOf  bool     `json:"first_of"` // an entry counts by the first of the fields that it has, and not by all of them
	Values   []Value  `json:"values"`   // the most frequent ones, at most Options.Top
	Distinct int64    `json:"distinct"` // how many values there are
	AtLeast  bool     `json:"at_least"` // there may be more than Distinct
	Others   int64    `json:"others"`   // entries with a value that is not among Values; at most, where AtLeast
	Absent   int64    `json:"absent"`   // entries that do not count here, since they have none of the fields
	// MayMiss is how many entries of one value may not have been counted, at most; 0 where every
	// number of the group is exact. A value that is not among Values has at most that many more
	// than the last of them.
	MayMiss int64 `json:"may_miss"`
}

// A Value is a value of a group, or a combination of values.
type Value struct {
	Text    string            `json:"text"`             // for people: the values of the fields, joined
	Is      map[string]string `json:"is"`               // the values of the fields by their paths; without those that are absent
	Entries int64             `json:"entries"`          // exact, or at least, where there is an AtMost
	AtMost  int64             `json:"at_most,omitzero"` // then also Failed is at least, and First at the latest
	Failed  int64             `json:"failed"`           // those of them whose action.result is "failure"
	Share   float64           `json:"share"`            // Entries as a part of all entries of the summary, from 0 to 1
	First   time.Time         `json:"first,omitzero"`   // the time of the oldest
	Last    time.Time         `json:"last,omitzero"`    // the time of the newest
}

// A groupBy says what a group has the values of.
type groupBy struct {
	name    string
	firstOf bool
	paths   []string
	needs   string  // the field without which an entry does not count; empty where any of them will do
	fields  []field // nil for those at the paths
}

var (
	byActor     = groupBy{name: "actors", firstOf: true, paths: []string{"actor.email", "actor.id", "actor.type"}}
	byToken     = groupBy{name: "tokens", paths: []string{"actor.token_name", "actor.token_id"}}
	byAddress   = groupBy{name: "addresses", paths: []string{"actor.ip_address"}}
	byUserAgent = groupBy{name: "user agents", paths: []string{"raw.user_agent"}}
)

// groups are those that every summary has.
var groups = []groupBy{
	byActor,
	byToken,
	byAddress,
	byUserAgent,
	{name: "actions", firstOf: true, paths: []string{"action.description", "action.type"}},
	{name: "action types", paths: []string{"action.type"}},
	{name: "products", paths: []string{"resource.product"}},
	{name: "zones", firstOf: true, paths: []string{"zone.name", "zone.id"}},
	{name: "resources", paths: []string{"resource.type", "resource.id"}, needs: "resource.id"},
}

// A grouping counts the values of a group.
type grouping struct {
	groupBy
	in     *time.Location
	count  *counter
	absent int64
	key    []byte // of the last entry
}

func newGrouping(by groupBy, in *time.Location) *grouping {
	by.paths = slices.Clone(by.paths) // Some are the caller's.
	if by.fields == nil {
		for _, path := range by.paths {
			by.fields = append(by.fields, fieldAt(path))
		}
	}
	return &grouping{groupBy: by, in: in, count: newCounter()}
}

// keyOf returns what the entry counts as: for each field the length of its text and the text. It is
// empty where the entry does not count, and valid until the next call.
func (g *grouping) keyOf(e *auditlogs.Entry) []byte {
	if cap(g.key) > 64<<10 {
		g.key = nil // Of a huge value.
	}
	g.key = g.key[:0]
	found := false
	for i, field := range g.fields {
		g.key = append(g.key, 0, 0) // A text has at most longText bytes.
		from := len(g.key)
		g.key = shortened(field(g.key, e, g.in), from)
		n := len(g.key) - from
		binary.BigEndian.PutUint16(g.key[from-2:], uint16(n))
		switch {
		case n == 0 && g.paths[i] == g.needs:
			return nil
		case n > 0 && g.firstOf:
			return g.key
		case n > 0:
			found = true
		}
	}
	if !found {
		return nil
	}
	return g.key
}

// is returns the values of a key by their paths, and their texts in order.
func (g *grouping) is(key string) (map[string]string, []string) {
	is, texts := map[string]string{}, []string{}
	for i := 0; len(key) >= 2; i++ {
		n := int(key[0])<<8 | int(key[1])
		if n > 0 {
			is[g.paths[i]] = key[2 : 2+n]
			texts = append(texts, key[2:2+n])
		}
		key = key[2+n:]
	}
	return is, texts
}

// Index returns a function that tells which of the group's Values an entry has: its place among
// them, or -1. The zone is that of the summary's times.
func (g Group) Index(in *time.Location) func(*auditlogs.Entry) int {
	by := newGrouping(groupBy{firstOf: g.FirstOf, paths: g.Fields}, in)
	places := map[string]int{}
	for i, v := range g.Values {
		places[v.Text] = i
	}
	return func(e *auditlogs.Entry) int {
		is, texts := by.is(string(by.keyOf(e)))
		i, known := places[strings.Join(texts, separator)]
		if !known || !maps.Equal(is, g.Values[i].Is) {
			return -1
		}
		return i
	}
}

// separator joins the values of several fields for people.
const separator = " / "

// A Collector makes a summary of the entries that it is given, in any order. It is not safe for use
// by several goroutines.
type Collector struct {
	options Options
	counts  Summary // only the totals
	clock   *clock
	groups  []*grouping
	hints   []*finder
}

// New returns a Collector. It returns an error if an option is wrong.
func New(options Options) (*Collector, error) {
	switch {
	case options.Since.IsZero() || options.Before.IsZero() || !options.Since.Before(options.Before):
		return nil, errors.New("summary: the window is missing or empty: want Since before Before")
	case options.Top < 0 || options.Top > MaxTop:
		return nil, fmt.Errorf("summary: Top is %d: want 1 to %d", options.Top, MaxTop)
	case len(options.By) > MaxBy:
		return nil, fmt.Errorf("summary: By has %d groups: want at most %d", len(options.By), MaxBy)
	}
	if options.Location == nil {
		options.Location = time.UTC
	}
	if options.Top == 0 {
		options.Top = standardTop
	}
	c := &Collector{options: options, clock: newClock(options.Since, options.Before, options.Location)}
	c.counts.Since, c.counts.Before = options.Since.In(options.Location), options.Before.In(options.Location)
	c.counts.TimeZone = options.Location.String()
	for _, by := range groups {
		c.groups = append(c.groups, newGrouping(by, options.Location))
	}
	for _, paths := range options.By {
		if err := checkPaths(paths); err != nil {
			return nil, fmt.Errorf("summary: By: %w", err)
		}
		c.groups = append(c.groups, newGrouping(groupBy{name: strings.Join(paths, ","), paths: paths}, options.Location))
	}
	for _, r := range rules {
		c.hints = append(c.hints, newFinder(r, options.Location))
	}
	return c, nil
}

// Of reads the entries of a listing to its end and returns their summary. If the listing ends with
// an error, the summary is of the entries before it.
func Of(entries iter.Seq2[*auditlogs.Entry, error], options Options) (*Summary, error) {
	c, err := New(options)
	if err != nil {
		return nil, err
	}
	for e, problem := range entries {
		if problem != nil {
			err = problem
			break
		}
		c.Add(e)
	}
	return c.Summary(), err
}

// Add counts an entry. It returns the rules that have found it; nil for most entries. A burst is
// found with the entry that makes it one, which names the earlier ones.
func (c *Collector) Add(e *auditlogs.Entry) []Found {
	t := &c.counts
	t.Entries++
	failed := false
	switch e.Action.Result {
	case auditlogsapi.ActionResultSuccess:
		t.Success++
	case auditlogsapi.ActionResultFailure:
		t.Failure++
		failed = true
	default:
		t.Unknown++
	}
	if e.Err() != nil {
		t.Malformed++
	}
	at, ok := nanoseconds(e.Action.Time)
	if ok {
		widen(&t.First, &t.Last, e.Action.Time)
		c.clock.add(e.Action.Time, failed)
	} else {
		t.Untimed++
	}
	for _, g := range c.groups {
		if key := g.keyOf(e); len(key) > 0 {
			g.count.add(key, at, failed)
		} else {
			g.absent++
		}
	}
	return c.find(e, failed)
}

// nanoseconds returns a time as a number, where it can be one.
func nanoseconds(t time.Time) (int64, bool) {
	if year := t.Year(); t.IsZero() || year < 1678 || year > 2261 {
		return noTime, false
	}
	return t.UnixNano(), true
}

// Summary returns the summary of the entries so far.
func (c *Collector) Summary() *Summary {
	s := c.counts
	s.First, s.Last = s.First.In(c.options.Location), s.Last.In(c.options.Location)
	s.Outside = c.clock.outside
	s.Timeline = Timeline{Unit: c.clock.unit, Periods: slices.Clone(c.clock.periods)}
	s.Week = c.clock.week
	for _, g := range c.groups {
		s.Groups = append(s.Groups, c.group(g))
	}
	s.Hints = []Hint{}
	for _, f := range c.hints {
		if f.hint.Entries > 0 {
			hint := f.hint
			hint.Cases = slices.Clone(hint.Cases)
			s.Hints = append(s.Hints, hint)
		}
	}
	return &s
}

func (c *Collector) group(g *grouping) Group {
	made := Group{
		Name: g.name, FirstOf: g.firstOf, Fields: slices.Clone(g.paths), Values: []Value{}, Absent: g.absent, MayMiss: g.count.dropped,
		Distinct: int64(g.count.most), AtLeast: g.count.dropped > 0, Others: c.counts.Entries - g.absent,
	}
	for _, top := range g.count.top(c.options.Top) {
		is, texts := g.is(top.key)
		v := Value{
			Text: strings.Join(texts, separator), Is: is, Entries: top.entries, Failed: top.failed,
			Share: share(top.entries, c.counts.Entries), First: timeOf(top.first, c.options.Location), Last: timeOf(top.last, c.options.Location),
		}
		if top.missed > 0 {
			v.AtMost = top.entries + top.missed
		}
		made.Values = append(made.Values, v)
		made.Others -= top.entries
	}
	return made
}

// HeatLevels is how many levels of heat there are, beside 0 for an hour without entries.
const HeatLevels = 4

// Heat sorts the hours of the week into levels by their entries. Tops has the largest number of
// each level; 0 for level 0, and for those that are empty since no hour has enough entries.
func (s *Summary) Heat() (levels [7][24]int, tops [HeatLevels + 1]int64) {
	var most int64
	for _, day := range s.Week {
		most = max(most, slices.Max(day[:]))
	}
	if most == 0 {
		return levels, tops
	}
	for i, day := range s.Week {
		for hour, n := range day {
			levels[i][hour] = int((n*HeatLevels + most - 1) / most)
		}
	}
	for i := range int64(HeatLevels) {
		if top := most * (i + 1) / HeatLevels; top > most*i/HeatLevels {
			tops[i+1] = top
		}
	}
	return levels, tops
}

// Percent writes a share of the entries for people. Only none is 0.0%, and only all are 100.0%.
func Percent(share float64) string {
	switch {
	case share > 0 && share < 0.001:
		return "<0.1%"
	case share > 0.999 && share < 1:
		return ">99.9%"
	}
	return strconv.FormatFloat(100*share, 'f', 1, 64) + "%"
}

// share returns a part of a whole, rounded so that it reads well.
func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return math.Round(float64(part)/float64(whole)*1e6) / 1e6
}

func timeOf(nanoseconds int64, in *time.Location) time.Time {
	if nanoseconds == noTime {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).In(in)
}
