package auditlogs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
)

// A Query selects entries of a [Log]: by a window of time, which is required, and by filters. It
// embeds the generated parameters; the field comments say what each filter looks at. The log of an
// organization has fewer filters, since its entries have no account and no zone.
//
// A filter with several values keeps an entry that matches any of them; its form ending in Not
// leaves out an entry that matches any of them. An entry must pass all filters. An empty filter
// does not filter. A value that is not among the known ones of its filter is sent unchanged, with a
// warning to the logger of [WithLogger].
//
// Since and Before come from [Time] or [Date], or are written as a date or an RFC 3339 time. A nil
// Direction means "asc", from the oldest entry to the newest; a nil Limit means 1000 entries a
// page. Optional values are written with new: Limit: new(50), Direction: new("desc").
type Query = auditlogsapi.ListAccountAuditLogsParams

// A HistoryQuery selects a part of a resource's history: a window of time, which is required, as in
// a [Query]. ActionTime is required too: the time of the entry whose history is listed, as in
//
//	ActionTime: auditlogs.Time(entry.Action.Time)
//
// A history has no filters.
type HistoryQuery = auditlogsapi.GetAccountAuditLogHistoryParams

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

// DefaultLimit is the page size of a query without a limit: the largest that the service accepts.
const DefaultLimit = 1000

// Time returns t as an end of a window, in UTC and at full precision.
func Time(t time.Time) auditlogsapi.TimeBound {
	return t.UTC().Format(time.RFC3339Nano)
}

// Date returns the start of a day in UTC as an end of a window.
func Date(year int, month time.Month, day int) auditlogsapi.TimeBound {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// ParseTime reads an end of a window: a date, which means midnight UTC at its start, or an RFC 3339
// time with any offset.
func ParseTime(bound auditlogsapi.TimeBound) (time.Time, error) { return auditlogsapi.ParseTime(bound) }

// A listing is one checked query, with everything that is needed to request any of its pages.
type listing struct {
	operation     *auditlogsapi.Operation
	path          string     // below the base URL, as it is sent
	pathValues    []string   // of the path's parameters
	query         url.Values // of the query's
	since, before string     // as the query gave them
	from, to      time.Time
	start         string // where the requests start, if not at the start of the window
	descends      bool
	identity      string        // differs between queries that list different entries
	unknown       [][]slog.Attr // the values of filters that the contract does not list; the service may know them
	wrong         error         // what is wrong with the query; nil for a right one
	log, entry    string        // of stored entries: the log, and the entry whose history is listed
}

// defaults are the values of parameters that a query leaves out.
var defaults = map[string][]string{auditlogsapi.NameDirection: {"asc"}, auditlogsapi.NameLimit: {strconv.Itoa(DefaultLimit)}}

// newListing checks a query for entries. Values returns the query's values by their parameter's
// name, and path holds those of the path's parameters, in order.
func newListing(operation *auditlogsapi.Operation, values func(name string) []string, path ...string) *listing {
	l := &listing{operation: operation}
	if l.wrong = l.check(values, path...); l.wrong == nil {
		l.since, l.before = l.query.Get(auditlogsapi.NameSince), l.query.Get(auditlogsapi.NameBefore)
		l.from, l.to, l.wrong = checkWindow(l.since, l.before)
	}
	if l.descends = l.query.Get(auditlogsapi.NameDirection) == "desc"; l.descends {
		l.from, l.to = l.to, l.from
	}
	return l
}

// check checks the values with which a listing is made against the contract. It copies them, so
// that later changes by the caller have no effect.
func (l *listing) check(values func(name string) []string, path ...string) error {
	identity := strings.Builder{}
	l.path, l.pathValues, l.query = l.operation.Path, path, url.Values{}
	for i, p := range l.operation.Parameters {
		given := values(p.Name)
		switch {
		case i < len(path):
			given = path[i : i+1]
		case len(given) == 0:
			given = defaults[p.Name]
		}
		if err := checkParameter(p, given); err != nil {
			return err
		}
		if i < len(path) {
			l.path = strings.Replace(l.path, "{"+p.Name+"}", url.PathEscape(path[i]), 1)
			continue
		}
		if len(given) > 0 {
			l.query[p.Name] = slices.Clone(given)
		}
		switch p.Name {
		case auditlogsapi.NameSince, auditlogsapi.NameBefore, auditlogsapi.NameLimit: // The first two are compared elsewhere, and the third changes no entry.
			continue
		}
		for _, value := range given {
			fmt.Fprintf(&identity, "%q=%q&", p.Name, value)
			if !p.Knows(value) {
				l.unknown = append(l.unknown, []slog.Attr{
					slog.String("path", l.path), slog.String("parameter", p.Name), slog.String("value", value), slog.Any("known", p.Known),
				})
			}
		}
	}
	sum := sha256.Sum256([]byte(l.path + "?" + identity.String()))
	l.identity = fmt.Sprintf("%x", sum[:6])
	return nil
}

// request returns the request for the page at a cursor, which is empty for the first one.
func (l *listing) request(ctx context.Context, server, cursor string) (*http.Request, error) {
	query := maps.Clone(l.query)
	query.Del(auditlogsapi.NameCursor)
	if cursor != "" {
		query.Set(auditlogsapi.NameCursor, cursor)
	}
	request, err := l.operation.Request(server+"/", l.pathValues, query)
	if err != nil {
		return nil, err
	}
	return request.WithContext(ctx), nil
}

// checkParameter says what is wrong with the values of one parameter.
func checkParameter(p auditlogsapi.Parameter, values []string) error {
	if p.Required && (len(values) == 0 || values[0] == "") {
		return fmt.Errorf("%w: %s is missing: want %s", ErrInvalidQuery, p.Name, p.Wanted())
	}
	for _, value := range values {
		if err := p.Check(value); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalidQuery, err)
		}
	}
	return nil
}

// checkWindow reads the window's ends.
func checkWindow(since, before string) (from, to time.Time, err error) {
	if from, err = ParseTime(since); err != nil {
		return from, to, fmt.Errorf("%w: since: %w", ErrInvalidQuery, err)
	}
	if to, err = ParseTime(before); err != nil {
		return from, to, fmt.Errorf("%w: before: %w", ErrInvalidQuery, err)
	}
	if !from.Before(to) {
		return from, to, fmt.Errorf("%w: since %s is not before before %s: want the older end of the window in since", ErrInvalidQuery, since, before)
	}
	return from, to, nil
}

// distance is how far the listing goes from one time to another.
func (l *listing) distance(from, to time.Time) time.Duration {
	if l.descends {
		from, to = to, from
	}
	return to.Sub(from)
}

// beyond reports whether a time is strictly after another in the order of the listing. A zero time
// never is.
func (l *listing) beyond(t, than time.Time) bool {
	if l.descends {
		t, than = than, t
	}
	return !t.IsZero() && !than.IsZero() && t.After(than)
}

// round returns a time at about the given distance from another: a whole second, minute, hour or
// day, the coarser the farther, for services with less precise bounds.
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

// startingAt returns the listing from a time on, which is the text in a position; the listing
// itself for an empty text.
func (l *listing) startingAt(start string) *listing {
	if start == "" {
		return l
	}
	part := *l
	part.start, part.query = start, maps.Clone(l.query)
	part.from, _ = ParseTime(start) // It was checked when the position was read.
	if l.descends {
		part.query.Set(auditlogsapi.NameBefore, start)
	} else {
		part.query.Set(auditlogsapi.NameSince, start)
	}
	return &part
}
