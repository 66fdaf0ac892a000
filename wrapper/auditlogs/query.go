package auditlogs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/parameter"
)

// A Query says which entries of an account to list: a window of time, which is required, and filters. It is the
// generated set of parameters; the field comments say what each filter looks at.
//
// A filter with several values keeps an entry that matches any of them; its form ending in Not leaves out an entry that
// matches any of them. Several filters hold all at once. An empty filter does not filter.
//
// Since and Before come from [Time] or [Date], or are written as a date or an RFC 3339 time. A nil Direction means
// "asc", from the oldest entry to the newest; a nil Limit means 1000 entries a page. Optional values are written with
// new: Limit: new(50), Direction: new("desc").
type Query = auditlogsapi.ListAccountAuditLogsParams

const (
	defaultDirection = "asc"
	defaultLimit     = 1000
)

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
	start     string // the cursor of the first page; empty at the start of the window
	descends  bool
	request   func(server string, since, before string, cursor *string) (*http.Request, error)
}

// newAccountListing checks a query for an account's entries. It copies the query, so that what the caller does to it
// afterwards changes nothing.
func newAccountListing(account string, q Query) (*listing, error) {
	operation := auditlogsapi.ListAccountAuditLogsOperation
	for _, p := range operation.Parameters {
		if filter := q.Filter(p.Name); filter != nil {
			// A list that is empty but not nil would be sent as a filter for the empty text.
			*filter = slices.Clone(*filter)
			if len(*filter) == 0 {
				*filter = nil
			}
		}
	}
	direction, limit, start := defaultDirection, defaultLimit, ""
	if q.Direction != nil {
		direction = *q.Direction
	}
	if q.Limit != nil {
		limit = *q.Limit
	}
	if q.Cursor != nil {
		start = *q.Cursor
	}
	q.Direction, q.Limit = &direction, &limit
	return newListing(&listing{
		operation: operation,
		since:     q.Since,
		before:    q.Before,
		start:     start,
		descends:  direction != defaultDirection,
		request: func(server string, since, before string, cursor *string) (*http.Request, error) {
			q := q
			q.Since, q.Before, q.Cursor = since, before, cursor
			return auditlogsapi.NewListAccountAuditLogsRequest(server, account, &q)
		},
	}, account)
}

// newListing checks the values with which a listing was made against the contract. Path holds those that go into the
// path, in order.
func newListing(l *listing, path ...string) (*listing, error) {
	var query url.Values
	for _, p := range l.operation.Parameters {
		var values []string
		if p.In == "path" {
			values, path = path[:1], path[1:]
		} else {
			if query == nil {
				// Only now: with an unchecked path this would be another request.
				request, err := l.request(contractServer, l.since, l.before, nil)
				if err != nil {
					return nil, fmt.Errorf("%w: %w", ErrInvalidQuery, err)
				}
				l.path, query = request.URL.Path, request.URL.Query()
			}
			values = query[p.Name]
		}
		if err := checkParameter(p, values); err != nil {
			return nil, err
		}
	}
	if err := checkWindow(l.since, l.before); err != nil {
		return nil, err
	}
	maps.DeleteFunc(query, func(name string, _ []string) bool {
		switch name {
		case "since", "before", "limit": // The first two are compared by themselves, the third changes no entry.
			return true
		}
		return false
	})
	sum := sha256.Sum256([]byte(l.path + "?" + query.Encode()))
	l.identity = hex.EncodeToString(sum[:6])
	return l, nil
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
