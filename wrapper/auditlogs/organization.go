package auditlogs

import (
	"context"
	"iter"
	"net/http"

	"cfaudit.example/gen/auditlogsapi"
)

// OrganizationEntries lists the entries of an organization that match the query: what was done to the organization itself,
// and not in its accounts. Their Organization is set, and neither Account nor Zone. All else is as with [Client.Entries].
func (c *Client) OrganizationEntries(ctx context.Context, organizationID string, query OrganizationQuery, options ...ListOption) iter.Seq2[*Entry, error] {
	return c.entries(ctx, organizationListing(organizationID, query), options)
}

// OrganizationPages lists the same entries as [Client.OrganizationEntries], by the page as the service answers them.
func (c *Client) OrganizationPages(ctx context.Context, organizationID string, query OrganizationQuery, options ...ListOption) iter.Seq2[*Page, error] {
	return c.pages(ctx, organizationListing(organizationID, query), options)
}

func organizationListing(organizationID string, query OrganizationQuery) *listing {
	return newListing(auditlogsapi.ListOrganizationAuditLogsOperation, query, func(server string, q *OrganizationQuery) (*http.Request, error) {
		return auditlogsapi.NewListOrganizationAuditLogsRequest(server, organizationID, q)
	}, organizationID)
}
