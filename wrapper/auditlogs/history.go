package auditlogs

// A HistoryStatus says how well the service knows the resource that an entry is about. There can be
// values other than those below.
type HistoryStatus string

// The known statuses of a history.
const (
	// HistoryExact: the service knows the resource, and the history is only about this one.
	HistoryExact HistoryStatus = "exact"
	// HistoryApproximate: the history can hold entries about other resources of the same kind.
	HistoryApproximate HistoryStatus = "approximate"
	// HistoryUnavailable: the entry does not say enough about its resource, or there is no such
	// entry. The history is empty, which says nothing about the resource.
	HistoryUnavailable HistoryStatus = "unavailable"
)
