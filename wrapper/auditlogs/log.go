package auditlogs

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
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
	name, prefix  string // prefix is that of the log's name in an archive
	list, history *auditlogsapi.Operation
}

var (
	accounts = &kind{
		name:    "account",
		list:    &auditlogsapi.ListAccountAuditLogsOperation,
		history: &auditlogsapi.GetAccountAuditLogHistoryOperation,
	}
	organizations = &kind{
		name:    "organization",
		prefix:  stored.Organization,
		list:    &auditlogsapi.ListOrganizationAuditLogsOperation,
		history: &auditlogsapi.GetOrganizationAuditLogHistoryOperation,
	}
)

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
	return l.listingOf(l.kind.list, func(name string) []string {
		return slices.Compact(slices.Sorted(slices.Values(query.Values(name))))
	}).identity
}

func (l *Log) listing(query Query) *listing {
	made := l.listingOf(l.kind.list, query.Values)
	for _, p := range accounts.list.Parameters {
		known := slices.ContainsFunc(l.kind.list.Parameters, func(own auditlogsapi.Parameter) bool { return own.Name == p.Name })
		if p.In == "query" && !known && len(query.Values(p.Name)) > 0 && made.wrong == nil {
			made.wrong = fmt.Errorf("%w: %s: the log of an organization has no filter %s: leave it out", ErrInvalidQuery, l, p.Name)
		}
	}
	return made
}

func (l *Log) resource(entryID string, query HistoryQuery) *listing {
	made := l.listingOf(l.kind.history, query.Values, entryID)
	made.entry = entryID
	return made
}

// listingOf returns the listing of an operation on the log. Path holds the values of the path's
// parameters after the log's ID.
func (l *Log) listingOf(operation *auditlogsapi.Operation, values func(name string) []string, path ...string) *listing {
	if l.kind != everything {
		path = append([]string{l.id}, path...)
	}
	made := newListing(operation, values, path...)
	if l.client.config.source != nil {
		// Positions of stored entries are of no use to the service, and the other way round.
		made.log, made.identity = l.kind.prefix+l.id, "archive-"+made.identity
	}
	return made
}
