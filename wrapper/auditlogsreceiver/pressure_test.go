package auditlogsreceiver

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/plog"
)

// heapBound is how much more memory the receiver may use while nothing takes what it reads: that of
// two pages of 1000 entries, as they are read and as records.
const heapBound = 8 << 20

// While the pipeline takes nothing for an hour, what arrives stays with the service: memory stays
// where it is, and nothing is lost afterwards.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage, perMinute = time.Hour, 600
		s := newFake(t)
		began, n := time.Now(), 0
		down := func() bool {
			since := time.Since(began)
			return since > 10*time.Minute && since < 10*time.Minute+outage
		}
		// All are there from the start, for the sake of the measurement, and asked for only when it
		// is their time.
		var entries []any
		for ; n < 90*perMinute; n++ {
			entries = append(entries, made(fmt.Sprint(n), began.Add(time.Duration(n)*time.Minute/perMinute)))
		}
		s.Add(entries...)
		var attempts atomic.Int64
		out := &sink{ids: make([]string, 0, n), fail: func(int, plog.Logs) error {
			if down() {
				attempts.Add(1)
				return errDown
			}
			return nil
		}}
		r := start(t, s, newConfig(func(c *Config) { c.RetryOnFailure = NewDefaultRetryOnFailure() }), out, nil)
		time.Sleep(15 * time.Minute)
		before, requests, taken := heap(), len(s.Requests()), len(out.taken())
		time.Sleep(outage - 10*time.Minute)
		grown, more := int64(heap())-int64(before), len(s.Requests())-requests
		t.Logf("while %d entries arrived: %d attempts to deliver, %d further requests, and the heap grew by %d KiB", 50*perMinute, attempts.Load(), more, grown>>10)
		if grown > heapBound {
			t.Errorf("the heap grew by %d bytes: want %d at most", grown, heapBound)
		}
		if more > 1 || attempts.Load() < 60 || len(out.taken()) != taken {
			t.Errorf("%d requests, %d attempts to deliver and %d deliveries while nothing was taken", more, attempts.Load(), len(out.taken())-taken)
		}
		time.Sleep(time.Hour)
		got, want := out.taken(), numbers(0, n)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d taken: want %d, each once", len(got), n)
		}
		if got := slices.Compact(r.statuses()); !slices.Equal(got, []componentstatus.Status{isRecoverable, isOK}) {
			t.Errorf("statuses: %v", got)
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
