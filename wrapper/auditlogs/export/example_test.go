package export_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogstest"
)

func ExampleRun() {
	// A fake service replaces Cloudflare.
	server := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{
		Entries: 250,
		Since:   time.Date(2024, time.October, 1, 0, 0, 0, 0, time.UTC),
		Before:  time.Date(2024, time.November, 1, 0, 0, 0, 0, time.UTC),
	}))
	defer server.Close()
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "export")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	job := export.Job{
		Log:   client.Account(auditlogstest.AccountID),
		Query: auditlogs.Query{Since: auditlogs.Date(2024, time.October, 1), Before: auditlogs.Date(2024, time.November, 1)},
		Path:  filepath.Join(folder, "october.ndjson.gz"),
	}
	// After a failure or a crash, the same job continues.
	result, err := export.Run(context.Background(), job)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Entries, "entries in", result.File)

	// A year later: is this still what was exported?
	manifest, err := export.Check(context.Background(), job.Path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("unchanged, from", manifest.Window.Since, "to", manifest.Window.Before)
	// Output:
	// 250 entries in october.ndjson.gz
	// unchanged, from 2024-10-01 to 2024-11-01
}
