package auditlogs

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"cfaudit.example/gen/auditlogsapi"
)

// A ProductCategory is a name for several products: a value of the filter ProductCategory of a
// [Query].
type ProductCategory = auditlogsapi.ProductCategory

// A Product is a product of a [ProductCategory]: a value of the filter ResourceProduct of a
// [Query].
type Product = auditlogsapi.Product

// ProductCategories returns the product categories that the filter ProductCategory knows, each with
// the products that it stands for. They are in one answer: the errors are those of [Log.Entries],
// without an [*IncompleteError] around them. The log of an organization has none, which is
// [ErrInvalidQuery].
func (l *Log) ProductCategories(ctx context.Context) ([]ProductCategory, error) {
	if l.kind != accounts {
		return nil, fmt.Errorf("%w: %s: product categories are known for accounts only: want the log of an account", ErrInvalidQuery, l)
	}
	if l.client.config.source != nil {
		return nil, fmt.Errorf("%w: %s: an archive has no product categories: want the log of an account of the service", ErrInvalidQuery, l)
	}
	whole := &listing{operation: &auditlogsapi.ListAccountAuditLogProductCategoriesOperation}
	if err := whole.check(func(string) []string { return nil }, l.id); err != nil {
		return nil, err
	}
	answer, err := (&reader{config: &l.client.config, listing: whole}).fetch(ctx, 0, nil)
	if err != nil {
		return nil, err
	}
	if answer.cursor != "" {
		return nil, fmt.Errorf("%s: %w: there are more categories, and no way to ask for them", whole, ErrMalformedResponse)
	}
	categories := make([]ProductCategory, len(answer.Entries))
	for i, row := range answer.Entries {
		if err := json.Unmarshal(row.Raw, &categories[i], decodeOptions); err != nil {
			// Without the decoder's message, which could hold anything that was received.
			return nil, fmt.Errorf("%s: %w: category %d does not have the types that the contract gives it", whole, ErrMalformedResponse, i+1)
		}
	}
	return categories, nil
}
