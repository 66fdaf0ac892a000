package auditlogsreceiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/multierr"

	"cfaudit.example/wrapper/auditlogstest"
)

var (
	errDown    = errors.New("the backend is down")
	errRefused = consumererror.NewPermanent(errors.New("the backend refuses it"))
)

// partly is what a pipeline returns that has taken all but the last records.
func partly(logs plog.Logs, rest int) error {
	left := plog.NewLogs()
	logs.CopyTo(left)
	records := left.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	n, most := 0, records.Len()-rest
	records.RemoveIf(func(plog.LogRecord) bool { n++; return n <= most })
	return consumererror.NewLogs(errDown, left)
}

// What the pipeline does not take is sent again until it does, and what it refuses for good is not.
func TestDeliver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		change  func(*Config)
		fail    func(attempt int, logs plog.Logs) error
		taken   []string
		dropped []string
		within  time.Duration // of the start
	}{
		{name: "nothing fails", taken: numbers(0, 6), within: time.Second},
		{name: "a backend that is down for a while", fail: func(attempt int, _ plog.Logs) error {
			if attempt <= 20 {
				return errDown
			}
			return nil
		}, taken: numbers(0, 6), within: 15 * time.Minute},
		{name: "a batch that is refused", fail: func(_ int, logs plog.Logs) error {
			if idsOf(logs)[0] == "2" {
				return errRefused
			}
			return nil
		}, taken: []string{"0", "1", "4", "5"}, dropped: []string{"2", "3"}, within: time.Second},
		{name: "a batch that is refused after a while", fail: func(attempt int, _ plog.Logs) error {
			return []error{nil, errDown, fmt.Errorf("wrapped: %w", errRefused), nil}[attempt-1]
		}, taken: []string{"0", "1", "4", "5"}, dropped: []string{"2", "3"}, within: time.Minute},
		{name: "everything is refused", fail: func(int, plog.Logs) error { return errRefused }, dropped: numbers(0, 6), within: time.Second},
		{name: "two exporters that refuse", fail: func(attempt int, _ plog.Logs) error {
			return []error{multierr.Combine(errRefused, errRefused), nil, nil}[attempt-1]
		}, taken: numbers(2, 6), dropped: numbers(0, 2), within: time.Second},
		{name: "one exporter refuses, and another is down", fail: func(attempt int, _ plog.Logs) error {
			return []error{multierr.Combine(errRefused, errDown), errors.Join(errDown, errRefused), nil, nil, nil}[attempt-1]
		}, taken: numbers(0, 6), within: time.Minute},
		{name: "a batch of which a part is taken", fail: func(attempt int, logs plog.Logs) error {
			switch attempt {
			case 1:
				return partly(logs, 1)
			case 2:
				return errDown
			}
			return nil
		}, taken: []string{"1", "2", "3", "4", "5"}, within: time.Minute}, // The backend has "0" from the first attempt.
		{name: "a batch of which a part is taken, and the rest refused", fail: func(attempt int, logs plog.Logs) error {
			return []error{partly(logs, 1), errRefused, nil, nil}[attempt-1]
		}, taken: []string{"2", "3", "4", "5"}, dropped: []string{"1"}, within: time.Minute},
		{name: "one exporter takes a part, and another is down", fail: func(attempt int, logs plog.Logs) error {
			return []error{multierr.Combine(partly(logs, 1), errDown), nil, nil, nil}[attempt-1]
		}, taken: numbers(0, 6), within: time.Minute},
		{name: "a wrapped part", fail: func(attempt int, logs plog.Logs) error {
			return []error{fmt.Errorf("wrapped: %w", partly(logs, 1)), nil, nil, nil}[attempt-1]
		}, taken: []string{"1", "2", "3", "4", "5"}, within: time.Minute},
		{name: "a bound for retries", change: func(c *Config) { c.RetryOnFailure.MaxElapsedTime = time.Minute }, fail: func(_ int, logs plog.Logs) error {
			if idsOf(logs)[0] == "0" {
				return errDown
			}
			return nil
		}, taken: numbers(2, 6), dropped: numbers(0, 2), within: time.Minute + time.Second},
		{name: "no retries", change: func(c *Config) { c.RetryOnFailure.Enabled = false }, fail: func(attempt int, _ plog.Logs) error {
			return []error{errDown, nil, nil}[attempt-1]
		}, taken: numbers(2, 6), dropped: numbers(0, 2), within: time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, auditlogstest.WithMaxPageSize(2))
				for i := range 6 {
					s.Add(made(fmt.Sprint(i), time.Now().Add(time.Duration(i-10)*time.Minute)))
				}
				out := &sink{fail: test.fail}
				c := newConfig()
				if test.change != nil {
					test.change(c)
				}
				r := start(t, s, c, out, nil)
				time.Sleep(test.within)
				if got := out.taken(); !slices.Equal(got, test.taken) {
					t.Errorf("taken: %v, want %v", got, test.taken)
				}
				time.Sleep(time.Hour)
				if got := out.taken(); !slices.Equal(got, test.taken) {
					t.Errorf("taken an hour later: %v, want %v", got, test.taken)
				}
				var dropped []string
				for _, line := range r.logged.FilterMessage("Entries are dropped.").All() {
					for _, id := range line.ContextMap()["ids"].([]any) {
						dropped = append(dropped, id.(string))
					}
				}
				if !slices.Equal(dropped, test.dropped) {
					t.Errorf("logged as dropped: %v, want %v", dropped, test.dropped)
				}
				if got := r.sum(t, "dropped_entries"); got != int64(len(test.dropped)) {
					t.Errorf("%d counted as dropped, want %d", got, len(test.dropped))
				}
			})
		})
	}
}

