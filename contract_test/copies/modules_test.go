package copies

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A goMod is what go mod edit -json prints.
type goMod struct {
	Module  struct{ Path string }
	Require []struct{ Path string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// readModules reads each go.mod of the repository, by its folder.
func readModules(t *testing.T, root string) map[string]goMod {
	t.Helper()
	modules := map[string]goMod{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || name == "bin") {
			return fs.SkipDir
		}
		if err != nil || entry.Name() != "go.mod" {
			return err
		}
		var module goMod
		out := run(t, filepath.Join(root, path.Dir(name)), "go", "mod", "edit", "-json")
		if err := json.Unmarshal([]byte(out), &module); err != nil {
			return err
		}
		modules[path.Dir(name)] = module
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// TestModulesCanBeTagged looks for what a tag of a nested module needs: the order of tags is in
// CONTRIBUTING.md.
func TestModulesCanBeTagged(t *testing.T) {
	modules := readModules(t, "../..")
	root := modules["."]
	if len(root.Replace) > 0 {
		t.Error("the root module has a replace directive, with which go install refuses it")
	}
	ours := map[string]string{} // folders, by the module's path
	for folder, module := range modules {
		ours[module.Module.Path] = folder
	}
	for folder, module := range modules {
		// The consumer is an outsider, and named like one.
		if want := path.Join(root.Module.Path, folder); module.Module.Path != want && folder != "contract_test/consumer" {
			t.Errorf("%s/go.mod is the module %s: want %s, or its tags are not found", folder, module.Module.Path, want)
		}
		for _, required := range module.Require {
			home, ok := ours[required.Path]
			if !ok {
				continue
			}
			if home == folder {
				t.Errorf("%s/go.mod requires itself", folder)
			}
			want, err := filepath.Rel(folder, home)
			if err != nil {
				t.Fatal(err)
			}
			replaced := ""
			for _, r := range module.Replace {
				if r.Old.Path == required.Path && r.Old.Version == "" {
					replaced = strings.TrimSuffix(r.New.Path, "/")
				}
			}
			if replaced != filepath.ToSlash(want) {
				t.Errorf("%s/go.mod replaces %s by %q: want %q", folder, required.Path, replaced, filepath.ToSlash(want))
			}
		}
	}
}

// TestModulesAreKeptUpToDate looks for each module in the lists of modules.
func TestModulesAreKeptUpToDate(t *testing.T) {
	dependabot, err := os.ReadFile("../../.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	tidied := strings.Fields(strings.Join(regexp.MustCompile(`(?m)^(?:CODE|MODULES) := (.*)$`).FindAllString(string(makefile), -1), " "))
	for folder := range readModules(t, "../..") {
		if !slices.Contains(tidied, folder) {
			t.Errorf("%s is not among the CODE and MODULES of the Makefile", folder)
		}
		if want := "\n      - " + path.Join("/", folder) + "\n"; !strings.Contains(string(dependabot), want) {
			t.Errorf("%s is not in .github/dependabot.yml", folder)
		}
	}
}

// TestReleaseTag puts the tag of a nested module on the commit of a release.
func TestReleaseTag(t *testing.T) {
	root := t.TempDir()
	copyInto(t, root, "Makefile")
	run(t, root, "git", "init", "-q")
	run(t, root, "git", "config", "user.name", "t")
	run(t, root, "git", "config", "user.email", "t@example.com")
	for _, want := range []string{"", "v1.2.3"} {
		run(t, root, "git", "commit", "-q", "--allow-empty", "-m", "A commit")
		if want != "" {
			run(t, root, "git", "tag", want)
			run(t, root, "git", "tag", "-a", "-m", "Nested", "wrapper/other/v1.2.3")
		}
		if got := strings.TrimSpace(run(t, root, "make", "--no-print-directory", "release-tag")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
