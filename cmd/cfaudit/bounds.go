package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// boundWanted shows the forms of an end of the window.
const boundWanted = "a date such as 2026-10-31, a time such as 2026-10-31T08:30:00Z, an age such as 90m, 24h or 7d, or yesterday or today"

// A bound is one end of the window as the user gave it: a time, or an age that counts back from now
// or from the last midnight.
type bound struct {
	text     string // as it was given
	given    bool
	isAge    bool
	midnight bool // the age counts back from midnight UTC
	at       time.Time
	age      time.Duration
}

// parseBound reads a date (UTC), an RFC 3339 time with any offset, an age, yesterday or today.
func parseBound(text string) (bound, bool) {
	switch text {
	case "today":
		return bound{text: text, given: true, isAge: true, midnight: true}, true
	case "yesterday":
		return bound{text: text, given: true, isAge: true, midnight: true, age: 24 * time.Hour}, true
	}
	if age, ok := parseAge(text); ok {
		return bound{text: text, given: true, isAge: true, age: age}, true
	}
	at, err := auditlogs.ParseTime(text)
	// An offset can move the time out of the years that RFC 3339 can express.
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		return bound{}, false
	}
	return bound{text: text, given: true, at: at}, true
}

// resolve returns the bound as a time.
func (b bound) resolve(now time.Time) time.Time {
	switch {
	case !b.given:
		return now.UTC()
	case b.midnight:
		return now.UTC().Truncate(24 * time.Hour).Add(-b.age)
	case b.isAge:
		return now.Add(-b.age).UTC()
	}
	return b.at
}

// worded returns the bound in words that mean the same in every run, unlike the resolved time.
func (b bound) worded() string {
	if b.isAge {
		return b.text
	}
	return auditlogs.Time(b.at)
}

// calendarDate matches the date at the start of a time.
var calendarDate = regexp.MustCompile(`^(\d{4})-(\d\d)-\d\d($|[T ])`)

// boundMistake says what is missing in a bound that is nearly right. It is empty for any other.
func boundMistake(text string) string {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			local := at.Format("2006-01-02T15:04:05.999999999")
			return fmt.Sprintf("the offset from UTC is missing: want %sZ for UTC, or an offset such as %s+02:00", local, local)
		}
	}
	parts := calendarDate.FindStringSubmatch(text)
	if parts == nil {
		return ""
	}
	if _, err := time.Parse(time.DateOnly, text[:len(time.DateOnly)]); err == nil {
		return ""
	}
	month, err := time.Parse("2006-01", parts[1]+"-"+parts[2])
	if err != nil {
		return "the calendar has no such month: want one from 01 to 12"
	}
	return "the calendar has no such day: want one up to " + month.AddDate(0, 1, -1).Format(time.DateOnly)
}

// ageForm matches an age, and ageUnits are the units of its numbers. A day has 24 hours.
var (
	ageForm  = regexp.MustCompile(`^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$`)
	ageUnits = []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}
)

// maxAge keeps every age within the years that RFC 3339 can express.
const maxAge = 100 * 366 * 24 * time.Hour

// parseAge reads a length of time in whole units, from the largest to the smallest: 90m, 24h, 2w,
// 1d12h.
func parseAge(text string) (age time.Duration, ok bool) {
	numbers := ageForm.FindStringSubmatch(text)
	if text == "" || numbers == nil {
		return 0, false
	}
	for i, unit := range ageUnits {
		n, err := strconv.ParseInt(cmp.Or(numbers[i+1], "0"), 10, 64)
		if err != nil || time.Duration(n) > (maxAge-age)/unit {
			return 0, false
		}
		age += time.Duration(n) * unit
	}
	return age, true
}
