package follow

import (
	"encoding/json"
	"time"

	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// A Health is the state of a follower for monitoring. Its counts start at [New]. Times are UTC, and
// zero if something has not happened.
type Health struct {
	// Log is the name of the log, such as "account 4bb334f7c94c4a29a045f03944f072e5".
	Log string `json:"log"`
	// Time is when the other fields were taken.
	Time time.Time `json:"time"`
	// Watermark is the time up to which all that the service showed has been read and delivered.
	// Look-backs find entries with earlier times that appear later.
	Watermark time.Time `json:"watermark,omitzero"`
	// Lag is the time from Watermark to Time. It does not fall below the settle time.
	Lag time.Duration `json:"-"`
	// Newest is the time of the newest entry that was seen. If it stays before the watermark,
	// nothing has happened in the account, or the service does not show it.
	Newest time.Time `json:"newest,omitzero"`

	// Entries counts the entries that were acknowledged.
	Entries int64 `json:"entries"`
	// Late counts those of them that appeared after their time had been read.
	Late int64 `json:"late"`
	// NearlyMissed counts the late entries in the oldest quarter of the look-back. If it is not 0,
	// others may have appeared too late for the look-back.
	NearlyMissed int64 `json:"nearly_missed"`
	// Lateness says how late entries appear.
	Lateness Lateness `json:"lateness"`
	// LookBack is what a look-back covers: an entry that appears later after its time than this can
	// be missed.
	LookBack time.Duration `json:"-"`
	// Repeats counts the entries that were read again and not delivered again.
	Repeats int64 `json:"repeats"`
	// Forgotten counts the ids that were forgotten to save space: as many entries can be delivered
	// again.
	Forgotten int64 `json:"forgotten"`

	// Pages and Requests count pages and requests to the service. Requests that end without an
	// answer are counted once for a page; auditlogs.WithObserver sees each.
	Pages    int64 `json:"pages"`
	Requests int64 `json:"requests"`
	// RateLimited counts those that the service refused with status 429. Each means that it has
	// refused all requests of the token's user for a while.
	RateLimited int64 `json:"rate_limited"`
	// Restarts counts how often a window was restarted, shortly before what had been acknowledged
	// last, because the service would not resume at its cursor.
	Restarts int64 `json:"restarts"`
	// Failures counts the errors that LastError has held.
	Failures int64 `json:"failures"`

	// LastSuccess is when something was last read, acknowledged and saved.
	LastSuccess time.Time `json:"last_success,omitzero"`
	// LastError is the last error, at LastFailure. If that is before LastSuccess, the problem is
	// over.
	LastError   string    `json:"last_error,omitempty"`
	LastFailure time.Time `json:"last_failure,omitzero"`
	// Err is the last error as long as nothing has been read since then; otherwise nil.
	Err error `json:"-"`
	// Refused reports that the last answer refused the token (status 401 or 403). A follower that
	// continues tries again every [RefusedInterval].
	Refused bool `json:"refused"`
	// Ended reports that the follower has stopped.
	Ended bool `json:"ended"`
}

// MarshalJSON writes the fields under names such as last_success, and the lengths of time in
// seconds: lag_seconds, look_back_seconds.
func (h Health) MarshalJSON() ([]byte, error) {
	type fields Health
	return json.Marshal(struct {
		fields
		Lag      float64 `json:"lag_seconds"`
		LookBack float64 `json:"look_back_seconds"`
	}{fields(h), h.Lag.Seconds(), h.LookBack.Seconds()})
}

// A Status says how followers that run together are doing.
type Status struct {
	Time time.Time `json:"time"`
	// Requests counts those for all logs, each attempt by itself, and RateLimited those that the
	// service refused with status 429.
	Requests    int64    `json:"requests"`
	RateLimited int64    `json:"rate_limited"`
	Logs        []Health `json:"logs"`
}

// WriteFile replaces the file at path with the status as JSON, such as for a probe. Whoever reads
// the file finds a whole status. All users of the machine may read it: it holds no entries.
func (s Status) WriteFile(path string) error {
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o644)
}

// Health returns the follower's health. It can be called at any time, from any goroutine.
func (f *Follower) Health() Health {
	f.reporting.Lock()
	defer f.reporting.Unlock()
	h := f.health
	h.Time = f.now().UTC()
	if !h.Watermark.IsZero() {
		h.Lag = max(0, h.Time.Sub(h.Watermark))
	}
	return h
}

// report changes the health and calls the observer.
func (f *Follower) report(change func(h *Health)) {
	f.reporting.Lock()
	change(&f.health)
	f.reporting.Unlock()
	f.observe(f.Health())
}
