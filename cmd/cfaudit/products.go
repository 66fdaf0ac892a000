package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// A products is one run of "cfaudit products".
type products struct {
	connection
	encoding string
}

func newProducts(env *environment) *cobra.Command {
	p := new(products)
	p.serviceOnly = true
	cmd := &cobra.Command{
		Use:   "products [flags]",
		Short: "Print the product categories, and the products in them",
		Long: "Prints the product categories that \"cfaudit list --product-category\" takes, and for each the products that it stands " +
			"for, which \"cfaudit list --resource-product\" takes.",
		Example: "  cfaudit products\n" +
			"  cfaudit list --since 7d --product-category zerotrust --resource-product dns",
	}
	encoding := formatFlag(&p.encoding, "how categories are printed", "table on a terminal, else ndjson", nameTable, format.NameNDJSON)
	run := func(ctx context.Context) error { return p.use(ctx, p.print) }
	return p.command(env, cmd, productsFooter, run, append([]*flagValue{encoding}, p.flags()...))
}

const productsFooter = `Formats
ndjson prints each category as a line: its value, its label, and its products, which have a value and a label too. table
prints a line for each product.

Exit status
0: all categories were printed. 1: failed. 2: wrong usage, nothing was requested. 130: interrupted.`

func (p *products) print(ctx context.Context) error {
	categories, err := p.log().ProductCategories(ctx)
	if err != nil || ctx.Err() != nil {
		return failed(ctx, err)
	}
	if p.encoding == nameTable || p.encoding == "" && p.env.terminal(p.env.stdout) > 0 {
		printProducts(p.out(), categories)
		return nil
	}
	encoder := json.NewEncoder(p.out())
	encoder.SetEscapeHTML(false)
	for _, category := range categories {
		_ = encoder.Encode(category) // A failure to write is noticed by run.
	}
	return nil
}

// printProducts prints a table for people.
func printProducts(out io.Writer, categories []auditlogs.ProductCategory) {
	w := tabwriter.NewWriter(out, 0, 0, len(tableGap), ' ', 0)
	line := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = cmp.Or(clean(cell), "-")
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	line("CATEGORY", "PRODUCT", "NAMES")
	for _, category := range categories {
		if len(category.Products) == 0 {
			line(category.Value, "", category.Label)
		}
		for _, product := range category.Products {
			line(category.Value, product.Value, category.Label+" / "+product.Label)
		}
	}
	_ = w.Flush() // As above.
}
