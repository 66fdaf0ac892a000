package copies

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewFormat adds a line to the list of formats, in a copy of the repository, and expects every
// command that writes entries to know the format.
func TestNewFormat(t *testing.T) {
	root := t.TempDir()
	copyRepository(t, root)
	path := filepath.Join(root, "wrapper", "auditlogs", "format", "format.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = insertBefore(t, text, "	{name: NameCSV,", `	{name: "ids", ends: []string{".ids"}, make: func(Options) Format { return ids{} }},
`)
	write(t, path, append(text, []byte(`
type ids struct{}

func (ids) Header(b []byte) []byte                    { return b }
func (ids) Entry(b []byte, e *auditlogs.Entry) []byte { return append(append(b, "id "+e.ID...), '\n') }
`)...))

	program := filepath.Join(root, "cfaudit")
	run(t, root, "go", "build", "-o", program, "./cmd/cfaudit")
	file, state := filepath.Join(root, "audit.ids"), filepath.Join(root, "audit.state")
	run(t, root, program, "export", "--demo", "--since", "2d", "--out", file)
	exported, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, out := range map[string]string{
		"export": string(exported),
		"list":   run(t, root, program, "list", "--demo", "--since", "2d", "--format", "ids"),
		"follow": run(t, root, program, "follow", "--demo", "--since", "2d", "--once", "--state", state, "--format", "ids"),
	} {
		if strings.Count(out, "id ") < 100 || strings.Contains(out, "{") {
			t.Errorf("%s does not write the new format: %.200s", what, out)
		}
	}
	if help := run(t, root, program, "list", "--help"); !strings.Contains(help, "ids") {
		t.Errorf("the help of list lacks the new format:\n%s", help)
	}
}
