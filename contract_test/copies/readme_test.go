package copies

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogstest"
)

// TestReadmeProgram does what the README tells a newcomer to do: it takes the program from there as
// it stands, in a module of its own, and runs it against the fake.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	if program == nil {
		t.Fatal("the README shows no program")
	}
	now := time.Now()
	server := auditlogstest.NewServer(auditlogstest.WithT(t),
		auditlogstest.WithHistory(auditlogstest.History{Entries: 2500, Since: now.Add(-20 * time.Hour), Before: now}))
	defer server.Close()

	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	module := t.TempDir()
	write(t, filepath.Join(module, "main.go"), program[1])
	run(t, module, "go", "mod", "init", "example.com/whodidit")
	run(t, module, "go", "mod", "edit", "-replace", "cfaudit.example="+root)
	run(t, module, "go", "mod", "tidy")
	run(t, module, "go", "build", "-o", "whodidit", ".")
	command := exec.CommandContext(t.Context(), filepath.Join(module, "whodidit"))
	command.Env = append(os.Environ(), "CLOUDFLARE_BASE_URL="+server.URL, "CLOUDFLARE_API_TOKEN=any", "CLOUDFLARE_ACCOUNT_ID="+auditlogstest.AccountID)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if lines := strings.Count(string(out), "\n"); lines != 2500 || !strings.Contains(string(out), "alice@example.com") {
		t.Errorf("printed %d lines, and the fake holds 2500 entries", lines)
	}
}

// TestReadmeColumns compares the README's list of columns with those that there are.
func TestReadmeColumns(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?s)new ones are added after the last:(.*?)\.\n\n`).FindSubmatch(readme)
	if list == nil {
		t.Fatal("the README shows no columns")
	}
	var columns []string
	for _, column := range regexp.MustCompile("`([a-z_.]+)`").FindAllSubmatch(list[1], -1) {
		columns = append(columns, string(column[1]))
	}
	if !slices.Equal(columns, format.Columns()) {
		t.Errorf("the README shows %v, and there are %v", columns, format.Columns())
	}
}
