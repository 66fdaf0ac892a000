package main

import (
	"cmp"
	"time"
	_ "time/tzdata" // Windows and minimal images have no database of time zones.
)

// A timeZone is the zone in which times are printed for people: UTC, unless a flag chooses another.
type timeZone struct {
	location *time.Location // nil for UTC
	name     string         // what people call it
}

const (
	localFlag    = "local"
	timeZoneFlag = "time-zone"
)

// flags are those that choose the time zone.
func (z *timeZone) flags() []*flagValue {
	contradicts := func(other string) func(string) string {
		return func(string) string {
			if z.location == nil {
				return ""
			}
			return "it and --" + other + " exclude each other: want one of them"
		}
	}
	choose := func(location *time.Location, name string) bool {
		if z.location != nil && z.name != name {
			return false
		}
		z.location, z.name = location, name
		return true
	}
	local := toggle(localFlag, groupOutput, "print times for people in this machine's time zone, and not in UTC", new(bool))
	local.mistake = contradicts(timeZoneFlag)
	local.set = func(value string) bool {
		var on bool
		return truth(&on)(value) && (!on || choose(time.Local, "local"))
	}
	named := &flagValue{
		name: timeZoneFlag, placeholder: "NAME", group: groupOutput,
		help:      "print times for people in a time zone, such as Europe/Berlin",
		byDefault: "UTC",
		want:      "the name of a time zone, such as Europe/Berlin or America/New_York",
		examples:  []string{"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Australia/Sydney"},
		mistake:   contradicts(localFlag),
		set: func(value string) bool {
			location, err := time.LoadLocation(value)
			return err == nil && value != "" && choose(location, value)
		},
	}
	return []*flagValue{local, named}
}

// chosen reports whether a flag chose the time zone.
func (z *timeZone) chosen() bool { return z.location != nil }

// in returns a time in the zone.
func (z *timeZone) in(t time.Time) time.Time { return t.In(cmp.Or(z.location, time.UTC)) }

// text returns a time to the second, with its offset, in a form that --since and --before accept.
// It is empty for the zero time.
func (z *timeZone) text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return z.in(t).Format(time.RFC3339)
}

// heading names the zone after a heading for times, unless it is UTC.
func (z *timeZone) heading(title string) string {
	if z.location == nil || z.location == time.UTC {
		return title
	}
	return title + " (" + z.name + ")"
}