// The state advances only with what the pipeline has taken, whatever stops the receiver.
func TestStateAdvancesAfterDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, auditlogstest.WithMaxPageSize(2))
		for i := range 6 {
			s.Add(made(fmt.Sprint(i), time.Now().Add(time.Duration(i-10)*time.Minute)))
		}
		kept := &storageExtension{}
		id := component.MustNewID("file_storage")
		h := &host{extensions: map[component.ID]component.Component{id: kept}}
		c := newConfig(func(c *Config) { c.Storage, c.AllowLossOnRestart = &id, false })
		out := &sink{fail: func(_ int, logs plog.Logs) error {
			if idsOf(logs)[0] == "2" {
				return errDown
			}
			return nil
		}}
		first := start(t, s, c, out, h)
		time.Sleep(time.Hour)
		first.stop(t)
		if got := out.taken(); !slices.Equal(got, numbers(0, 2)) {
			t.Errorf("taken by the first: %v", got)
		}
		out.fail = nil
		time.Sleep(24 * time.Hour) // Longer than any look-back.
		s.Add(made("6", time.Now().Add(-12*time.Hour)))
		second := start(t, s, c, out, h)
		time.Sleep(time.Minute)
		second.stop(t)
		if got := out.taken(); !slices.Equal(got, numbers(0, 7)) {
			t.Errorf("taken by both: %v", got)
		}
		if kept.closed != 2 {
			t.Errorf("the storage was closed %d times", kept.closed)
		}
	})
}

// A storage that fails delays the state, and not the entries.
func TestStorageFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		start1 := time.Now()
		kept := &storageExtension{fail: func() error {
			if since := time.Since(start1); since > 5*time.Minute && since < 20*time.Minute {
				return errors.New("no space left on device")
			}
			return nil
		}}
		id := component.MustNewID("file_storage")
		h := &host{extensions: map[component.ID]component.Component{id: kept}}
		out := new(sink)
		start(t, s, newConfig(func(c *Config) { c.Storage, c.AllowLossOnRestart = &id, false }), out, h)
		for i := range 40 {
			s.Add(made(fmt.Sprint(i), time.Now()))
			time.Sleep(time.Minute)
		}
		time.Sleep(10 * time.Minute)
		if got := out.taken(); !slices.Equal(got, numbers(0, 40)) {
			t.Errorf("taken: %v", got)
		}
	})
}

