package archive_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogs/export"
)

// A search for late entries that was interrupted forgets which of several that are alike it had
// found in the day already.
func TestLateEntriesThatAreAlikeSurviveAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const alike = `{"action":{"time":"2026-11-10T01:00:00Z"}}`
		server := newFake(t)
		folder := t.TempDir()
		job := archive.Job{Log: newClient(t, server).Account(account), Folder: folder, Since: first, PageSize: 1}
		server.Add(alike)
		sleepUntil(second.Add(time.Hour))
		keep(t, job)
		server.Add(alike)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		job.Progress = func(p export.Progress) {
			if p.Pages == 1 {
				cancel()
			}
		}
		if err := archive.Keep(ctx, job); err == nil {
			t.Fatal("the run was not interrupted")
		}
		job.Progress = nil
		keep(t, job)
		if late := lines(t, folder)[account+"/2026/11/10.late-1.ndjson.zst"]; len(late) != 1 {
			t.Errorf("the supplement holds %q, want one entry", late)
		}
		check(t, folder)
	})
}
