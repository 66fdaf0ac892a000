package auditlogsreceiver

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// A status reports to the collector how the receiver is doing.
type status struct {
	mu       sync.Mutex
	host     component.Host   // nil if nothing is reported any more
	troubles map[string]error // by what they are about
}

// set says what is wrong with something; nil if nothing is.
func (s *status) set(about string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.troubles[about]
	switch {
	case err == nil && !known, known && err != nil && before.Error() == err.Error():
		return
	case err == nil:
		delete(s.troubles, about)
	default:
		s.troubles[about] = err
	}
	if s.host == nil {
		return
	}
	var all []error
	for _, about := range slices.Sorted(maps.Keys(s.troubles)) {
		all = append(all, s.troubles[about])
	}
	event := componentstatus.NewEvent(componentstatus.StatusOK)
	permanent := slices.ContainsFunc(all, needsSomebody)
	switch {
	case permanent:
		event = componentstatus.NewPermanentErrorEvent(errors.Join(all...))
	case len(all) > 0:
		event = componentstatus.NewRecoverableErrorEvent(errors.Join(all...))
	}
	componentstatus.ReportStatus(s.host, event)
	if permanent {
		s.host = nil // The collector lets nothing follow it.
	}
}

// needsSomebody reports whether a problem with a log does not pass by itself: a token or a query
// that the service refuses, or a state that cannot be used.
func needsSomebody(err error) bool {
	var answered *auditlogs.Error
	return errors.Is(err, follow.ErrState) || errors.As(err, &answered) && !answered.Retryable()
}

// close ends the reports: of the receiver's end, the collector reports the rest.
func (s *status) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = nil
}
