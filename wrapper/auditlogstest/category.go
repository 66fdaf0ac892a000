package auditlogstest

import (
	"fmt"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
)

// defaultCategories group the products of a made-up history.
var defaultCategories = []auditlogsapi.ProductCategory{
	category("account", "Account", "members", "Members", "tokens", "API Tokens", "audit_logs", "Audit Logs", "user", "User"),
	category("developer_platform", "Developer Platform", "workers", "Workers", "r2", "R2"),
	category("performance", "Performance", "cache", "Cache", "dns", "DNS", "load_balancers", "Load Balancing", "zones", "Zones"),
	category("security", "Security", "firewall", "WAF", "ssl", "SSL/TLS"),
	category("zerotrust", "Zero Trust", "access", "Access", "gateway", "Gateway"),
}

// category makes a product category of its value, its label, and those of its products.
func category(value, label string, products ...string) auditlogsapi.ProductCategory {
	c := auditlogsapi.ProductCategory{Value: value, Label: label}
	for i := 0; i < len(products); i += 2 {
		c.Products = append(c.Products, auditlogsapi.Product{Value: products[i], Label: products[i+1]})
	}
	return c
}

// productsOf returns the products of categories, as a filter names them.
func (s *Server) productsOf(p auditlogsapi.Parameter, names []string) ([]string, error) {
	var products []string
	for _, name := range names {
		known := false
		for _, category := range s.config.categories {
			if !strings.EqualFold(category.Value, name) {
				continue
			}
			known = true
			for _, product := range category.Products {
				products = append(products, product.Value)
			}
		}
		if !known {
			return nil, fmt.Errorf("%s is %q, which is not a category", p.Name, name)
		}
	}
	return products, nil
}
