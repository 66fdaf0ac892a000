package auditlogs

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"cfaudit.example/gen/auditlogsapi"
)

// A ProductCategory is a name for several products: a value of the filter ProductCategory of a [Query].
type ProductCategory = auditlogsapi.ProductCategory

// A Product is a product of a [ProductCategory]: a value of the filter ResourceProduct of a [Query].
type Product = auditlogsapi.Product

// ProductCategories returns the product categories that the filter ProductCategory knows, each with the products that it
// stands for. They come in one answer, or not at all: the errors are those of [Client.Entries], without an
// [*IncompleteError] around them.
func (c *Client) ProductCategories(ctx context.Context, accountID string) ([]ProductCategory, error) {
	l := &listing{
		operation: auditlogsapi.ListAccountAuditLogProductCategoriesOperation,
		request: func(server string, _, _ string, _ *string) (*http.Request, error) {
			return auditlogsapi.NewListAccountAuditLogProductCategoriesRequest(server, accountID)
		},
	}
	if err := l.check(accountID); err != nil {
		return nil, err
	}
	answer, err := newFetcher(&c.config).fetch(ctx, question{listing: l})
	if err != nil {
		return nil, err
	}
	if answer.cursor != "" {
		return nil, fmt.Errorf("%s: %w: there are more categories, and no way to ask for them", l, ErrMalformedResponse)
	}
	categories := make([]ProductCategory, len(answer.entries))
	for i, row := range answer.entries {
		if err := json.Unmarshal(row.Raw, &categories[i], decodeOptions); err != nil {
			// Without the decoder's words, which could hold anything that came.
			return nil, fmt.Errorf("%s: %w: category %d does not have the types that the contract gives it", l, ErrMalformedResponse, i+1)
		}
	}
	return categories, nil
}
