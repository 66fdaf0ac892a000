package auditlogsreceiver

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The alert rules and the dashboard name metrics that there are.
func TestMonitoring(t *testing.T) {
	documented := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(read(t, "documentation.md"), -1) {
		documented[heading[1]] = true
	}
	if len(documented) < 10 {
		t.Fatalf("documentation.md has %d metrics", len(documented))
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "monitoring/alerts.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"the dashboard": read(t, "monitoring/dashboard.md")}
	for _, rule := range rules.Groups[0].Rules {
		texts[rule.Alert] = rule.Expr
	}
	for name, text := range texts {
		named := regexp.MustCompile(`otelcol_receiver_cloudflare_audit_\w+`).FindAllString(text, -1)
		if len(named) == 0 {
			t.Errorf("%s names no metric", name)
		}
		for _, metric := range named {
			if !documented[metric] {
				t.Errorf("%s names %s, which there is not", name, metric)
			}
		}
	}
}

// The README has each field of the configuration.
func TestREADME(t *testing.T) {
	readme := read(t, "README.md")
	for _, field := range regexp.MustCompile(`(?m)^    (\w+):\n      description:`).FindAllStringSubmatch(strings.Split(read(t, "metadata.yaml"), "exported_configs:")[0], -1) {
		if !strings.Contains(readme, "`"+field[1]) {
			t.Errorf("the README has no field %s", field[1])
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
