package auditlogs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/parameter"
)

// A Query says which entries of an account to list: a window of time, which is required, and filters. It is the
// generated set of parameters; the field comments say what each filter looks at.
//
// A filter with several values keeps an entry that matches any of them; its form ending in Not leaves out an entry that
// matches any of them. Several filters hold all at once. An empty filter does not filter. A value that is not among the
// known ones of its filter is sent as it is, with a warning to the logger of [WithLogger].
//
// Since and Before come from [Time] or [Date], or are written as a date or an RFC 3339 time. A nil Direction means
// "asc", from the oldest entry to the newest; a nil Limit means 1000 entries a page. Optional values are written with
// new: Limit: new(50), Direction: new("desc").
type Query = auditlogsapi.ListAccountAuditLogsParams

// An OrganizationQuery says which entries of an organization to list, as a [Query] does for an account. It has fewer
// filters: an organization's entries have no account and no zone.
type OrganizationQuery = auditlogsapi.ListOrganizationAuditLogsParams

// A HistoryQuery says which part of a resource's history to list: a window of time, which is required, as in a [Query].
// ActionTime is required too: the time of the entry whose history is wanted, as in
//
//	ActionTime: auditlogs.Time(entry.Action.Time)
//
// A history has no filters.
type HistoryQuery = auditlogsapi.GetAccountAuditLogHistoryParams

// DefaultLimit is how many entries a page is asked for where a query does not say: the most that the service takes.
const DefaultLimit = 1000

const defaultDirection = "asc"

// Time returns t as an end of a window, in UTC and at full precision.
func Time(t time.Time) auditlogsapi.TimeBound {
	return t.UTC().Format(time.RFC3339Nano)
}

// Date returns the start of a day in UTC as an end of a window.
func Date(year int, month time.Month, day int) auditlogsapi.TimeBound {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// ParseTime reads an end of a window: a date, which means midnight UTC at its start, or an RFC 3339 time with any offset.
func ParseTime(bound auditlogsapi.TimeBound) (time.Time, error) { return parameter.ParseTime(bound) }

// contractServer stands in for the base URL while a query is checked, before any request.
const contractServer = "https://contract.invalid/"

// A listing is one checked query: whatever it takes to ask for any of its pages.
type listing struct {
	operation auditlogsapi.Operation
	path      string // below the base URL, as it is sent
	since     string
	before    string
	identity  string // differs between queries that list different entries
	wrong     error  // what is wrong with the query; nil for one that can be asked
	unknown   []unknownValue
	start     string // the cursor of the first page; empty at the start of the window
	descends  bool
	request   func(server string, since, before string, cursor *string) (*http.Request, error)
}

// parameters are the generated parameters of an operation that lists entries.
type parameters[Q any] interface {
	*Q
	Filter(name string) *[]string
	Listing() auditlogsapi.Listing
}

// newListing checks a query for entries. It copies the query, so that what the caller does to it afterwards changes
// nothing. Path holds the values that go into the path, in order.
func newListing[Q any, P parameters[Q]](operation auditlogsapi.Operation, query Q,
	request func(server string, query P) (*http.Request, error), path ...string,
) *listing {
	for _, p := range operation.Parameters {
		if filter := P(&query).Filter(p.Name); filter != nil {
			// A list that is empty but not nil would be sent as a filter for the empty text.
			*filter = slices.Clone(*filter)
			if len(*filter) == 0 {
				*filter = nil
			}
		}
	}
	given := P(&query).Listing()
	direction, limit, start := defaultDirection, DefaultLimit, ""
	if *given.Direction != nil {
		direction = **given.Direction
	}
	if *given.Limit != nil {
		limit = **given.Limit
	}
	if *given.Cursor != nil {
		start = **given.Cursor
	}
	*given.Direction, *given.Limit = &direction, &limit
	l := &listing{
		operation: operation,
		since:     *given.Since,
		before:    *given.Before,
		start:     start,
		descends:  direction != defaultDirection,
		request: func(server string, since, before string, cursor *string) (*http.Request, error) {
			part := query
			changed := P(&part).Listing()
			*changed.Since, *changed.Before, *changed.Cursor = since, before, cursor
			return request(server, &part)
		},
	}
	if l.wrong = l.check(path...); l.wrong == nil {
		l.wrong = checkWindow(l.since, l.before)
	}
	return l
}

// check holds the values with which a listing was made against the contract.
func (l *listing) check(path ...string) error {
	ofPath, ofQuery := l.operation.Parameters[:len(path)], l.operation.Parameters[len(path):]
	for i, p := range ofPath {
		if err := checkParameter(p, path[i:i+1]); err != nil {
			return err
		}
	}
	// Only now: with an unchecked path this would be another request.
	request, err := l.request(contractServer, l.since, l.before, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidQuery, err)
	}
	query := request.URL.Query()
	for _, p := range ofQuery {
		if err := checkParameter(p, query[p.Name]); err != nil {
			return err
		}
		for _, value := range query[p.Name] {
			if !parameter.Known(p, value) {
				l.unknown = append(l.unknown, unknownValue{p, value})
			}
		}
	}
	l.path = request.URL.Path
	maps.DeleteFunc(query, func(name string, _ []string) bool {
		switch name {
		case "since", "before", "limit": // The first two are compared by themselves, the third changes no entry.
			return true
		}
		return false
	})
	sum := sha256.Sum256([]byte(l.path + "?" + query.Encode()))
	l.identity = hex.EncodeToString(sum[:6])
	return nil
}

