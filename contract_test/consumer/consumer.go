// Package consumer is what an importer of the library may look like: a service of its own, in a
// module of its own.
package consumer

import (
	"context"

	"cfaudit.example/wrapper/auditlogs"
)

// DeletedZones lists the names of the zones that were deleted in a window.
func DeletedZones(ctx context.Context, client *auditlogs.Client, account string, query auditlogs.Query) ([]string, error) {
	query.ActionType = []string{"delete"}
	query.ResourceType = []string{"zone"}
	var names []string
	for entry, err := range client.Account(account).Entries(ctx, query) {
		if err != nil {
			return nil, err
		}
		names = append(names, entry.Zone.Name)
	}
	return names, nil
}
