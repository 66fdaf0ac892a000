package copies

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// copyRepository copies what the repository consists of, without its history and without what only
// lies about in it.
func copyRepository(t *testing.T, root string) {
	t.Helper()
	for _, name := range []string{
		"openapi", "gen", "wrapper", "cmd", "contract_test", "generate.go", "go.mod", "go.sum", "Makefile", "README.md",
		"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ".ci", ".editorconfig", ".gitattributes", ".github", ".gitignore",
		".goreleaser.yaml",
	} {
		copyInto(t, root, name)
	}
}

// copyInto copies a file or a folder of the repository.
func copyInto(t *testing.T, root, name string) {
	t.Helper()
	source := filepath.Join("../..", name)
	info, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(root, name)
	if info.IsDir() {
		err = os.CopyFS(target, tidy{os.DirFS(source)})
	} else if text, readErr := os.ReadFile(source); readErr != nil {
		err = readErr
	} else {
		err = os.WriteFile(target, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A tidy file system does not show what npm has installed.
type tidy struct{ fs.FS }

func (t tidy) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(t.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "node_modules" }), err
}

func readTree(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(filepath.Join(root, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// write replaces a file of the copy. It may be read-only there, as it is in a module cache.
func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in a folder of the copy, and returns what it prints.
func run(t *testing.T, directory, name string, arguments ...string) string {
	t.Helper()
	out, err := try(t, directory, name, arguments...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, out)
	}
	return out
}

// try runs a command that may fail.
func try(t *testing.T, directory, name string, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "CFAUDIT_LIVE=")
	start := time.Now()
	out, err := command.CombinedOutput()
	t.Logf("%s %s: %s", name, strings.Join(arguments, " "), time.Since(start).Round(10*time.Millisecond))
	return string(out), err
}
