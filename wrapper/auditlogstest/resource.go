package auditlogstest

import "time"

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
