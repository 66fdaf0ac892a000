package crash

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// TestExportOnFullDisk gives the program files that take no more than so many bytes, which needs no
// disk of its own. The same command, with more room, continues.
func TestExportOnFullDisk(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithTokens(token), auditlogstest.WithHistory(auditlogstest.History{
		Entries: 2000, Since: exportSince, Before: exportBefore,
	}))
	defer server.Close()
	for _, name := range []string{"audit.ndjson", "audit.ndjson.gz", "audit.ndjson.zst"} {
		path := filepath.Join(t.TempDir(), name)
		export := func() *exec.Cmd {
			return command(server, "export", "--since", auditlogs.Time(exportSince), "--before", auditlogs.Time(exportBefore), "--out", path, "--page-size", "100", "--rate", "0")
		}
		failed := 0
		for _, blocks := range []int{0, 1, 64, 200, 1000, 2000} {
			cmd := export()
			// Of 512 bytes each.
			limited := exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -f %d; exec "$@"`, blocks), "sh"}, cmd.Args...)...)
			limited.Env = cmd.Env
			code, stderr := finish(limited)
			if code == 0 {
				continue // What is left fits.
			}
			failed++
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if code != 1 || !strings.Contains(stderr, "file too large") || !strings.HasPrefix(lines[len(lines)-1], "cfaudit export ") {
				t.Fatalf("%s, %d blocks: exit %d: %s", name, blocks, code, stderr)
			}
		}
		if failed < 3 {
			t.Errorf("%s: the disk was full only %d times", name, failed)
		}
		if code, stderr := finish(export()); code != 0 {
			t.Fatalf("%s: exit %d: %s", name, code, stderr)
		}
		if code, stderr := finish(command(server, "export", "--check", path)); code != 0 {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
		if name != "audit.ndjson" {
			continue
		}
		stored := server.Stored(exportSince, exportBefore)
		if lost, twice := examine(t, path, stored, stored); lost+twice > 0 {
			t.Errorf("%s: %d lost, %d twice", name, lost, twice)
		}
	}
}
