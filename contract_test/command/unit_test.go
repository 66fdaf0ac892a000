package command

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// TestFollowUnit runs what the packages' service runs, stops it as systemd would, and expects the
// status that the unit calls a success.
func TestFollowUnit(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the unit is for systems with a shell")
		return
	}
	unit, err := os.ReadFile(filepath.Join("..", "..", "cmd", "cfaudit", "packaging", "cfaudit-follow.service"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ExecStart=/bin/sh -c '(exec cfaudit follow .*)'$`).FindSubmatch(unit)
	if line == nil {
		t.Fatal("the unit does not run follow")
	}
	server := auditlogstest.NewServer(auditlogstest.WithTokens(token), auditlogstest.WithHistory(auditlogstest.History{
		Entries: 1500, Since: time.Now().Add(-20 * 24 * time.Hour), Before: time.Now().Add(-time.Hour)}))
	defer server.Close()
	state, logs, folder := t.TempDir(), t.TempDir(), t.TempDir()
	cmd := exec.Command("/bin/sh", "-c", string(line[1]))
	cmd.Env = []string{
		"PATH=" + programs,
		"CLOUDFLARE_API_TOKEN=" + token, "CLOUDFLARE_ACCOUNT_ID=" + auditlogstest.AccountID, "CLOUDFLARE_BASE_URL=" + server.URL,
		"STATE_DIRECTORY=" + state, "LOGS_DIRECTORY=" + logs, "RUNTIME_DIRECTORY=" + folder,
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	audit := filepath.Join(logs, "audit.ndjson")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if data, _ := os.ReadFile(audit); bytes.Count(data, []byte("\n")) == 1500 {
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
	for _, name := range []string{filepath.Join(state, "audit.state"), filepath.Join(folder, "status.json")} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// TestArchiveUnit runs what the packages' timer starts, twice, and checks what that has kept.
func TestArchiveUnit(t *testing.T) {
	unit, err := os.ReadFile(filepath.Join("..", "..", "cmd", "cfaudit", "packaging", "cfaudit-archive.service"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/cfaudit (archive .*)$`).FindSubmatch(unit)
	if line == nil {
		t.Fatal("the unit does not run archive")
	}
	now := time.Now()
	server := auditlogstest.NewServer(auditlogstest.WithTokens(token), auditlogstest.WithHistory(auditlogstest.History{
		Entries: 1500, Since: now.AddDate(0, 0, -10), Before: now}))
	defer server.Close()
	folder := filepath.Join(t.TempDir(), "audit")
	words := strings.Fields(strings.ReplaceAll(string(line[1]), "/var/lib/cfaudit", folder))
	for _, arguments := range [][]string{words, words, {"archive", "--check", folder}} {
		cmd := exec.Command(filepath.Join(programs, "cfaudit"), arguments...)
		cmd.Env = append(os.Environ(), "CLOUDFLARE_API_TOKEN="+token, "CLOUDFLARE_ACCOUNT_ID="+auditlogstest.AccountID, "CLOUDFLARE_BASE_URL="+server.URL)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	days, err := filepath.Glob(filepath.Join(folder, auditlogstest.AccountID, "*", "*", "??.ndjson.zst"))
	if err != nil || len(days) < 29 || len(days) > 30 {
		t.Errorf("%d days, %v", len(days), err)
	}
}

// TestReadmeCommands has the command read the flags of each line in the READMEs that calls it. With
// --help it then does no more.
func TestReadmeCommands(t *testing.T) {
	placeholders := map[string]string{"ID": auditlogstest.AccountID, "TIME": "2026-10-30T15:00:00Z"}
	lines := 0
	folder := t.TempDir() // with the archives that the lines read
	if err := os.Mkdir(filepath.Join(folder, "audit"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"october.ndjson.gz", "november.ndjson.gz"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, room := range []string{".", "cmd/cfaudit", "wrapper/auditlogs", "wrapper/auditlogs/export", "wrapper/auditlogs/archive", "wrapper/auditlogs/follow"} {
		readme, err := os.ReadFile(filepath.Join("..", "..", room, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range regexp.MustCompile(`(?m)^cfaudit ([^#>|\n]*)`).FindAllStringSubmatch(string(readme), -1) {
			lines++
			words := strings.Fields(strings.ReplaceAll(line[1], "'", ""))
			for i, word := range words {
				words[i] = cmp.Or(placeholders[word], word)
			}
			cmd := exec.Command(filepath.Join(programs, "cfaudit"), append(words, "--help")...)
			cmd.Dir = folder
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("Usage:")) {
				t.Errorf("%s: cfaudit %s: %v\n%s", room, line[1], err, out)
			}
		}
	}
	if lines < 10 {
		t.Errorf("the READMEs have %d lines that call the command: want 10 at least", lines)
	}
}
