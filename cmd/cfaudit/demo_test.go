package main

import (
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// The demo's entries appear as late as they do in the service: none within 167 seconds, all after
// 450.
func TestDemoIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newDemo(time.Now())
		defer server.Close()
		client, err := auditlogs.New("any", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseIdleConnections()
		time.Sleep(10 * time.Hour)
		young := 0
		for range 200 {
			time.Sleep(time.Minute)
			now := time.Now()
			young += len(server.Stored(now.Add(-167*time.Second), now))
			listed := 0
			query := auditlogs.Query{Since: auditlogs.Time(now.Add(-time.Hour)), Before: auditlogs.Time(now)}
			for entry, err := range client.Account(auditlogstest.AccountID).Entries(t.Context(), query) {
				if err != nil {
					t.Fatal(err)
				}
				listed++
				if age := now.Sub(entry.Action.Time); age < 167*time.Second {
					t.Fatalf("an entry appears after %v", age)
				}
			}
			if settled := len(server.Stored(now.Add(-time.Hour), now.Add(-450*time.Second))); listed < settled {
				t.Fatalf("%d entries are listed, and %d are older than 450 seconds", listed, settled)
			}
		}
		if young == 0 {
			t.Error("no entry was ever young, so that nothing was shown")
		}
	})
}
