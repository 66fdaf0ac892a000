package copies

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// TestReadmeExport does what the README tells somebody to do who wants a file a day: it takes the
// script from there, and runs it twice. It is for systems with the date of GNU or busybox.
func TestReadmeExport(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script := regexp.MustCompile("(?s)```sh\n(#!/bin/sh\n.*?)```").FindSubmatch(readme)
	if script == nil {
		t.Fatal("the README shows no script")
	}
	now := time.Now()
	server := auditlogstest.NewServer(auditlogstest.WithT(t),
		auditlogstest.WithHistory(auditlogstest.History{Entries: 2500, Since: now.AddDate(0, 0, -10), Before: now}))
	defer server.Close()
	folder := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	run(t, root, "go", "build", "-o", filepath.Join(folder, "cfaudit"), "./cmd/cfaudit")
	write(t, filepath.Join(folder, "export-days"), script[1])
	asked := 0
	for range 2 {
		command := exec.CommandContext(t.Context(), "sh", filepath.Join(folder, "export-days"), folder)
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
