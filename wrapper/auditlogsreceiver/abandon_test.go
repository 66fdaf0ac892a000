package auditlogsreceiver

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

// What a pipeline says of a batch that it was told to abandon is no refusal: the next run delivers
// the batch again.
func TestAnAbandonedBatchIsNotDropped(t *testing.T) {
	t.Parallel()
	r := build(t, newFake(t), newConfig(), new(sink), nil)
	defer func() { _ = r.telemetry.Shutdown(context.Background()) }()
	next, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
		<-ctx.Done()
		return consumererror.NewPermanent(ctx.Err())
	})
	if err != nil {
		t.Fatal(err)
	}
	r.next = next
	client, err := auditlogs.New("token")
	if err != nil {
		t.Fatal(err)
	}
	log := client.Account(auditlogstest.AccountID)
	r.auditReceiver.telemetry.logs = []*followed{{log: log, budget: newBudget()}}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = r.deliver(ctx, ctx, follow.Batch{Log: log, Entries: []*auditlogs.Entry{{}}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the batch counts as delivered: %v", err)
	}
}
