package auditlogsreceiver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogsreceiver/internal/metadata"
)

// namedLogs bounds how many logs have metrics of their own. The others share the name otherLogs.
const (
	namedLogs = 100
	otherLogs = "other"
)

// A telemetry observes the receiver's own metrics when they are asked for.
type telemetry struct {
	builder *metadata.TelemetryBuilder

	mu   sync.Mutex
	logs []*followed // in the order of the configuration; set once, by Start
}

// A followed log.
type followed struct {
	source
	log      *auditlogs.Log
	state    follow.Store
	budget   *budget
	follower *follow.Follower // nil while another collector is the leader
	before   counts           // of earlier followers of the log, and what was dropped
}

// A budget is what the service says is left to a client. It is -1 as long as it says nothing.
type budget struct{ remaining atomic.Int64 }

func newBudget() *budget {
	b := new(budget)
	b.remaining.Store(-1)
	return b
}

// Attempted implements [auditlogs.Observer].
func (b *budget) Attempted(a auditlogs.Attempt) {
	if a.Remaining >= 0 {
		b.remaining.Store(a.Remaining)
	}
}

// Waiting implements [auditlogs.Observer].
func (b *budget) Waiting(time.Duration) {}

// The places of counts.
const (
	late = iota
	nearlyMissed
	repeats
	forgotten
	requests
	rateLimited
	failures
	dropped
	refused // only of the present
	places
)

type counts [places]int64

func (c *counts) add(o counts) {
	for i, n := range o {
		c[i] += n
	}
}

func countsOf(h follow.Health) counts {
	return counts{
		late: h.Late, nearlyMissed: h.NearlyMissed, repeats: h.Repeats, forgotten: h.Forgotten,
		requests: h.Requests, rateLimited: h.RateLimited, failures: h.Failures,
	}
}

// A reading is what is observed of a log, or of all that share a name.
type reading struct {
	counts
	lag      float64                  // in seconds; -1 before it is known
	lateness [len(statistics)]float64 // in seconds; -1 before it is known
	budget   int64                    // -1 before it is known
}

var statistics = [...]string{"median", "p95", "max"}

var unknown = reading{lag: -1, lateness: [...]float64{-1, -1, -1}, budget: -1}

// add joins logs that share a name: counts are summed, and of everything else the worst counts.
func (r *reading) add(o reading) {
	r.counts.add(o.counts)
	r.lag = max(r.lag, o.lag)
	for i, seconds := range o.lateness {
		r.lateness[i] = max(r.lateness[i], seconds)
	}
	if r.budget < 0 || o.budget >= 0 && o.budget < r.budget {
		r.budget = o.budget
	}
}

func (l *followed) read() reading {
	r := unknown
	r.counts, r.budget = l.before, l.budget.remaining.Load()
	if l.follower == nil {
		return r
	}
	h := l.follower.Health()
	r.counts.add(countsOf(h))
	if !h.Watermark.IsZero() {
		r.lag = h.Lag.Seconds()
	}
	if late := h.Lateness; late.Entries > 0 {
		r.lateness = [...]float64{late.Median.Seconds(), late.P95.Seconds(), late.Most.Seconds()}
	}
	if h.Err != nil && needsSomebody(h.Err) {
		r.counts[refused] = 1
	}
	return r
}

// observing returns a callback that shows what is observed, by name, in a fixed order.
func observing[O any](t *telemetry, show func(O, reading, metric.MeasurementOption)) func(context.Context, O) error {
	named := func(log string) metric.MeasurementOption { return metric.WithAttributes(attribute.String("log", log)) }
	return func(_ context.Context, observer O) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		rest := unknown
		for i, l := range t.logs {
			if i < namedLogs {
				show(observer, l.read(), named(l.log.String()))
				continue
			}
			rest.add(l.read())
		}
		if len(t.logs) > namedLogs {
			show(observer, rest, named(otherLogs))
		}
		return nil
	}
}

// register starts observing.
func (t *telemetry) register() error {
	lag := func(o metric.Float64Observer, r reading, log metric.MeasurementOption) {
		if r.lag >= 0 {
			o.Observe(r.lag, log)
		}
	}
	lateness := func(o metric.Float64Observer, r reading, log metric.MeasurementOption) {
		for i, seconds := range r.lateness {
			if seconds >= 0 {
				o.Observe(seconds, log, metric.WithAttributes(attribute.String("statistic", statistics[i])))
			}
		}
	}
	budget := func(o metric.Int64Observer, r reading, log metric.MeasurementOption) {
		if r.budget >= 0 {
			o.Observe(r.budget, log)
		}
	}
	b := t.builder
	err := errors.Join(
		b.RegisterReceiverCloudflareAuditLagCallback(observing(t, lag)),
		b.RegisterReceiverCloudflareAuditLatenessCallback(observing(t, lateness)),
		b.RegisterReceiverCloudflareAuditBudgetRemainingCallback(observing(t, budget)),
	)
	for i, register := range [places]func(metric.Int64Callback) error{
		late:         b.RegisterReceiverCloudflareAuditLateEntriesCallback,
		nearlyMissed: b.RegisterReceiverCloudflareAuditNearlyMissedEntriesCallback,
		repeats:      b.RegisterReceiverCloudflareAuditRepeatedEntriesCallback,
		forgotten:    b.RegisterReceiverCloudflareAuditForgottenIdsCallback,
		requests:     b.RegisterReceiverCloudflareAuditRequestsCallback,
		rateLimited:  b.RegisterReceiverCloudflareAuditRateLimitedRequestsCallback,
		failures:     b.RegisterReceiverCloudflareAuditFailuresCallback,
		dropped:      b.RegisterReceiverCloudflareAuditDroppedEntriesCallback,
		refused:      b.RegisterReceiverCloudflareAuditRefusedCallback,
	} {
		count := func(o metric.Int64Observer, r reading, log metric.MeasurementOption) { o.Observe(r.counts[i], log) }
		err = errors.Join(err, register(observing(t, count)))
	}
	return err
}

// of returns what is followed of a log.
func (t *telemetry) of(log *auditlogs.Log) *followed {
	return t.logs[slices.IndexFunc(t.logs, func(l *followed) bool { return l.log == log })]
}

// follow says which followers read the logs from now on; nil for none.
func (t *telemetry) follow(followers []*follow.Follower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, l := range t.logs {
		if l.follower != nil {
			l.before.add(countsOf(l.follower.Health()))
		}
		l.follower = followers[i]
	}
}

// dropped counts entries of a log that were dropped.
func (t *telemetry) dropped(l *followed, entries int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.before[dropped] += int64(entries)
}
