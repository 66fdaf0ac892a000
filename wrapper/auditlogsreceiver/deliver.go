package auditlogsreceiver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// format is what ObsReport calls the form of what is received.
const format = "cloudflare_audit"

// largestPart is how many bytes of entries are handed to the pipeline at once, unless a single
// entry has more. Backends bound what they take, often to 4 MiB, and refuse more than that for
// good. As an event of another schema, an entry takes about twice its size.
const largestPart = 1 << 20

// parts divides entries into those that are handed to the pipeline at once.
func parts(entries []*auditlogs.Entry) iter.Seq[[]*auditlogs.Entry] {
	return func(yield func([]*auditlogs.Entry) bool) {
		first, size := 0, 0
		for i, e := range entries {
			if size += len(e.Raw); size > largestPart && i > first {
				if !yield(entries[first:i:i]) {
					return
				}
				first, size = i, len(e.Raw)
			}
		}
		yield(entries[first:])
	}
}

// deliver hands a batch to the pipeline until that has taken it, or refuses it for good. Meanwhile
// nothing else is delivered, and the state stays where it is. The error is not nil only if ctx has
// ended; consuming, which is the pipeline's, ends some time later.
func (r *auditReceiver) deliver(ctx, consuming context.Context, batch follow.Batch) error {
	for batch.Entries = range parts(batch.Entries) {
		if err := r.deliverPart(ctx, consuming, batch); err != nil {
			return err
		}
	}
	return nil
}

func (r *auditReceiver) deliverPart(ctx, consuming context.Context, batch follow.Batch) error {
	from := r.telemetry.of(batch.Log)
	trouble := "delivering entries of " + batch.Log.String()
	defer r.status.set(trouble, nil)
	pause := r.config.RetryOnFailure.backOff()
	start := time.Now()
	var left *plog.Logs // what the pipeline has not taken, if that is a part of the batch
	for {
		var logs plog.Logs
		if left == nil {
			logs = r.mapper.records(from.source, batch.Entries)
		} else {
			// The pipeline may change what it is given, even if it fails.
			logs = plog.NewLogs()
			left.CopyTo(logs)
		}
		count := logs.LogRecordCount()
		operation := r.obs.StartLogsOp(consuming)
		err := r.next.ConsumeLogs(operation, logs)
		r.obs.EndLogsOp(operation, format, count, err)
		switch {
		case err == nil:
			return nil
		case consuming.Err() != nil:
			return err // Whatever it says, the pipeline was told to abandon the batch.
		case isPermanent(err):
			r.drop(from, batch, left, fmt.Errorf("the pipeline refuses them for good: %w", err))
			return nil
		}
		left = cmp.Or(rest(err), left)
		if ctx.Err() != nil {
			return err
		}
		wait := pause.NextBackOff()
		if r.config.RetryOnFailure.givesUp(time.Since(start) + wait) {
			r.drop(from, batch, left, fmt.Errorf("the pipeline has not taken them within retry_on_failure.max_elapsed_time: %w", err))
			return nil
		}
		r.status.set(trouble, err)
		r.settings.Logger.Warn("The pipeline does not take a batch; it is sent again.", zap.Stringer("log", batch.Log),
			zap.Int("entries", count), zap.Duration("wait", wait), zap.Error(err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// idsALine bounds how many ids are in one line of the collector's log.
const idsALine = 100

// drop counts entries that are not delivered, and logs their ids, with which they can be found in
// the audit log for 18 months.
func (r *auditReceiver) drop(from *followed, batch follow.Batch, left *plog.Logs, why error) {
	var ids []string
	if left == nil {
		for _, e := range batch.Entries {
			ids = append(ids, e.ID)
		}
	} else {
		for _, of := range left.ResourceLogs().All() {
			for _, scope := range of.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					id, _ := record.Attributes().Get(uidAttribute)
					ids = append(ids, id.AsString())
				}
			}
		}
	}
	r.telemetry.dropped(from, len(ids))
	for some := range slices.Chunk(ids, idsALine) {
		r.settings.Logger.Error("Entries are dropped.", zap.Stringer("log", batch.Log), zap.Int("entries", len(some)),
			zap.Strings("ids", some), zap.Error(why))
	}
}

// rest returns what the pipeline has not taken; nil if that is everything. Where several exporters
// have failed, each may have left something else, and all of it must be sent again.
func rest(err error) *plog.Logs {
	for ; err != nil; err = errors.Unwrap(err) {
		if part, ok := err.(consumererror.Logs); ok && part.Data().LogRecordCount() > 0 {
			left := plog.NewLogs()
			part.Data().CopyTo(left)
			return &left
		}
	}
	return nil
}

// isPermanent reports whether an error is permanent in all its parts. If one of several exporters
// refuses a batch for good and another one may take it later, the batch must be sent again.
func isPermanent(err error) bool {
	if !consumererror.IsPermanent(err) {
		return false
	}
	switch err := err.(type) {
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(err.Unwrap(), func(part error) bool { return part != nil && !isPermanent(part) })
	case interface{ Unwrap() error }:
		// Either err is the permanent error, or it wraps one.
		inner := err.Unwrap()
		return !consumererror.IsPermanent(inner) || isPermanent(inner)
	}
	return true
}

func (c RetryOnFailure) backOff() *backoff.ExponentialBackOff {
	pause := &backoff.ExponentialBackOff{
		InitialInterval: c.InitialInterval, MaxInterval: c.MaxInterval, Multiplier: c.Multiplier, RandomizationFactor: c.RandomizationFactor,
	}
	pause.Reset()
	return pause
}

// givesUp reports whether a batch is dropped rather than sent again after a time.
func (c RetryOnFailure) givesUp(after time.Duration) bool {
	return !c.Enabled || c.MaxElapsedTime > 0 && after > c.MaxElapsedTime
}
