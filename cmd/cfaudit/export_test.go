package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

func TestExportTellsHowToGoOn(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 3000, 1)))
	defer server.Close()
	env := against(server)
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 500})
	code, stdout, stderr := try{env: env}.run(t, "export", "--since", "20d", "--out", path, "--retries", "0", "--page-size", "500", "--not-actor-email", "it's")
	if code != exitIncomplete || stdout != "" || !strings.Contains(stderr, "status 500") || strings.Contains(stderr, "p1.") ||
		!strings.HasSuffix(stderr, "\ncfaudit export --not-actor-email 'it'\\''s' --out "+path+" --page-size 500 --retries 0 --since 20d\n") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	// Three days later, the ages still mean what they meant.
	later := try{env: env, now: testNow.AddDate(0, 0, 3)}
	code, _, stderr = later.run(t, "export", "--since", "20d", "--out", path, "--not-actor-email", "it's")
	if code != 0 || !strings.Contains(stderr, "is complete: ") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	want := ""
	for _, entry := range server.Stored(testNow.AddDate(0, 0, -20), testNow) {
		want += string(entry) + "\n"
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%d bytes, want %d; %v", len(got), len(want), err)
	}
	// A fixed time may be written in another way.
	path += ".gz"
	for _, since := range []string{"2024-10-20", "2024-10-20T02:00:00+02:00"} {
		if code, _, stderr := (try{env: env}).run(t, "export", "--since", since, "--before", "2024-10-25", "--out", path); code != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
	}
}

func TestExportOnTerminal(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 300, 1)))
	defer server.Close()
	server.Add(`{"id":"odd","action":{"time":"2024-10-30T12:00:00Z","type":7}}`)
	code, _, stderr := try{env: against(server), terminal: 100}.run(t, "export", "--since", "10d", "--out", filepath.Join(t.TempDir(), "a.ndjson"))
	if code != 0 || !strings.Contains(stderr, "entries on ") || !strings.Contains(stderr, "% of the window") ||
		!strings.Contains(stderr, "1 entry with a field of an unexpected type, written all the same\n") || strings.Contains(stderr, "settled") {
		t.Errorf("exit %d: %q", code, stderr)
	}
}

func TestExportInterrupted(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt"))
	path := filepath.Join(t.TempDir(), "a.ndjson")
	code, _, stderr := try{ctx: ctx, env: against(server)}.run(t, "export", "--since", "10d", "--out", path)
	if code != exitInterrupted || stderr != "cfaudit: interrupted; the export is incomplete, to resume:\ncfaudit export --out "+path+" --since 10d\n" {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestExportsOfSeveralAccounts exports several accounts, of which one fails.
func TestExportsOfSeveralAccounts(t *testing.T) {
	const other = "0123456789abcdef0123456789abcdef"
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithAccounts(auditlogstest.AccountID),
		auditlogstest.WithHistory(demoHistory(testNow, 300, 1)))
	defer server.Close()
	folder := t.TempDir()
	args := []string{"export", "--since", "10d", "--out", filepath.Join(folder, "{account}.ndjson"), "--account", other, "--account", auditlogstest.AccountID}
	code, _, stderr := try{env: against(server)}.run(t, args...)
	if code != exitIncomplete || !strings.Contains(stderr, "cfaudit: account "+other+": ") || !strings.Contains(stderr, "status 403") ||
		!strings.Contains(stderr, auditlogstest.AccountID+".ndjson is complete") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if !strings.Contains(stderr, "\ncfaudit export --account "+other+" --account "+auditlogstest.AccountID+" --out '") {
		t.Error(stderr)
	}
	// What belongs to something else stops nobody either, and is no reason to say that nothing was
	// done.
	if err := os.WriteFile(filepath.Join(folder, "b"+other), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	args[4] = filepath.Join(folder, "b{account}")
	code, _, stderr = try{env: against(server)}.run(t, args...)
	if code != exitIncomplete || !strings.Contains(stderr, "belongs to something else") || !strings.Contains(stderr, "b"+auditlogstest.AccountID+" is complete") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if requests := server.Requests(); requests[0].Status != http.StatusForbidden {
		t.Error(requests[0].Status)
	}
}

// TestExportInterruptedWhileItVerifies ends a run before its first request: it is as any other
// interruption.
func TestExportInterruptedWhileItVerifies(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 3000, 1)))
	defer server.Close()
	args := []string{"export", "--since", "20d", "--out", filepath.Join(t.TempDir(), "a.ndjson"), "--retries", "0", "--page-size", "500"}
	server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 500})
	if code, _, stderr := (try{env: against(server)}).run(t, args...); code != exitIncomplete {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt"))
	asked := len(server.Requests())
	code, _, stderr := try{ctx: ctx, env: against(server)}.run(t, args...)
	if code != exitInterrupted || !strings.HasPrefix(stderr, "cfaudit: interrupted; the export is incomplete, to resume:\ncfaudit export ") || len(server.Requests()) != asked {
		t.Errorf("exit %d: %s", code, stderr)
	}
	code, _, stderr = try{env: against(server), terminal: 100}.run(t, args...)
	if code != 0 || !strings.Contains(stderr, "verifying what is in the file, 100% of 1 MB") {
		t.Errorf("exit %d: %q", code, stderr)
	}
}

// TestExportParallel looks for the flag in the job: more than one request is under way only with
// it.
func TestExportParallel(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 9000, 1)), auditlogstest.WithLatency(5*time.Millisecond))
		defer server.Close()
		path := filepath.Join(t.TempDir(), "a.ndjson")
		args := []string{"export", "--since", "20d", "--out", path, "--rate", "0", "--page-size", "50"}
		if parallel {
			args = append(args, "--parallel")
		}
		if code, _, stderr := (try{env: against(server)}).run(t, args...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		windows := map[string]bool{}
		for _, request := range server.Requests() {
			windows[request.Query.Get("since")] = true
		}
		if len(windows) > 1 != parallel {
			t.Errorf("parallel %t: %d windows were asked for", parallel, len(windows))
		}
	}
}
