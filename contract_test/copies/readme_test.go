package copies

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// readme reads the README of a room, named by its path from the root.
func readme(t *testing.T, room string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(room), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// module makes a module that finds this one by its folder, as the root README tells a newcomer to
// do.
func module(t *testing.T) (folder string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	run(t, folder, "go", "mod", "init", "example.com/whodidit")
	run(t, folder, "go", "mod", "edit", "-replace", "cfaudit.example="+root)
	return folder
}

// TestReadmeProgram runs the root README's program as it stands, against the fake and with nothing
// set.
func TestReadmeProgram(t *testing.T) {
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindStringSubmatch(readme(t, "."))
	if program == nil {
		t.Fatal("the README shows no program")
	}
	now := time.Now()
	server := auditlogstest.NewServer(auditlogstest.WithT(t),
		auditlogstest.WithHistory(auditlogstest.History{Entries: 2500, Since: now.Add(-20 * time.Hour), Before: now}))
	defer server.Close()
	folder := module(t)
	write(t, filepath.Join(folder, "main.go"), []byte(program[1]))
	run(t, folder, "go", "mod", "tidy")
	run(t, folder, "go", "build", "-o", "whodidit", ".")
	whodidit := func(environment ...string) (string, error) {
		command := exec.CommandContext(t.Context(), filepath.Join(folder, "whodidit"))
		command.Env = append(os.Environ(), environment...)
		out, err := command.CombinedOutput()
		return string(out), err
	}

	out, err := whodidit("CLOUDFLARE_BASE_URL="+server.URL, "CLOUDFLARE_API_TOKEN=any", "CLOUDFLARE_ACCOUNT_ID="+auditlogstest.AccountID)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if lines := strings.Count(out, "\n"); lines != 2500 || !strings.Contains(out, "alice@example.com") {
		t.Errorf("printed %d lines, and the fake has 2500 entries", lines)
	}

	// Without a base URL it would ask Cloudflare. It complains about the account before any
	// request.
	out, err = whodidit("CLOUDFLARE_BASE_URL=", "CLOUDFLARE_API_TOKEN=any", "CLOUDFLARE_ACCOUNT_ID=")
	if err == nil || !strings.Contains(out, "account_id") {
		t.Errorf("with nothing but a token it ends with %v and prints %q: want an error about the account", err, out)
	}
}

// fragmentNames are what the fragments of Go in the READMEs take for granted.
const fragmentNames = `package fragments

import (
	"context"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

var (
	ctx       context.Context
	client    *auditlogs.Client
	accountID string
	query     auditlogs.Query
	entry     *auditlogs.Entry
	incident  time.Time
	server    *auditlogstest.Server
	t         *testing.T
	handle    func(*auditlogs.Entry) error
	save      func(string)
	load      func() string
	send      func(context.Context, []*auditlogs.Entry) error
)
`

// TestReadmeFragments compiles each fragment of Go in the READMEs.
func TestReadmeFragments(t *testing.T) {
	folder := module(t)
	write(t, filepath.Join(folder, "names.go"), []byte(fragmentNames))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```")
	fragments := 0
	for _, room := range []string{".", "cmd/cfaudit", "wrapper/auditlogs", "wrapper/auditlogs/export", "wrapper/auditlogs/archive", "wrapper/auditlogs/follow", "wrapper/auditlogstest",
		"openapi", "contract_test"} {
		text := readme(t, room)
		for _, block := range blocks.FindAllStringSubmatchIndex(text, -1) {
			code, line := text[block[2]:block[3]], 1+strings.Count(text[:block[2]], "\n")
			if strings.HasPrefix(code, "package ") {
				continue
			}
			fragments++
			var imports strings.Builder
			for _, name := range []string{"context", "fmt", "os", "time", "cfaudit.example/wrapper/auditlogs", "cfaudit.example/wrapper/auditlogs/export",
				"cfaudit.example/wrapper/auditlogs/archive", "cfaudit.example/wrapper/auditlogs/follow", "cfaudit.example/wrapper/auditlogstest"} {
				fmt.Fprintf(&imports, "import %q\n", name)
			}
			write(t, filepath.Join(folder, fmt.Sprintf("fragment%d.go", fragments)), fmt.Appendf(nil,
				"package fragments\n\n%s\nfunc fragment%d() error {\n{\n//line %s:%d\n%s}\nreturn nil\n}\n", imports.String(), fragments, path.Join(room, "README.md"), line, code))
		}
	}
	run(t, folder, "go", "mod", "tidy")
	out, err := try(t, folder, "go", "build", "-gcflags=-e", ".")
	unused := regexp.MustCompile(`^# |declared and not used|imported and not used`)
	wrong := slices.DeleteFunc(strings.Split(strings.TrimSpace(out), "\n"), unused.MatchString)
	if len(wrong) > 0 || err == nil || fragments < 5 {
		t.Errorf("%d fragments, %v:\n%s", fragments, err, strings.Join(wrong, "\n"))
	}
}
