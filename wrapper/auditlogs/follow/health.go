package follow

import (
	"encoding/json"
	"time"

	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// A Health says how a follower is doing. Its counts are those since [New]. Times are UTC, and zero for what has not happened.
type Health struct {
	// Log is the name of the log, such as "account 4bb334f7c94c4a29a045f03944f072e5".
	Log string `json:"log"`
	// Time is when the rest was true.
	Time time.Time `json:"time"`
	// Watermark is the time up to which all that the service showed has been read, and delivered. What appears later into the
	// time before is left to the look-back.
	Watermark time.Time `json:"watermark,omitzero"`
	// Lag is how far the watermark is behind Time. It does not fall below the settle time.
	Lag time.Duration `json:"-"`
	// Newest is the time of the newest entry that was seen. Where it stays behind the watermark, nothing has happened in the
	// account, or the service does not show it.
	Newest time.Time `json:"newest,omitzero"`

	// Entries counts what was acknowledged.
	Entries int64 `json:"entries"`
	// Late counts those among them that appeared after their time had been read.
	Late int64 `json:"late"`
	// NearlyMissed counts those among the late ones that lay in the oldest quarter of the look-back. More than none says
	// that others may have come too late for it.
	NearlyMissed int64 `json:"nearly_missed"`
	// Lateness says how late entries appear.
	Lateness Lateness `json:"lateness"`
	// LookBack is what a look-back covers: an entry that appears later after its time than this can be missed.
	LookBack time.Duration `json:"-"`
	// Repeats counts the entries that were read again and not delivered again.
	Repeats int64 `json:"repeats"`
	// Forgotten counts the ids that there was no room to remember: so many entries can be delivered again.
	Forgotten int64 `json:"forgotten"`

	// Pages and Requests count what the service was asked for. Requests that end without an answer are counted once for
	// a page; auditlogs.WithObserver sees each.
	Pages    int64 `json:"pages"`
	Requests int64 `json:"requests"`
	// RateLimited counts those that the service refused with status 429. Each means that it has
	// refused all requests of the token's user for a while.
	RateLimited int64 `json:"rate_limited"`
	// Restarts counts how often a window was begun anew, shortly before what had been acknowledged last, because the service
	// would not go on at its cursor.
	Restarts int64 `json:"restarts"`
	// Failures counts what LastError was in turn.
	Failures int64 `json:"failures"`

	// LastSuccess is when something was last read, acknowledged and saved.
	LastSuccess time.Time `json:"last_success,omitzero"`
	// LastError is what went wrong last, at LastFailure. What was before LastSuccess is over.
	LastError   string    `json:"last_error,omitempty"`
	LastFailure time.Time `json:"last_failure,omitzero"`
	// Refused says that the token was refused last (status 401 or 403). A follower that goes on asks again every [RefusedInterval].
	Refused bool `json:"refused"`
	// Ended says that the follower has stopped.
	Ended bool `json:"ended"`
}

// MarshalJSON writes the fields under names such as last_success, and the lengths of time in seconds: lag_seconds,
// look_back_seconds.
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
	// Requests counts those for all logs, each attempt by itself, and RateLimited those that the service refused with status 429.
	Requests    int64    `json:"requests"`
	RateLimited int64    `json:"rate_limited"`
	Logs        []Health `json:"logs"`
}

// WriteFile replaces the file at path with the status as JSON, such as for a probe. Whoever reads the file finds a whole
// status. All users of the machine may read it: it holds no entries.
func (s Status) WriteFile(path string) error {
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o644)
}

// Health returns how the follower is doing. It can be called at any time, from any goroutine.
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

// report changes the health and tells the observer.
func (f *Follower) report(change func(h *Health)) {
	f.reporting.Lock()
	change(&f.health)
	f.reporting.Unlock()
	f.observe(f.Health())
}
