package crash

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

var (
	exportSince  = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)
	exportBefore = time.Date(2024, 10, 11, 0, 0, 0, 0, time.UTC)
)

// TestExportKills kills exports of an account and an organization. Each that becomes complete is
// looked at, and the next starts.
func TestExportKills(t *testing.T) {
	w := newWorld(t, 50*time.Millisecond, func() time.Time {
		// Anywhere in the window, also where the export has been.
		return exportSince.Add(rand.N(exportBefore.Sub(exportSince))).Truncate(time.Minute)
	}, auditlogstest.WithHistory(auditlogstest.History{Entries: 4000, Since: exportSince, Before: exportBefore}), auditlogstest.WithLatency(15*time.Millisecond))
	folder := t.TempDir()
	var (
		path                            string
		before, ofOrganization          []json.RawMessage
		complete, entries, twice, lost  int
		resumed, longest, killsOfExport int
	)
	begin := func() {
		path = filepath.Join(folder, "audit-"+strconv.Itoa(complete)+"-{account}.ndjson")
		before, ofOrganization = w.server.Stored(exportSince, exportBefore), w.server.StoredOrganization(exportSince, exportBefore)
		killsOfExport = 0
	}
	begin()
	k := &killing{
		kills: kills(t), within: 700 * time.Millisecond,
		command: func() *exec.Cmd {
			return command(w.server, append(append([]string{"export"}, both...), "--since", auditlogs.Time(exportSince), "--before", auditlogs.Time(exportBefore), "--out", path, "--rate", "0", "--page-size", "150")...)
		},
		killed: func() { killsOfExport++ },
	}
	k.ended = func(t *testing.T, code int, stderr string) {
		t.Helper()
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		files := []string{strings.ReplaceAll(path, "{account}", auditlogstest.AccountID), strings.ReplaceAll(path, "{account}", "organization-"+auditlogstest.OrganizationID)}
		l, d := examine(t, files[0], before, w.server.Stored(exportSince, exportBefore))
		lost, twice = lost+l, twice+d
		l, d = examine(t, files[1], ofOrganization, w.server.StoredOrganization(exportSince, exportBefore))
		lost, twice = lost+l, twice+d
		entries += len(before) + len(ofOrganization)
		complete++
		if killsOfExport > 0 {
			resumed++
		}
		longest = max(longest, killsOfExport)
		for _, file := range files {
			if code, stderr := finish(command(w.server, "export", "--check", file)); code != 0 {
				t.Errorf("--check: exit %d: %s", code, stderr)
			}
			_ = os.Remove(file)
		}
		begin()
	}
	k.run(t)
	w.rest()
	// The last one is not killed any more.
	if code, stderr, _ := k.once(t, 0); !t.Failed() {
		k.ended(t, code, stderr)
	}
	t.Logf("%d kills in %d runs of %d exports, %d of them killed, up to %d times: %d entries, %d lost, %d twice; %d entries arrived meanwhile",
		k.done, k.runs, complete, resumed, longest, entries, lost, twice, w.added)
	if lost+twice > 0 || resumed == 0 {
		t.Fail()
	}
}

// examine compares a file with the entries of the fake before and after the export: those from
// before must be in the file, byte for byte and once, newer ones may be, and all of them in order
// of time.
func examine(t *testing.T, path string, before, after []json.RawMessage) (lost, twice int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, entry := range after {
		known[string(entry)] = true
	}
	have := map[string]int{}
	last := time.Time{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if !known[line] {
			t.Fatalf("a line that nobody wrote: %q", line)
		}
		if have[line]++; have[line] > 1 {
			twice++
		}
		var entry auditlogs.Entry
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Action.Time.Before(last) {
			t.Errorf("%s comes after %s", entry.Action.Time, last)
		}
		last = entry.Action.Time
	}
	for _, entry := range before {
		if have[string(entry)] == 0 {
			lost++
		}
	}
	return lost, twice
}

func finish(cmd *exec.Cmd) (code int, stderr string) {
	var errs strings.Builder
	cmd.Stderr = &errs
	_ = cmd.Run() // The state says it all.
	return cmd.ProcessState.ExitCode(), errs.String()
}

// TestTwoExportsAtOnce starts a second export of the same file while the first runs.
func TestTwoExportsAtOnce(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithTokens(token), auditlogstest.WithHistory(auditlogstest.History{
		Entries: 500, Since: exportSince, Before: exportBefore,
	}))
	defer server.Close()
	server.FailNext(auditlogstest.Fault{Delay: time.Hour})
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	export := func() *exec.Cmd {
		return command(server, "export", "--since", auditlogs.Time(exportSince), "--before", auditlogs.Time(exportBefore), "--out", path)
	}
	first := export()
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	for len(server.Requests()) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if code, stderr := finish(export()); code != 1 || !strings.Contains(stderr, "in use by another process") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if err := first.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	if code, stderr := finish(export()); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
