package auditlogs

import "time"

// RetentionMonths is how long the service keeps entries.
const RetentionMonths = 18

// logStart is when version 2 of the audit logs became generally available, according to
// Cloudflare's changelog. Until the retention reaches this day, in September 2027, hardly any older
// entries exist.
var logStart = time.Date(2026, time.March, 10, 0, 0, 0, 0, time.UTC)

// Oldest returns the time of the oldest entries that the service has now: it keeps them for
// [RetentionMonths], and has hardly any from before 2026-03-10. Started reports that this start of
// the log is what counts, and not the retention.
func Oldest(now time.Time) (oldest time.Time, started bool) {
	if oldest = now.UTC().AddDate(0, -RetentionMonths, 0); oldest.Before(logStart) {
		return logStart, true
	}
	return oldest, false
}
