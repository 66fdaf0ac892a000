package follow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

// A fake service with three entries of the last minutes replaces Cloudflare in these examples.
func exampleServer() *auditlogstest.Server {
	server := auditlogstest.NewServer()
	for i, id := range []string{"1", "2", "3"} {
		server.Add(made(id, time.Now().Add(time.Duration(i-10)*time.Minute)))
	}
	return server
}

func exampleClient(server *auditlogstest.Server) *auditlogs.Client {
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// A service that keeps a SIEM up to date, until it is told to stop.
func ExampleFollower_Run() {
	server := exampleServer()
	defer server.Close()
	folder, err := os.MkdirTemp("", "follow")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	store, err := follow.OpenFile(filepath.Join(folder, "audit-log.state"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	follower, err := follow.New(exampleClient(server).Account(auditlogstest.AccountID), auditlogs.Query{}, store)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background()) // mostly from signal.NotifyContext
	err = follower.Run(ctx, func(_ context.Context, batch follow.Batch) error {
		for _, entry := range batch.Entries {
			fmt.Println(entry.ID, entry.Actor.Email) // to where it belongs
		}
		stop()
		return nil // acknowledged: these entries do not come again
	})
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// 1 alice@example.com
	// 2 alice@example.com
	// 3 alice@example.com
	// true
}

// A job that a clock starts resumes where the one before ended.
func ExampleFollower_CatchUp() {
	server := exampleServer()
	defer server.Close()
	store := &memoryStore{} // mostly a file, or a row in a database

	job := func() {
		follower, err := follow.New(exampleClient(server).Account(auditlogstest.AccountID), auditlogs.Query{}, store)
		if err != nil {
			log.Fatal(err)
		}
		err = follower.CatchUp(context.Background(), func(_ context.Context, batch follow.Batch) error {
			fmt.Println(len(batch.Entries), "entries,", batch.Late, "late")
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	job()
	server.Add(made("4", time.Now().Add(-5*time.Minute))) // appeared only now
	server.Add(made("5", time.Now().Add(-4*time.Minute)))
	job()
	// Output:
	// 3 entries, 0 late
	// 2 entries, 2 late
}

// Several accounts share a client, and so its request budget. Each has its own state.
func ExampleRun() {
	server := exampleServer()
	defer server.Close()
	client := exampleClient(server)

	var followers []*follow.Follower
	for _, account := range []string{"0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"} {
		follower, err := follow.New(client.Account(account), auditlogs.Query{}, &memoryStore{})
		if err != nil {
			log.Fatal(err)
		}
		followers = append(followers, follower)
	}
	ctx, stop := context.WithCancel(context.Background())
	total := 0
	err := follow.Run(ctx, func(_ context.Context, batch follow.Batch) error {
		if total += len(batch.Entries); total == 6 {
			stop()
		}
		return nil
	}, followers...)
	fmt.Println(total, errors.Is(err, context.Canceled))
	// Output:
	// 6 true
}

// The health of a follower, for any system of metrics.
func ExampleWithObserver() {
	server := exampleServer()
	defer server.Close()
	follower, err := follow.New(exampleClient(server).Account(auditlogstest.AccountID), auditlogs.Query{}, &memoryStore{},
		follow.WithObserver(func(h follow.Health) {
			if h.Entries > 0 && !h.Ended {
				fmt.Println("entries:", h.Entries, "late:", h.Late, "lag:", h.Lag.Round(time.Minute), "failures:", h.Failures)
			}
		}))
	if err != nil {
		log.Fatal(err)
	}
	if err := follower.CatchUp(context.Background(), func(context.Context, follow.Batch) error { return nil }); err != nil {
		log.Fatal(err)
	}
	// Output:
	// entries: 3 late: 0 lag: 0s failures: 0
}

// What is wrong is said before the first request.
func ExampleNew() {
	server := exampleServer()
	defer server.Close()
	_, err := follow.New(exampleClient(server).Account(auditlogstest.AccountID), auditlogs.Query{Before: "2024-10-31"}, &memoryStore{})
	fmt.Println(err)
	_, err = follow.New(exampleClient(server).Account(auditlogstest.AccountID), auditlogs.Query{}, &memoryStore{}, follow.WithInterval(0))
	fmt.Println(err)
	// Output:
	// follow: invalid query: before is given, and a follower has no end: want it empty
	// follow: interval is 0s: want a second or more, such as 1m
}
