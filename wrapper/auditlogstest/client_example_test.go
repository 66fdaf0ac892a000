package auditlogstest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

func list(server *auditlogstest.Server, query auditlogs.Query) (n int, err error) {
	client, err := auditlogs.New("any-token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		return 0, err
	}
	for _, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Entries of one's own, and what was asked of them.
func ExampleServer_Add() {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.Add(
		`{"id":"1","action":{"time":"2024-10-30T08:00:00Z"},"actor":{"email":"alice@example.com"}}`,
		map[string]any{"id": "2", "action": map[string]any{"time": "2024-10-30T09:00:00Z"}},
	)
	n, err := list(server, auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31", ActorEmail: []string{"alice@example.com"}})
	fmt.Println(n, err)
	fmt.Println(server.Requests()[0].Query["actor_email"])
	// Output:
	// 1 <nil>
	// [alice@example.com]
}

// The second request fails, and the client asks again; the fourth is refused, and that is final.
func ExampleServer_FailNext() {
	server := auditlogstest.NewServer(auditlogstest.WithMaxPageSize(1))
	defer server.Close()
	server.Add(
		`{"id":"1","action":{"time":"2024-10-30T08:00:00Z"}}`,
		`{"id":"2","action":{"time":"2024-10-30T09:00:00Z"}}`,
		`{"id":"3","action":{"time":"2024-10-30T10:00:00Z"}}`,
	)
	server.FailNext(
		auditlogstest.Fault{},
		auditlogstest.Fault{Cut: true, CutAt: 0.5},
		auditlogstest.Fault{},
		auditlogstest.Fault{Status: http.StatusForbidden},
	)
	n, err := list(server, auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"})
	fmt.Println(n, errors.Is(err, auditlogs.ErrForbidden))
	// Output:
	// 2 true
}

// A made-up history, the same in every run.
func ExampleWithHistory() {
	since := time.Date(2024, time.October, 1, 0, 0, 0, 0, time.UTC)
	before := since.AddDate(0, 1, 0)
	server := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Entries: 2500, Since: since, Before: before}))
	defer server.Close()
	n, err := list(server, auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "entries on", len(server.Requests()), "pages; the store holds", len(server.Stored(since, before)))
	// Output:
	// 2500 entries on 3 pages; the store holds 2500
}
