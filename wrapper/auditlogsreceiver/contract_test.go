package auditlogsreceiver

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"cfaudit.example/wrapper/auditlogstest"
)

// The collector's own check of receivers: everything is delivered, what fails for a while is sent
// again, and what was taken or refused for good is not.
func TestConsumeContract(t *testing.T) {
	log := new(generator)
	log.Stop()
	server := httptest.NewServer(log)
	defer func() { server.Close(); log.fake.Load().Close() }()
	receivertest.CheckConsumeContract(receivertest.CheckConsumeContractParams{
		T: t,
		Factory: receiver.NewFactory(NewFactory().Type(), createDefaultConfig, receiver.WithLogs(
			func(ctx context.Context, settings receiver.Settings, config component.Config, next consumer.Logs) (receiver.Logs, error) {
				return createLogs(ctx, settings, config, contractIDs{next})
			}, component.StabilityLevelBeta)),
		Signal: pipeline.SignalLogs,
		Config: newConfig(func(c *Config) {
			c.Endpoint = server.URL + "/client/v4"
			c.Interval = time.Second
			c.RetryOnFailure.InitialInterval = time.Millisecond
		}),
		Generator:     log,
		GenerateCount: 100,
	})
}

// A generator adds entries to a fake. Each scenario has its own.
type generator struct {
	fake atomic.Pointer[auditlogstest.Server]
	made atomic.Int64
}

func (g *generator) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.fake.Load().ServeHTTP(w, r) }

func (g *generator) Start() {}

func (g *generator) Stop() {
	if old := g.fake.Swap(auditlogstest.NewServer(auditlogstest.WithMaxPageSize(7))); old != nil {
		old.Close()
	}
}

func (g *generator) Generate() []receivertest.UniqueIDAttrVal {
	n := g.made.Add(1)
	id := fmt.Sprintf("entry-%d", n)
	g.fake.Load().Add(made(id, time.Now().Add(-time.Minute)))
	time.Sleep(100 * time.Millisecond) // So that there are several batches.
	return []receivertest.UniqueIDAttrVal{receivertest.UniqueIDAttrVal(id)}
}

// contractIDs puts the ids where the check looks for them.
type contractIDs struct{ consumer.Logs }

func (c contractIDs) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	for _, of := range logs.ResourceLogs().All() {
		for _, scope := range of.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				id, _ := record.Attributes().Get(uidAttribute)
				record.Attributes().PutStr(receivertest.UniqueIDAttrName, id.Str())
			}
		}
	}
	return c.Logs.ConsumeLogs(ctx, logs)
}
