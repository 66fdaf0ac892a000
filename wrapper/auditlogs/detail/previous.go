package detail

import (
	"context"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// Previous returns the last entry before e about the same resource, from since on; nil if there is
// none. Status says how well the log knows the resource: with [auditlogs.HistoryApproximate], the
// entry can be about another one of the same kind, and with [auditlogs.HistoryUnavailable] there is
// none. It takes one request, more only where many entries have the time of e. Errors are those of
// [auditlogs.Log.HistoryPages].
func Previous(ctx context.Context, log *auditlogs.Log, e *auditlogs.Entry, since time.Time) (previous *auditlogs.Entry, status auditlogs.HistoryStatus, err error) {
	const few = 20
	direction, limit := "desc", few
	query := auditlogs.HistoryQuery{
		ActionTime: auditlogs.Time(e.Action.Time),
		Since:      auditlogs.Time(since),
		// Past the entry, so that the one after it in this direction is the previous one, of the
		// same time or not.
		Before:    auditlogs.Time(e.Action.Time.Truncate(time.Second).Add(time.Second)),
		Direction: &direction, Limit: &limit,
	}
	reached := false
	for page, err := range log.HistoryPages(ctx, e.ID, query) {
		if err != nil {
			return nil, status, err
		}
		status = page.History
		for _, other := range page.Entries {
			switch {
			case other.ID == e.ID:
				reached = true
			case reached, other.Action.Time.Before(e.Action.Time):
				return other, status, nil
			}
		}
	}
	return nil, status, nil
}
