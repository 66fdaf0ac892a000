package summary_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/summary"
	"cfaudit.example/wrapper/auditlogstest"
)

func ExampleOf() {
	since := time.Date(2026, time.October, 1, 0, 0, 0, 0, time.UTC)
	before := since.AddDate(0, 0, 30)
	server := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{
		Entries: 5000, Since: since, Before: before, Incident: since.AddDate(0, 0, 25),
	}))
	defer server.Close()
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		log.Fatal(err)
	}

	query := auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before)}
	entries := client.Account(auditlogstest.AccountID).Entries(context.Background(), query)
	made, err := summary.Of(entries, summary.Options{Since: since, Before: before})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.Entries, "entries")
	for _, hint := range made.Hints[:3] {
		fmt.Printf("%s: %d, by %s\n", hint.Title, hint.Entries, hint.Cases[0].Who)
	}
	// Output:
	// 5000 entries
	// Security settings weakened: 9, by heidi@example.com
	// Deletions in bulk: 24, by heidi@example.com
	// Sign-ins in bursts: 39, by erin@example.com
}
