package simulation

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A journal is what a reader delivered, and how its legs ended.
type journal struct {
	delivered []string // ids, in the order of delivery
	ends      []int    // for each leg, how many entries were delivered when it ended
	repeated  int      // what pages counted as repeated
	told      error    // an error that says that the service cannot be read completely, which ended the reading
	shown     map[int]bool
	requests  int
	took      time.Duration
}

// A verdict says what was wrong.
type verdict struct {
	lost, twice, disordered, foreign, dropped int
	first                                     string // what was found first
	told                                      bool
	entries                                   int
}

func (v *verdict) found(count *int, format string, args ...any) {
	*count++
	if v.first == "" {
		v.first = fmt.Sprintf(format, args...)
	}
}

// err is nil for a verdict of not guilty.
func (v *verdict) err() error {
	if v.lost+v.twice+v.disordered+v.foreign+v.dropped == 0 {
		return nil
	}
	return fmt.Errorf("%d lost, %d twice, %d out of order, %d foreign, %d shown and never delivered; first: %s",
		v.lost, v.twice, v.disordered, v.foreign, v.dropped, v.first)
}

// judge compares what was delivered with what had to be.
//
// Where the service keeps the documented order, each entry that was visible from the start and
// belongs to the window of the plain query is to be delivered exactly once, and in order. More than
// once is allowed only
//
//   - at a moment where a leg ended, where ties come in another order in each listing: nothing
//     tells then which of the ties were delivered, so that all of them have to come again;
//   - at a moment where a leg ended, where entries that appeared late have that time, or where
//     cursors count entries and any appeared late: they can push the ties of the last entry that
//     was delivered away from their places;
//   - wherever a leg ended, where ties come in another order and one moment has more entries than a
//     listing searches for its place: then it is not found;
//   - entries without a time, once a leg has ended: nothing tells whether they come before the
//     place;
//   - where cursors count entries, and more entries appeared late than a listing remembers: each
//     pushes an entry that was delivered to where it comes again;
//   - in a follower that was stopped: what was delivered and not yet saved comes again.
//
// Where the service does not keep the documented order, each such entry is to be delivered at least
// once, or the reading ends with an error. Where even one request after the other sees other orders
// of ties, what is lost can only be known by what comes twice in its place: pages must have counted
// something as repeated.
func (s *scenario) judge(rules *service, j *journal) *verdict {
	v := &verdict{told: j.told != nil, entries: len(j.delivered)}
	exact := s.traits.documented() && !(s.what == "follow" && len(s.legs)+len(s.traits.refuse) > 1)
	since, before := rules.bound(s.since), rules.bound(s.before)
	if s.what == "follow" {
		since, before = s.since, bubbleStart.Add(24*time.Hour)
	}

	late, lateAt := 0, map[int64]bool{}
	byID := make(map[string]*record, len(s.records))
	for _, r := range s.records {
		byID[r.id()] = r
		if r.visible > 0 && s.what != "follow" {
			late++
			lateAt[r.shown.UnixNano()] = true
		}
	}
	ties := map[int64]int{}
	for _, r := range s.records {
		ties[r.shown.UnixNano()]++
	}
	comesAgain := map[int64]bool{} // moments whose entries may come more than once
	forgets := s.traits.offset && late > cmp.Or(s.remembered, 2000)
	for _, end := range j.ends[:max(0, len(j.ends)-1)] {
		if end == 0 || end > len(j.delivered) {
			continue
		}
		if r := byID[j.delivered[end-1]]; r != nil {
			at := r.shown.UnixNano()
			comesAgain[at] = comesAgain[at] || s.traits.ties != tiesFixed || lateAt[at] || s.traits.offset && late > 0
			forgets = forgets || s.traits.ties != tiesFixed && ties[at] > cmp.Or(s.remembered, 2000)
		}
	}

	seen := make(map[string]int, len(j.delivered))
	var last time.Time
	for i, id := range j.delivered {
		r := byID[id]
		if r == nil || !rules.contains(r, since, before) {
			v.found(&v.foreign, "entry %d is %s, which does not belong to the window", i, id)
			continue
		}
		if seen[id]++; seen[id] > 1 {
			if exact && !forgets && !comesAgain[r.shown.UnixNano()] && (r.untimed == "" || len(j.ends) == 1) {
				v.found(&v.twice, "entry %d is %s of %s again", i, id, r.shown.Format(time.RFC3339Nano))
			}
			continue
		}
		if r.untimed != "" || r.visible > 0 || !exact || s.what == "follow" {
			continue
		}
		if !last.IsZero() && (r.shown.Before(last) && !s.descends || r.shown.After(last) && s.descends) {
			v.found(&v.disordered, "entry %d is %s of %s, after one of %s", i, id, r.shown.Format(time.RFC3339Nano), last.Format(time.RFC3339Nano))
		}
		last = r.shown
	}
	excused := j.told != nil && !s.traits.documented() || s.traits.ties == tiesPerRequest && j.repeated > 0
	if excused {
		return v
	}
	for _, r := range s.records {
		guaranteed := r.visible == 0 || s.what == "follow" && r.visible <= r.key.Add(lookBack).Sub(bubbleStart)
		if guaranteed && rules.contains(r, since, before) && seen[r.id()] == 0 {
			v.found(&v.lost, "%s of %s (%s) is never delivered", r.id(), r.shown.Format(time.RFC3339Nano), r.key.Format(time.RFC3339Nano))
		}
	}
	// What appeared late may be missed, but not once a whole answer has shown it.
	if len(j.ends) == 1 && s.what != "follow" {
		for number := range j.shown {
			if id := "e" + strconv.Itoa(number); byID[id].visible > 0 && seen[id] == 0 {
				v.found(&v.dropped, "%s was shown and never delivered", id)
			}
		}
	}
	return v
}

// isTooMany reports whether a reader was stopped since it would not have ended.
func isTooMany(err error) bool { return err != nil && strings.Contains(err.Error(), tooMany) }
