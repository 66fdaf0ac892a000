package auditlogsreceiver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
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

	mu    sync.Mutex
	order []*observed
	logs  map[*auditlogs.Log]*observed
}

// An observed log.
type observed struct {
	log      *auditlogs.Log
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
)

// Counts only grow.
type counts [dropped + 1]int64

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
	lag, median, p95, most float64
	refused                int64
	budget                 int64
	follows, measured      bool
}

// add joins logs that share a name: counts are summed, and of everything else the worst counts.
func (r *reading) add(o reading) {
	r.counts.add(o.counts)
	r.lag, r.median, r.p95, r.most = max(r.lag, o.lag), max(r.median, o.median), max(r.p95, o.p95), max(r.most, o.most)
	r.refused += o.refused
	if r.budget < 0 || o.budget >= 0 && o.budget < r.budget {
		r.budget = o.budget
	}
	r.follows, r.measured = r.follows || o.follows, r.measured || o.measured
}

func (o *observed) read() reading {
	r := reading{counts: o.before, budget: o.budget.remaining.Load()}
	if o.follower == nil {
		return r
	}
	h := o.follower.Health()
	r.counts.add(countsOf(h))
	r.follows, r.lag = !h.Watermark.IsZero(), h.Lag.Seconds()
	r.measured = h.Lateness.Entries > 0
	r.median, r.p95, r.most = h.Lateness.Median.Seconds(), h.Lateness.P95.Seconds(), h.Lateness.Most.Seconds()
	if h.Err != nil && needsSomebody(h.Err) {
		r.refused = 1
	}
	return r
}

// each shows what is observed, by name, in a fixed order.
func (t *telemetry) each(show func(reading, metric.MeasurementOption)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := reading{budget: -1}
	for i, o := range t.order {
		if i < namedLogs {
			show(o.read(), named(o.log.String()))
			continue
		}
		rest.add(o.read())
	}
	if len(t.order) > namedLogs {
		show(rest, named(otherLogs))
	}
}

func named(log string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("log", log))
}

func newTelemetry(settings component.TelemetrySettings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(settings)
	if err != nil {
		return nil, err
	}
	return &telemetry{builder: builder, logs: map[*auditlogs.Log]*observed{}}, nil
}

// register starts observing.
func (t *telemetry) register() error {
	lag := func(_ context.Context, observer metric.Float64Observer) error {
		t.each(func(r reading, name metric.MeasurementOption) {
			if r.follows {
				observer.Observe(r.lag, name)
			}
		})
		return nil
	}
	lateness := func(_ context.Context, observer metric.Float64Observer) error {
		t.each(func(r reading, name metric.MeasurementOption) {
			if !r.measured {
				return
			}
			for statistic, seconds := range map[string]float64{"median": r.median, "p95": r.p95, "max": r.most} {
				observer.Observe(seconds, name, metric.WithAttributes(attribute.String("statistic", statistic)))
			}
		})
		return nil
	}
	// A negative value is not known.
	whole := func(of func(reading) int64) metric.Int64Callback {
		return func(_ context.Context, observer metric.Int64Observer) error {
			t.each(func(r reading, name metric.MeasurementOption) {
				if value := of(r); value >= 0 {
					observer.Observe(value, name)
				}
			})
			return nil
		}
	}
	b := t.builder
	err := errors.Join(
		b.RegisterReceiverCloudflareAuditLagCallback(lag),
		b.RegisterReceiverCloudflareAuditLatenessCallback(lateness),
		b.RegisterReceiverCloudflareAuditBudgetRemainingCallback(whole(func(r reading) int64 { return r.budget })),
		b.RegisterReceiverCloudflareAuditRefusedCallback(whole(func(r reading) int64 { return r.refused })),
	)
	for i, register := range [...]func(metric.Int64Callback) error{
		late:         b.RegisterReceiverCloudflareAuditLateEntriesCallback,
		nearlyMissed: b.RegisterReceiverCloudflareAuditNearlyMissedEntriesCallback,
		repeats:      b.RegisterReceiverCloudflareAuditRepeatedEntriesCallback,
		forgotten:    b.RegisterReceiverCloudflareAuditForgottenIdsCallback,
		requests:     b.RegisterReceiverCloudflareAuditRequestsCallback,
		rateLimited:  b.RegisterReceiverCloudflareAuditRateLimitedRequestsCallback,
		failures:     b.RegisterReceiverCloudflareAuditFailuresCallback,
		dropped:      b.RegisterReceiverCloudflareAuditDroppedEntriesCallback,
	} {
		err = errors.Join(err, register(whole(func(r reading) int64 { return r.counts[i] })))
	}
	return err
}

// observe adds a log.
func (t *telemetry) observe(log *auditlogs.Log, budget *budget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := &observed{log: log, budget: budget}
	t.order, t.logs[log] = append(t.order, o), o
}

// follow says which follower reads a log from now on; nil for none.
func (t *telemetry) follow(log *auditlogs.Log, f *follow.Follower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.logs[log]
	if o.follower != nil {
		o.before.add(countsOf(o.follower.Health()))
	}
	o.follower = f
}

// dropped counts entries of a log that were dropped.
func (t *telemetry) dropped(log *auditlogs.Log, entries int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logs[log].before[dropped] += int64(entries)
}
