package export_test

import (
	"os"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
)

// Only what the job keeps is in the file and its counts, in an interrupted export too.
func TestKeep(t *testing.T) {
	f := newFixture(t, "audit.ndjson")
	noon := since.Add(12 * 60 * 60 * 1e9)
	f.job.Keep = func(e *auditlogs.Entry) bool { return e.Action.Time.Before(noon) }
	f.interrupt(t, 2)
	result := f.run(t)
	var want strings.Builder
	n := 0
	for _, entry := range f.server.Stored(since, noon) {
		want.Write(entry)
		want.WriteByte('\n')
		n++
	}
	if got, err := os.ReadFile(f.job.Path); err != nil || string(got) != want.String() {
		t.Errorf("%v, %d bytes, want %d", err, len(got), want.Len())
	}
	if result.Entries != int64(n) || n == 0 || n == 200 {
		t.Errorf("%d entries, want %d", result.Entries, n)
	}
	if _, err := export.Check(t.Context(), f.job.Path); err != nil {
		t.Error(err)
	}
}
