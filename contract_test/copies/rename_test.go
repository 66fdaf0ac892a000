package copies

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestRename gives a copy of the module another path, and looks whether everything still builds and
// nothing keeps the old.
func TestRename(t *testing.T) {
	root := t.TempDir()
	copyRepository(t, root)
	run(t, root, "git", "init", "-q")
	run(t, root, "make", "rename", "MODULE=github.com/acme/audit")
	old := []byte("cfaudit" + ".example")
	for name, text := range readTree(t, root) {
		if bytes.Contains(text, old) {
			t.Errorf("%s still names %s", name, old)
		}
	}
	run(t, root, "go", "vet", "./...")
	run(t, root+"/contract_test", "go", "vet", "./...")
	run(t, root+"/contract_test/consumer", "go", "vet", "./...")
	for folder := range readModules(t, root) {
		run(t, filepath.Join(root, folder), "go", "list", "-deps", "./...")
	}
	run(t, root+"/wrapper/auditlogsreceiver", "go", "vet", "./...")
	if err := os.Mkdir(root+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, root+"/wrapper/auditlogsreceiver/distribution", "go", "tool", "-modfile=../tools/go.mod", "builder", "--config", "builder.yaml", "--skip-compilation")
	run(t, root+"/bin/collector", "go", "list", "-deps", ".")
	run(t, root, "make", "compatible")
	run(t, root, "make", "licences")
	if out := run(t, root, "go", "run", "./cmd/cfaudit", "version"); len(out) == 0 {
		t.Error("the renamed command prints nothing")
	}
}
