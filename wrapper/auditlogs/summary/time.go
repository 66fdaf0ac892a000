package summary

import (
	"sort"
	"time"
)

// hourly is the longest window whose timeline has hours; that of a longer one has days.
const hourly = 48 * time.Hour

// The units of a timeline.
const (
	UnitHour = "hour"
	UnitDay  = "day"
	UnitWeek = "week"
)

// mostPeriods bounds a timeline, to about 100 years of days.
const mostPeriods = 40_000

// A clock counts entries by time.
type clock struct {
	in            *time.Location
	since, before time.Time
	unit          string
	periods       []Period
	week          [7][24]int64 // from Monday
	outside       int64

	// The hour of the last entry, and where it counts; entries come in the order of time.
	from, to      time.Time
	period        int
	weekday, hour int
}

func newClock(since, before time.Time, in *time.Location) *clock {
	c := &clock{in: in, since: since, before: before, unit: UnitDay}
	if before.Sub(since) <= hourly {
		c.unit = UnitHour
	}
	for at := c.start(since); at.Before(before) && len(c.periods) < mostPeriods; at = c.next(at) {
		c.periods = append(c.periods, Period{Start: at})
	}
	return c
}

// start returns the start of the hour or day of a time.
func (c *clock) start(at time.Time) time.Time {
	at = at.In(c.in)
	if c.unit == UnitHour {
		return hourOf(at)
	}
	year, month, day := at.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, c.in)
}

// next returns the start of the following hour or day. Days are not all of the same length.
func (c *clock) next(start time.Time) time.Time {
	if c.unit == UnitHour {
		return start.Add(time.Hour)
	}
	return c.start(start.Add(36 * time.Hour))
}

// hourOf returns the start of the hour by the clock of the time's own zone, of which some differ
// from UTC by part of an hour. An hour that a clock shows twice is two.
func hourOf(at time.Time) time.Time {
	return at.Add(-time.Duration(at.Minute())*time.Minute - time.Duration(at.Second())*time.Second - time.Duration(at.Nanosecond()))
}

// add counts an entry with a time.
func (c *clock) add(at time.Time, failed bool) {
	if at.Before(c.from) || !at.Before(c.to) {
		c.move(at)
	}
	c.week[c.weekday][c.hour]++
	if c.period < 0 || at.Before(c.since) || !at.Before(c.before) {
		c.outside++
		return
	}
	c.periods[c.period].Entries++
	if failed {
		c.periods[c.period].Failed++
	}
}

func (c *clock) move(at time.Time) {
	local := at.In(c.in)
	c.from = hourOf(local)
	c.to = c.from.Add(time.Hour)
	c.weekday, c.hour = (int(local.Weekday())+6)%7, local.Hour()
	c.period = sort.Search(len(c.periods), func(i int) bool { return c.periods[i].Start.After(at) }) - 1
}

// widen makes the time from first to last include at. Zero times are none.
func widen(first, last *time.Time, at time.Time) {
	if at.IsZero() {
		return
	}
	if first.IsZero() || at.Before(*first) {
		*first = at
	}
	if at.After(*last) {
		*last = at
	}
}
