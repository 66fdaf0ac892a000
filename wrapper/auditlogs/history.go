package auditlogs

import (
	"context"
	"iter"
	"net/http"

	"cfaudit.example/gen/auditlogsapi"
)

// A HistoryStatus says how well the service knows the resource that an entry is about. Values beyond those below can come.
type HistoryStatus string

// What the service says of a history.
const (
	// HistoryExact: the service knows the resource, and the history is that of no other.
	HistoryExact HistoryStatus = "exact"
	// HistoryApproximate: the history can hold entries about other resources of the same kind.
	HistoryApproximate HistoryStatus = "approximate"
	// HistoryUnavailable: the entry does not say enough about its resource, or there is no such entry. The history is
	// empty, which says nothing about the resource.
	HistoryUnavailable HistoryStatus = "unavailable"
)

// History lists the entries of an account's audit log that are about the same resource as the entry with the given ID. Query
// has that entry's time, and the window to look in. All else is as with [Client.Entries].
//
// An entry that does not say enough about its resource has an empty history, without an error: [Client.HistoryPages] tells
// that from a resource without changes. An entry that there is not is an [*Error] that is [ErrNotFound] and has the History
// [HistoryUnavailable].
func (c *Client) History(ctx context.Context, accountID, entryID string, query HistoryQuery, options ...ListOption) iter.Seq2[*Entry, error] {
	return c.entries(ctx, accountHistory(accountID, entryID, query), options)
}

// HistoryPages lists the same entries as [Client.History], by the page as the service answers them. The pages' History says
// how good the history is.
func (c *Client) HistoryPages(ctx context.Context, accountID, entryID string, query HistoryQuery, options ...ListOption) iter.Seq2[*Page, error] {
	return c.pages(ctx, accountHistory(accountID, entryID, query), options)
}

// OrganizationHistory is [Client.History] for an entry of an organization's audit log.
func (c *Client) OrganizationHistory(ctx context.Context, organizationID, entryID string, query HistoryQuery, options ...ListOption) iter.Seq2[*Entry, error] {
	return c.entries(ctx, organizationHistory(organizationID, entryID, query), options)
}

// OrganizationHistoryPages is [Client.HistoryPages] for an entry of an organization's audit log.
func (c *Client) OrganizationHistoryPages(ctx context.Context, organizationID, entryID string, query HistoryQuery, options ...ListOption) iter.Seq2[*Page, error] {
	return c.pages(ctx, organizationHistory(organizationID, entryID, query), options)
}

func accountHistory(accountID, entryID string, query HistoryQuery) *listing {
	return newListing(auditlogsapi.GetAccountAuditLogHistoryOperation, query, func(server string, q *HistoryQuery) (*http.Request, error) {
		return auditlogsapi.NewGetAccountAuditLogHistoryRequest(server, accountID, entryID, q)
	}, accountID, entryID)
}

func organizationHistory(organizationID, entryID string, query HistoryQuery) *listing {
	type own = auditlogsapi.GetOrganizationAuditLogHistoryParams
	return newListing(auditlogsapi.GetOrganizationAuditLogHistoryOperation, own(query), func(server string, q *own) (*http.Request, error) {
		return auditlogsapi.NewGetOrganizationAuditLogHistoryRequest(server, organizationID, entryID, q)
	}, organizationID, entryID)
}
