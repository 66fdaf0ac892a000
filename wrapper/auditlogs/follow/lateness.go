package follow

import (
	"encoding/json"
	"math"
	"time"
)

// A Lateness says how long after their times entries appeared, at most: each is measured when it is
// first read, which is up to an interval after it appeared, and in an account of many pages up to a
// look-back's. It is never below the settle time. Entries that were first read after an outage, or
// by the first sweep, are not measured.
type Lateness struct {
	// Entries counts those that were measured.
	Entries int64
	// Median, P95 and Most say how late half of them, 95 % and all were, at most. Median and P95
	// are up to 5 % too high.
	Median, P95, Most time.Duration
}

// MarshalJSON writes the lengths of time in seconds: entries, median_seconds, p95_seconds,
// most_seconds.
func (l Lateness) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Entries int64   `json:"entries"`
		Median  float64 `json:"median_seconds"`
		P95     float64 `json:"p95_seconds"`
		Most    float64 `json:"most_seconds"`
	}{l.Entries, l.Median.Seconds(), l.P95.Seconds(), l.Most.Seconds()})
}

// A histogram counts lengths of time. Its bins grow by the 16th root of two, from a second to more
// than a day.
type histogram struct {
	bins [17 * binsPerOctave]int64
	all  int64
	most time.Duration
}

const binsPerOctave = 16

// add counts lengths, and returns the statistics of all of them.
func (h *histogram) add(lengths []time.Duration) Lateness {
	for _, length := range lengths {
		bin := 0
		if seconds := length.Seconds(); seconds > 1 {
			bin = int(math.Ceil(math.Log2(seconds) * binsPerOctave))
		}
		h.bins[min(bin, len(h.bins)-1)]++
		h.all++
		h.most = max(h.most, length)
	}
	return Lateness{Entries: h.all, Median: h.within(0.5), P95: h.within(0.95), Most: h.most}
}

// within returns the length that the given share of all lengths does not exceed.
func (h *histogram) within(share float64) time.Duration {
	counted := int64(0)
	for bin, n := range h.bins[:len(h.bins)-1] {
		if counted += n; counted > 0 && float64(counted) >= share*float64(h.all) {
			return min(h.most, time.Duration(math.Exp2(float64(bin)/binsPerOctave)*float64(time.Second)))
		}
	}
	return h.most
}
