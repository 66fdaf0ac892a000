package copies

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// TestExportDays runs the script that the packages install for a file a day twice. It is for
// systems with the date of GNU or busybox.
func TestExportDays(t *testing.T) {
	const script = "../../cmd/cfaudit/packaging/export-days"
	now := time.Now()
	server := auditlogstest.NewServer(auditlogstest.WithT(t),
		auditlogstest.WithHistory(auditlogstest.History{Entries: 2500, Since: now.AddDate(0, 0, -10), Before: now}))
	defer server.Close()
	folder := t.TempDir()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	run(t, root, "go", "build", "-o", filepath.Join(folder, "cfaudit"), "./cmd/cfaudit")
	asked := 0
	for range 2 {
		command := exec.CommandContext(t.Context(), "sh", script, folder)
		command.Env = append(os.Environ(), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"),
			"CLOUDFLARE_BASE_URL="+server.URL, "CLOUDFLARE_API_TOKEN=any", "CLOUDFLARE_ACCOUNT_ID="+auditlogstest.AccountID)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if asked == 0 {
			asked = len(server.Requests())
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "audit-*.ndjson.gz"))
	if err != nil || len(files) != 7 || len(server.Requests()) != asked {
		t.Errorf("%v, %v; %d requests, and then %d more", files, err, asked, len(server.Requests())-asked)
	}
}
