package command

import (
	"bytes"
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

// TestReadmeUnit runs what the README's service runs, stops it as systemd would, and expects the
// status that the unit calls a success.
func TestReadmeUnit(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the unit is for systems with a shell")
		return
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ExecStart=/bin/sh -c '(exec /usr/local/bin/cfaudit follow .*)'$`).FindSubmatch(readme)
	if line == nil {
		t.Fatal("the README has no unit for follow")
	}
	server := auditlogstest.NewServer(auditlogstest.WithTokens(token), auditlogstest.WithHistory(auditlogstest.History{
		Entries: 1500, Since: time.Now().Add(-20 * 24 * time.Hour), Before: time.Now().Add(-time.Hour)}))
	defer server.Close()
	state, logs, folder := t.TempDir(), t.TempDir(), t.TempDir()
	cmd := exec.Command("/bin/sh", "-c", strings.Replace(string(line[1]), "/usr/local/bin/cfaudit", filepath.Join(programs, "cfaudit"), 1))
	cmd.Env = []string{
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
