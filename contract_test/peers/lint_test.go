package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfaudit.example/openapi"
)

// TestLint has the contract linted as make lint-contract does, and spoils it in one place at a
// time.
func TestLint(t *testing.T) {
	for _, test := range []struct{ name, old, new, rule string }{
		{name: "as it is"},
		{name: "example of another type", old: "status_code: 200", new: `status_code: "200"`, rule: "no-invalid-media-type-examples"},
		{name: "example of an error", old: "success: false\n", new: "success: true\n", rule: "no-invalid-media-type-examples"},
		{name: "example of a parameter", old: "example: 4bb334f7c94c4a29a045f03944f072e5", new: "example: me", rule: "no-invalid-parameter-examples"},
		{name: "a reference to nothing", old: "responses/BadRequest'", new: "responses/Bad'", rule: "no-unresolved-refs"},
		{name: "no such key", old: "      required: true\n", new: "      requird: true\n", rule: "struct"},
		{name: "name of an operation", old: "operationId: listAccountAuditLogs", new: "operationId: list audit logs", rule: "operation-operationId-url-safe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(string(openapi.Contract), test.old) {
				t.Fatalf("the contract does not hold %q", test.old)
			}
			file := filepath.Join(t.TempDir(), "auditlogs.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(string(openapi.Contract), test.old, test.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "node_modules/.bin/redocly", "lint", "--config", "redocly.yaml", file).CombinedOutput()
			if (err != nil) != (test.rule != "") || !strings.Contains(string(out), test.rule) {
				t.Errorf("%v, and wanted to hear of %q:\n%s", err, test.rule, out)
			}
		})
	}
}
