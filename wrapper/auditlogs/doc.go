// Package auditlogs reads Cloudflare's audit logs, version 2: the record of who changed what in an
// account or an organization.
//
// It returns every entry of a window, or an error that says where it stopped. A [Client] lists the
// entries of an account as an iterator:
//
//	client, err := auditlogs.New(os.Getenv("CLOUDFLARE_API_TOKEN"))
//	...
//	query := auditlogs.Query{
//		Since:      auditlogs.Time(time.Now().Add(-24 * time.Hour)),
//		Before:     auditlogs.Time(time.Now()),
//		ActorEmail: []string{"alice@example.com"},
//	}
//	for entry, err := range client.Account(accountID).Entries(ctx, query) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(entry.Action.Time, entry.Actor.Email, entry.Action.Description)
//	}
//
// An iteration that ends without an error has seen every entry of the window. One that cannot
// continue yields an [*IncompleteError] last, whose Position tells [From] where to resume the
// listing.
//
// The log of an organization, the history of one resource ([Log.History]) and the product
// categories of the filters are read in the same way.
//
// Times are UTC. To test a program without an account, see the package auditlogstest beside this
// one.
package auditlogs
