package auditlogstest

import (
	"time"

	"cfaudit.example/wrapper/auditlogs/match"
)

// The status of a resource's history.
const (
	statusExact       = "exact"
	statusApproximate = "approximate"
	statusUnavailable = "unavailable"
)

// nearby is how far the time in a request for a history may be from that of its entry.
const nearby = time.Minute

// find returns the entry with an ID near a time, if it is visible now; nil if there is none.
func (s *store) find(id string, at, now time.Time) *entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	low, high := s.indexes(window{since: at.Add(-nearby), before: at.Add(nearby), throughBefore: true})
	for _, e := range s.entries[low:high] {
		if e.read().Get("id") == id && e.visible(now) {
			return e
		}
	}
	return nil
}

// sameResource returns filters that keep the entries about the same resource as e, and how well
// they identify it. The service documents a resource's URI as the criterion, but no field that
// holds it; the fake uses the resource's ID, and without one its product and type.
func sameResource(e *entry) (filters *match.Matcher, status string) {
	if filters, ok := match.Like(e.read(), "resource.id"); ok {
		return filters, statusExact
	}
	if filters, ok := match.Like(e.read(), "resource.product", "resource.type"); ok {
		return filters, statusApproximate
	}
	return nil, statusUnavailable
}