// An unknownValue is a value of a filter that the contract does not list. The service may know it all the same.
type unknownValue struct {
	parameter auditlogsapi.Parameter
	value     string
}

// warn logs the values that the contract does not list.
func (l *listing) warn(ctx context.Context, logger *slog.Logger) {
	for _, u := range l.unknown {
		logger.WarnContext(ctx, "audit log filter has a value that is not known, and is sent as it is", slog.String("path", l.path),
			slog.String("parameter", u.parameter.Name), slog.String("value", u.value), slog.Any("known", u.parameter.Known))
	}
}

// checkParameter says what is wrong with the values of one parameter.
func checkParameter(p auditlogsapi.Parameter, values []string) error {
	if p.Required && (len(values) == 0 || values[0] == "") {
		return fmt.Errorf("%w: %w", ErrInvalidQuery, parameter.Missing(p))
	}
	for _, value := range values {
		if err := parameter.Check(p, value); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalidQuery, err)
		}
	}
	return nil
}

func checkWindow(since, before string) error {
	start, err := ParseTime(since)
	if err != nil {
		return fmt.Errorf("%w: since: %w", ErrInvalidQuery, err)
	}
	end, err := ParseTime(before)
	if err != nil {
		return fmt.Errorf("%w: before: %w", ErrInvalidQuery, err)
	}
	if !start.Before(end) {
		return fmt.Errorf("%w: since %s is not before before %s: want the older end of the window in since", ErrInvalidQuery, since, before)
	}
	return nil
}

// first returns the end of the window at which the listing starts.
func (l *listing) first() string {
	if l.descends {
		return l.before
	}
	return l.since
}

// ends returns the window in the direction of the listing.
func (l *listing) ends() (from, to time.Time) {
	// Both were checked when the listing was made.
	from, _ = ParseTime(l.since)
	to, _ = ParseTime(l.before)
	if l.descends {
		return to, from
	}
	return from, to
}

// distance is how far the listing goes from a time to another.
func (l *listing) distance(from, to time.Time) time.Duration {
	if l.descends {
		return from.Sub(to)
	}
	return to.Sub(from)
}

// round returns a time that lies about so far from another: a whole second, minute, hour or day, the coarser the farther,
// for services that take bounds less precisely.
func (l *listing) round(from time.Time, by time.Duration) time.Time {
	unit := time.Second
	for _, coarser := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		if by >= 4*coarser {
			unit = coarser
		}
	}
	if l.descends {
		return from.Add(-by).Truncate(unit)
	}
	return from.Add(by + unit - 1).Truncate(unit)
}

// startingAt returns the listing from a time on; the listing itself where there is none.
func (l *listing) startingAt(start string) *listing {
	if start == "" {
		return l
	}
	part := *l
	if l.descends {
		part.before = start
	} else {
		part.since = start
	}
	return &part
}
