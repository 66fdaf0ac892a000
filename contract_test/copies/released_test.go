package copies

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	gomodule "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestReleasedModulesAreFound publishes the root module and the receiver as CONTRIBUTING.md tags
// them, in a module proxy of files, and uses them from outside of the repository: without the
// replacements that the repository itself has.
func TestReleasedModulesAreFound(t *testing.T) {
	const released = "v1.2.3"
	repository, proxy, outside := t.TempDir(), t.TempDir(), t.TempDir()
	copyRepository(t, repository)
	receiver := filepath.Join(repository, "wrapper", "auditlogsreceiver")
	run(t, receiver, "go", "mod", "edit", "-require=cfaudit.example@"+released)
	publish(t, proxy, "cfaudit.example", released, repository)
	publish(t, proxy, "cfaudit.example/wrapper/auditlogsreceiver", released, receiver)

	// The versions must not stay in a module cache that outlives the test, where its next run would
	// find them. What is in that cache is not downloaded again.
	settings := strings.Fields(run(t, outside, "go", "env", "GOMODCACHE", "GOPROXY"))
	t.Setenv("GOPROXY", "file://"+filepath.ToSlash(proxy)+",file://"+filepath.ToSlash(settings[0])+"/cache/download,"+settings[1])
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GONOSUMDB", "cfaudit.example")
	t.Setenv("GOBIN", filepath.Join(outside, "bin"))
	defer run(t, outside, "go", "clean", "-modcache") // Its files are read-only.
	run(t, outside, "go", "install", "cfaudit.example/cmd/cfaudit@"+released)
	run(t, outside, filepath.Join(outside, "bin", "cfaudit"), "list", "--demo", "--max", "1", "--since", "1d")

	write(t, filepath.Join(outside, "main.go"), []byte(`package main

import receiver "cfaudit.example/wrapper/auditlogsreceiver"

func main() { println(receiver.NewFactory().Type().String()) }
`))
	run(t, outside, "go", "mod", "init", "outside.example")
	run(t, outside, "go", "get", "cfaudit.example/wrapper/auditlogsreceiver@"+released)
	if got := run(t, outside, "go", "run", "."); got != "cloudflare_audit\n" {
		t.Errorf("the receiver from outside is %q", got)
	}
	if got := run(t, outside, "go", "list", "-m", "cfaudit.example"); got != "cfaudit.example "+released+"\n" {
		t.Errorf("the receiver brings the root module %q, want %s", got, released)
	}
}

// publish puts a version of a module in a proxy of files, with what git would take of the folder.
func publish(t *testing.T, proxy, path, version, folder string) {
	t.Helper()
	at := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(at, "list"), []byte(version+"\n"))
	write(t, filepath.Join(at, version+".info"), []byte(`{"Version": "`+version+`", "Time": "2026-01-01T00:00:00Z"}`))
	write(t, filepath.Join(at, version+".mod"), mod)
	file, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	if err := zip.CreateFromDir(file, gomodule.Version{Path: path, Version: version}, folder); err != nil {
		t.Fatal(err)
	}
}
