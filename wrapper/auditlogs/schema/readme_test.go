package schema_test

import (
	"os"
	"strings"
	"testing"

	"cfaudit.example/gen/auditlogsapi"
)

// TestReadmeShowsTheMapping compares the table in the README with the contract. With
// CFAUDIT_GOLDEN=1 it writes it.
func TestReadmeShowsTheMapping(t *testing.T) {
	const start, end = "<!-- fields -->\n", "<!-- /fields -->"
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), start)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no table between %q and %q", start, end)
	}
	var want strings.Builder
	want.WriteString("| Field | ECS | OCSF |\n|---|---|---|\n")
	for _, f := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		want.WriteString("| `" + f.Path + "` | " + codes(f.ECS, "cloudflare.audit."+f.Path) + " | " + codes(f.OCSF, "unmapped."+f.Path) + " |\n")
	}
	if table == want.String() {
		return
	}
	if os.Getenv("CFAUDIT_GOLDEN") == "" {
		t.Fatalf("the table in README.md is not what the contract says: run CFAUDIT_GOLDEN=1 go test ./wrapper/auditlogs/schema. Want\n%s", want.String())
	}
	if err := os.WriteFile("README.md", []byte(before+start+want.String()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

func codes(paths []string, otherwise string) string {
	if len(paths) == 0 {
		paths = []string{otherwise}
	}
	return "`" + strings.Join(paths, "`, `") + "`"
}
