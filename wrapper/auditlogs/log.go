package auditlogs

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
)

// A Log is the audit log of one account or of one organization, with all its operations.
// [Client.Account] and [Client.Organization] return one. It is safe for use by several goroutines.
//
// Changes to a user's own profile are in the log of each account that the user can access, so that
// several logs can show the same entry.
type Log struct {
	client *Client
	id     string
	kind   *kind
}

// A kind holds the differences between accounts and organizations.
type kind struct {
	name          string
	list, history *auditlogsapi.Operation
	entries       func(server, id string, q *Query) (*http.Request, error)
	related       func(server, id, entryID string, q *HistoryQuery) (*http.Request, error)
}

var accounts = &kind{
	name:    "account",
	list:    &auditlogsapi.ListAccountAuditLogsOperation,
	history: &auditlogsapi.GetAccountAuditLogHistoryOperation,
	entries: auditlogsapi.NewListAccountAuditLogsRequest,
	related: auditlogsapi.NewGetAccountAuditLogHistoryRequest,
}

var organizations = &kind{
	name:    "organization",
	list:    &auditlogsapi.ListOrganizationAuditLogsOperation,
	history: &auditlogsapi.GetOrganizationAuditLogHistoryOperation,
	entries: func(server, id string, q *Query) (*http.Request, error) {
		return auditlogsapi.NewListOrganizationAuditLogsRequest(server, id, organizationQuery(q))
	},
	related: func(server, id, entryID string, q *HistoryQuery) (*http.Request, error) {
		own := auditlogsapi.GetOrganizationAuditLogHistoryParams(*q)
		return auditlogsapi.NewGetOrganizationAuditLogHistoryRequest(server, id, entryID, &own)
	},
}

// Account returns the audit log of an account, by its ID of 32 hexadecimal digits. It makes no
// request: an ID that cannot be one is reported by [Log.Check], and by the methods that list
// entries.
func (c *Client) Account(id string) *Log { return &Log{client: c, id: id, kind: accounts} }

// Organization returns the audit log of an organization: what was done to the organization itself,
// and not in its accounts. Its entries have an Organization, and neither an Account nor a Zone; a
// [Query] that filters by these is [ErrInvalidQuery].
func (c *Client) Organization(id string) *Log { return &Log{client: c, id: id, kind: organizations} }

// String returns the log's name, such as "account 4bb334f7c94c4a29a045f03944f072e5".
func (l *Log) String() string { return strings.TrimSpace(l.kind.name + " " + l.id) }

// Entries lists the entries that match the query, in the order of their time.
//
// Nothing is requested before the iteration starts, and at most one page ahead of the caller; see
// [Prefetch]. Using the iterator again lists again. Leaving the loop ends everything that the
// iteration started.
//
// An error is yielded once, and last, with a nil entry: [ErrInvalidQuery], before the first
// request, if the query or the ID is wrong, and otherwise an [*IncompleteError]. An iteration that
// ends without an error has seen every entry. An entry with a malformed field does not end it; see
// [Entry.Err].
func (l *Log) Entries(ctx context.Context, query Query, options ...ListOption) iter.Seq2[*Entry, error] {
	return l.client.entries(ctx, l.listing(query), options)
}

// Pages lists the same entries as [Log.Entries], page by page as the service returns them.
func (l *Log) Pages(ctx context.Context, query Query, options ...ListOption) iter.Seq2[*Page, error] {
	return l.client.pages(ctx, l.listing(query), options)
}

// History lists the entries that are about the same resource as the entry with the given ID. Query
// has that entry's time, and the window to search. Everything else is as with [Log.Entries].
//
// An entry that does not say enough about its resource has an empty history, without an error:
// [Log.HistoryPages] tells that from a resource without changes. An entry that does not exist is an
// [*Error] that is [ErrNotFound] and has the History [HistoryUnavailable].
func (l *Log) History(ctx context.Context, entryID string, query HistoryQuery, options ...ListOption) iter.Seq2[*Entry, error] {
	return l.client.entries(ctx, l.resource(entryID, query), options)
}

// HistoryPages lists the same entries as [Log.History], page by page as the service returns them.
// The pages' History is the status of the history.
func (l *Log) HistoryPages(ctx context.Context, entryID string, query HistoryQuery, options ...ListOption) iter.Seq2[*Page, error] {
	return l.client.pages(ctx, l.resource(entryID, query), options)
}

// Check returns an error that is [ErrInvalidQuery], with a message that shows a right value, if the
// query or the log's ID is wrong. It makes no request.
func (l *Log) Check(query Query) error { return l.listing(query).wrong }

// Client returns the client that the log is read with.
func (l *Log) Client() *Client { return l.client }

// Fingerprint returns a text that differs between queries that list different entries, and between
// logs. The window, the direction, the page size and the order of a filter's values do not count.
func (l *Log) Fingerprint(query Query) string {
	query.Since, query.Before = Date(2000, 1, 1), Date(2000, 1, 2)
	query.Direction, query.Limit, query.Cursor = nil, nil, nil
	for _, p := range l.kind.list.Parameters {
		if filter := query.Filter(p.Name); filter != nil {
			*filter = slices.Compact(slices.Sorted(slices.Values(*filter)))
		}
	}
	return l.listing(query).identity
}

func (l *Log) listing(query Query) *listing {
	made := l.named(newListing(l.kind.list, query, func(server string, q *Query) (*http.Request, error) {
		return l.kind.entries(server, l.id, q)
	}, l.path()...))
	for _, p := range accounts.list.Parameters {
		known := slices.ContainsFunc(l.kind.list.Parameters, func(own auditlogsapi.Parameter) bool { return own.Name == p.Name })
		if p.In == "query" && !known && len(query.Values(p.Name)) > 0 && made.wrong == nil {
			made.wrong = fmt.Errorf("%w: %s: the log of an organization has no filter %s: leave it out", ErrInvalidQuery, l, p.Name)
		}
	}
	return made
}

func (l *Log) resource(entryID string, query HistoryQuery) *listing {
	made := l.named(newListing(l.kind.history, query, func(server string, q *HistoryQuery) (*http.Request, error) {
		return l.kind.related(server, l.id, entryID, q)
	}, l.path(entryID)...))
	made.entry = entryID
	return made
}

// path returns the values of a path's parameters.
func (l *Log) path(more ...string) []string {
	if l.kind == everything {
		return more
	}
	return append([]string{l.id}, more...)
}

// named completes a listing of stored entries: its positions are of no use to the service, and
// those of the service are none of its.
func (l *Log) named(made *listing) *listing {
	if l.client.config.source != nil {
		made.log, made.identity = l.storedAs(), "archive-"+made.identity
	}
	return made
}

// organizationQuery returns the parameters for an organization, which are some of those for an
// account.
func organizationQuery(q *Query) *auditlogsapi.ListOrganizationAuditLogsParams {
	own := new(auditlogsapi.ListOrganizationAuditLogsParams)
	for _, p := range auditlogsapi.ListOrganizationAuditLogsOperation.Parameters {
		if filter := own.Filter(p.Name); filter != nil {
			*filter = *q.Filter(p.Name)
		}
	}
	from, to := q.Listing(), own.Listing()
	*to.Since, *to.Before, *to.Cursor, *to.Direction, *to.Limit = *from.Since, *from.Before, *from.Cursor, *from.Direction, *from.Limit
	return own
}
