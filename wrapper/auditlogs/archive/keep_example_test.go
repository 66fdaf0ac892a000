package archive_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogstest"
)

func ExampleKeep() {
	// A fake service replaces Cloudflare.
	today := time.Now().UTC().Truncate(24 * time.Hour)
	server := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Entries: 300, Since: today.AddDate(0, 0, -3), Before: today.AddDate(0, 0, -1)}))
	defer server.Close()
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "archive")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	// Run it every night. After a failure or a crash, the same job continues.
	ctx := context.Background()
	err = archive.Keep(ctx, archive.Job{Log: client.Account(auditlogstest.AccountID), Folder: folder, Since: today.AddDate(0, 0, -3)})
	if err != nil {
		log.Fatal(err)
	}

	// A year later: is all of it still what was sealed?
	report, err := archive.Check(ctx, folder)
	if err != nil {
		log.Fatal(err)
	}
	kept := report.Logs[0]
	fmt.Printf("%s: %d entries, unchanged\n", kept.Log, kept.Entries)
	// Keep the digest where nobody can change it, and give it to later checks.
	_, err = archive.Check(ctx, folder, kept.Digest)
	fmt.Println(err)
	// Output:
	// account 4bb334f7c94c4a29a045f03944f072e5: 300 entries, unchanged
	// <nil>
}
