package crash

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// TestFollowKills kills a follower of an account and an organization whose lines are appended to a
// file, while entries arrive up to five minutes late. In the end every entry is there, byte for
// byte, and once when repeats are dropped by id.
func TestFollowKills(t *testing.T) {
	start := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	late := func() time.Time { return time.Now().Add(-rand.N(5 * time.Minute)).Truncate(100 * time.Millisecond) }
	w := newWorld(t, 5*time.Millisecond, late,
		auditlogstest.WithHistory(auditlogstest.History{Entries: 1000, Since: start, Before: start.Add(time.Hour)}))
	folder := t.TempDir()
	path, state := filepath.Join(folder, "audit.ndjson"), filepath.Join(folder, "{account}.state")
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	follow := func(arguments ...string) *exec.Cmd {
		cmd := command(w.server, append(append([]string{"follow"}, both...), append([]string{"--state", state, "--since", auditlogs.Time(start), "--page-size", "25", "--rate", "0", "--health", "0s",
			"--settle", "0s", "--interval", "1s", "--look-back", "10m", "--look-back-every", "1s"}, arguments...)...)...)
		cmd.Stdout = out
		return cmd
	}
	k := &killing{
		kills: kills(t), within: 250 * time.Millisecond,
		command: func() *exec.Cmd { return follow() },
		ended: func(t *testing.T, code int, stderr string) {
			t.Helper()
			t.Fatalf("a follower ended by itself with %d: %s", code, stderr)
		},
	}
	k.run(t)
	w.rest()
	// Twice: what a killed run had started, and what has appeared after that.
	for range 2 {
		time.Sleep(1100 * time.Millisecond)
		if code, stderr := finish(follow("--once")); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	printed, repeats := map[string]bool{}, 0
	ids := map[string]bool{}
	var cut []string // lines that were being written when a run was killed
	for line := range strings.Lines(string(data)) {
		var entry struct{ ID string }
		if !strings.HasSuffix(line, "\n") {
			t.Fatalf("the last line is partial: %q", line)
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			cut = append(cut, strings.TrimSuffix(line, "\n"))
			continue
		}
		if ids[entry.ID] {
			repeats++
		}
		ids[entry.ID] = true
		printed[strings.TrimSuffix(line, "\n")] = true
	}
	for _, line := range cut {
		whole := func(entry string) bool { return strings.HasPrefix(entry, line) }
		if line == "" || !slices.ContainsFunc(slices.Collect(maps.Keys(printed)), whole) {
			t.Errorf("a line that nobody wrote: %q", line)
		}
	}
	all := append(w.server.Stored(time.Unix(0, 0), time.Unix(1<<40, 0)), w.server.StoredOrganization(time.Unix(0, 0), time.Unix(1<<40, 0))...)
	lost := 0
	for _, entry := range all {
		if !printed[string(entry)] {
			lost++
		}
	}
	t.Logf("%d kills in %d runs: %d entries, %d of them arrived meanwhile; %d lost, %d repeated, none changed", k.done, k.runs, len(all), w.added, lost, repeats)
	if lost > 0 || len(printed) != len(all) || len(ids) != len(all) {
		t.Errorf("%d different lines and %d ids of %d entries", len(printed), len(ids), len(all))
	}
	if info, err := os.Stat(filepath.Join(folder, auditlogstest.AccountID+".state")); err != nil || info.Size() >= 1_000_000 {
		t.Errorf("the state: %v, %v", info, err)
	}
}
