package auditlogsreceiver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"cfaudit.example/wrapper/auditlogstest"
)

// points are the values of a metric of the receiver, by the log and what else tells them apart.
func (h *harness) points(t *testing.T, name string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	got, err := h.telemetry.GetMetric("otelcol_receiver_cloudflare_audit_" + name)
	if err != nil {
		return all // A metric without a value.
	}
	switch data := got.Data.(type) {
	case metricdata.Sum[int64]:
		collect(all, data.DataPoints)
	case metricdata.Gauge[int64]:
		collect(all, data.DataPoints)
	case metricdata.Gauge[float64]:
		collect(all, data.DataPoints)
	}
	return all
}

func collect[N int64 | float64](into map[string]float64, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		var key []string
		for _, a := range p.Attributes.ToSlice() {
			key = append(key, a.Value.AsString())
		}
		into[strings.Join(key, " ")] = float64(p.Value)
	}
}

// sum adds the values of all logs.
func (h *harness) sum(t *testing.T, name string) (sum int64) {
	t.Helper()
	for _, value := range h.points(t, name) {
		sum += int64(value)
	}
	return sum
}

func TestTelemetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, auditlogstest.WithLateness(auditlogstest.MeasuredLateness), auditlogstest.WithRateLimit(1200, 5*time.Minute))
		r := start(t, s, newConfig(), new(sink), nil)
		for i := range 300 {
			s.Add(made(fmt.Sprint(i), time.Now()))
			time.Sleep(20 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		const log = "account " + account
		for _, test := range []struct {
			name, log   string
			least, most float64
		}{
			{"lag", log, 0, 70},
			{"lateness", log + " median", 250, 400},
			{"lateness", log + " p95", 380, 520},
			{"lateness", log + " max", 400, 600},
			{"late_entries", log, 200, 300},
			{"nearly_missed_entries", log, 0, 0},
			{"repeated_entries", log, 300, 1e6},
			{"dropped_entries", log, 0, 0},
			{"forgotten_ids", log, 0, 0},
			{"requests", log, 100, 130},
			{"rate_limited_requests", log, 0, 0},
			{"budget_remaining", log, 1000, 1200},
			{"failures", log, 0, 0},
			{"refused", log, 0, 0},
		} {
			if got, ok := r.points(t, test.name)[test.log]; !ok || got < test.least || got > test.most {
				t.Errorf("%s of %s is %g (%t): want %g to %g", test.name, test.log, got, ok, test.least, test.most)
			}
		}
		accepted, err := r.telemetry.GetMetric("otelcol_receiver_accepted_log_records")
		if err != nil || accepted.Data.(metricdata.Sum[int64]).DataPoints[0].Value != 300 {
			t.Errorf("accepted: %v, %v", accepted, err)
		}
	})
}

// However many logs there are, only a bounded number has metrics of its own, and none is left out.
func TestTelemetryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		c := newConfig(func(c *Config) {
			c.Accounts = nil
			for i := range namedLogs + 50 {
				c.Accounts = append(c.Accounts, Log{ID: fmt.Sprintf("%032x", i+1)})
			}
		})
		r := start(t, s, c, new(sink), nil)
		time.Sleep(time.Hour)
		requests, lag := r.points(t, "requests"), r.points(t, "lag")
		if len(requests) != namedLogs+1 || len(lag) != namedLogs+1 {
			t.Errorf("%d and %d names: want %d", len(requests), len(lag), namedLogs+1)
		}
		if one := requests["account "+c.Accounts[0].ID]; one < 50 || requests[otherLogs] < 45*one {
			t.Errorf("%g requests for one, and %g for the 50 others", one, requests[otherLogs])
		}
	})
}

// Neither the configuration, nor a log line, a metric, a span or an error shows a token.
func TestTokenIsHidden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.FailNext(slices.Repeat([]auditlogstest.Fault{
			{Status: 403, Body: `{"success":false,"errors":[{"message":"no: ` + token + `"}]}`},
			{Status: 500, Body: token},
			{Status: 429, Body: token},
		}, 10)...)
		s.Add(made("1", time.Now()))
		h := new(host)
		out := &sink{fail: func(int, plog.Logs) error { return errDown }}
		c := newConfig(func(c *Config) { c.Accounts[0].Token = token })
		r := start(t, s, c, out, h)
		time.Sleep(3 * time.Hour)
		shown := dump(t, c)
		shown += fmt.Sprintf("%v %+v %#v %s", r.auditReceiver.config, r.auditReceiver.telemetry.logs[0].source, *r.auditReceiver.config, c.Token)
		for _, e := range h.events {
			shown += fmt.Sprint(e.Err())
		}
		for _, line := range r.logged.All() {
			shown += fmt.Sprint(line.Message, line.ContextMap())
		}
		for _, span := range r.telemetry.SpanRecorder.Ended() {
			shown += fmt.Sprint(span.Name(), span.Attributes(), span.Events(), span.Status())
		}
		var metrics metricdata.ResourceMetrics
		if err := r.telemetry.Reader.Collect(context.Background(), &metrics); err != nil {
			t.Fatal(err)
		}
		shown += fmt.Sprintf("%+v", metrics)
		for _, part := range []string{"REDACTED", "403", "the backend is down", "receiver/cloudflare_audit", "otelcol_receiver_refused_log_records"} {
			if !strings.Contains(shown, part) {
				t.Errorf("nothing shows %s, which proves that the test looks at it", part)
			}
		}
		if i := strings.Index(shown, token); i >= 0 {
			t.Errorf("the token is shown: %s", shown[max(0, i-200):i+len(token)])
		}
	})
}