// A storage or an election that is not there is refused when the receiver starts.
func TestMissingExtensions(t *testing.T) {
	s := newFake(t)
	missing, wrong, locked := component.MustNewID("redis_storage"), component.MustNewID("health_check"), component.MustNewID("file_storage")
	h := &host{extensions: map[component.ID]component.Component{
		wrong: struct {
			component.StartFunc
			component.ShutdownFunc
		}{},
		locked: &storageExtension{locked: errors.New("timeout")},
	}}
	for _, test := range []struct {
		change func(*Config)
		wrong  string
	}{
		{func(c *Config) { c.Storage, c.AllowLossOnRestart = &missing, false }, "storage: there is no extension redis_storage"},
		{func(c *Config) { c.Storage, c.AllowLossOnRestart = &wrong, false }, "storage: the extension health_check is no storage"},
		{func(c *Config) { c.Storage, c.AllowLossOnRestart = &locked, false }, "timeout: if another collector uses its directory, give each one of its own"},
		{func(c *Config) { c.LeaderElection = &missing }, "leader_election: there is no extension redis_storage"},
		{func(c *Config) { c.LeaderElection = &wrong }, "leader_election: the extension health_check elects no leader"},
	} {
		r := build(t, s, newConfig(test.change), new(sink), h)
		if err := r.Start(t.Context(), h); err == nil || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("got %v, want %s", err, test.wrong)
		}
		r.stop(t)
	}
}

// Shutdown waits a moment for what the pipeline has at hand, which then does not come again, and
// not for a pipeline that hangs.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		takes time.Duration // for the first batch
		least time.Duration // of the shutdown
		most  time.Duration
		again bool // the second receiver delivers the batch again
	}{
		{"an idle pipeline", 0, 0, time.Second, false},
		{"a slow pipeline", 3 * time.Second, time.Second, 3 * time.Second, false},
		{"a pipeline that hangs", time.Hour, patience, patience, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.Add(made("0", time.Now().Add(-time.Minute)))
				kept := &storageExtension{}
				id := component.MustNewID("file_storage")
				h := &host{extensions: map[component.ID]component.Component{id: kept}}
				c := newConfig(func(c *Config) { c.Storage, c.AllowLossOnRestart = &id, false })
				slow := &slowSink{takes: test.takes}
				first := build(t, s, c, &slow.sink, h)
				first.next = slow
				if err := first.Start(t.Context(), h); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				began := time.Now()
				first.stop(t)
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("the shutdown took %s", took)
				}
				out := new(sink)
				start(t, s, c, out, h)
				time.Sleep(10 * time.Minute)
				if got := len(out.taken()) == 1; got != test.again {
					t.Errorf("delivered again: %t, want %t", got, test.again)
				}
			})
		})
	}
}

// A slowSink takes a while, or until its context ends.
type slowSink struct {
	sink
	takes time.Duration
}

func (s *slowSink) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	select {
	case <-time.After(s.takes):
		return s.sink.ConsumeLogs(ctx, logs)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Large entries are delivered in parts, since backends refuse large requests for good.
func TestLargeEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		for i, size := range []int{1000, 400 << 10, 400 << 10, 400 << 10, 3 << 20, 1000, 1000, 900 << 10, 1000, 500 << 10} {
			entry := made(fmt.Sprint(i), time.Now().Add(time.Duration(i-20)*time.Minute))
			s.Add(fmt.Sprintf(`{"resource":{"response":%q},%s`, strings.Repeat("x", size), entry[1:]))
		}
		var parts [][]string
		out := &sink{fail: func(attempt int, logs plog.Logs) error {
			if attempt == 2 {
				return errDown
			}
			parts = append(parts, idsOf(logs))
			return nil
		}}
		start(t, s, newConfig(), out, nil)
		time.Sleep(time.Hour)
		want := [][]string{{"0", "1", "2"}, {"3"}, {"4"}, {"5", "6", "7", "8"}, {"9"}}
		if !slices.EqualFunc(parts, want, slices.Equal) {
			t.Errorf("got %v, want %v", parts, want)
		}
	})
}
