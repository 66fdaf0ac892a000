package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestHealthLine(t *testing.T) {
	whole := follow.Health{
		Log: "account a", Time: testNow, Watermark: testNow.Add(-130 * time.Second), Lag: 130 * time.Second, Entries: 1,
		LastSuccess: testNow.Add(-12 * time.Second), LookBack: 30 * time.Minute,
	}
	change := func(f func(h *follow.Health)) follow.Health {
		h := whole
		f(&h)
		return h
	}
	const begin = "2024-10-30T15:04:05Z account a: "
	for _, test := range []struct {
		name string
		h    follow.Health
		want string
	}{
		{"before the first answer", follow.Health{Log: "account a", Time: testNow}, begin + "nothing read yet"},
		{"well", whole, begin + "read up to 2024-10-30T15:01:55Z, lag 2m10s; 1 entry; last success 12s ago"},
		{"late ones", change(func(h *follow.Health) {
			h.Entries, h.Lateness = 9, follow.Lateness{Entries: 9, Median: 289 * time.Second, P95: 402 * time.Second, Most: 29 * time.Minute}
		}),
			begin + "read up to 2024-10-30T15:01:55Z, lag 2m10s; 9 entries, late by 4m49s (median), 6m42s (95 %), 29m0s (most); last success 12s ago"},
		{"too late ones", change(func(h *follow.Health) { h.NearlyMissed = 2 }),
			begin + "read up to 2024-10-30T15:01:55Z, lag 2m10s; 1 entry, 2 nearly missed (look back further than 30m); last success 12s ago"},
		{"too many", change(func(h *follow.Health) { h.Forgotten = 7 }),
			begin + "read up to 2024-10-30T15:01:55Z, lag 2m10s; 1 entry, 7 ids forgotten; last success 12s ago"},
		{"refused", change(func(h *follow.Health) { h.RateLimited = 2 }),
			begin + "read up to 2024-10-30T15:01:55Z, lag 2m10s; 1 entry, 2 requests rate limited (status 429); last success 12s ago"},
		{"in trouble", change(func(h *follow.Health) {
			h.LastError, h.LastFailure = "follow: status 500\nand more", testNow.Add(-time.Minute)
		}),
			begin + "read up to 2024-10-30T15:01:55Z, lag 2m10s; 1 entry; last success 12s ago; last error 1m0s ago: status 500 and more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := healthLine(test.h); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSpan(t *testing.T) {
	for _, test := range []struct {
		text string
		want time.Duration // negative if it is refused
	}{
		{"90s", 90 * time.Second}, {"10m", 10 * time.Minute}, {"1d", 24 * time.Hour}, {"1d12h", 36 * time.Hour}, {"1m30s", 90 * time.Second},
		{"1.5h", 90 * time.Minute}, {"1500ms", 1500 * time.Millisecond}, {"1s", time.Second},
		{"0s", -1}, {"999ms", -1}, {"-1m", -1}, {"5", -1}, {"", -1}, {"soon", -1},
	} {
		var got time.Duration
		err := span("x", "", &got, time.Second, "").Set(test.text)
		if (err != nil) != (test.want < 0) || err == nil && got != test.want {
			t.Errorf("%q: %s, %v", test.text, got, err)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 30 * time.Minute: "30m", 90 * time.Minute: "1h30m", 10 * time.Second: "10s",
		24*time.Hour + 10*time.Second: "24h0m10s",
	} {
		if got := short(d); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// The status is replaced as a whole, readable for others, and that it cannot be is told once and
// changes nothing.
func TestStatus(t *testing.T) {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.Add(`{"id":"1","action":{"time":"` + testNow.Add(-5*time.Minute).Format(time.RFC3339) + `"}}`)
	folder := t.TempDir()
	state, file := filepath.Join(folder, "state"), filepath.Join(folder, "status.json")
	r := try{env: against(server)}
	since := testNow.Add(-time.Hour).Format(time.RFC3339)
	code, out, errs := r.run(t, "follow", "--state", state, "--status", file, "--once", "--since", since)
	if code != 0 || strings.Count(out, "\n") != 1 || strings.Count(errs, "\n") != 1 {
		t.Fatalf("exit %d\n%s\n%s", code, out, errs)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Requests int
		Logs     []struct {
			Log         string
			Entries     int
			Lag         float64   `json:"lag_seconds"`
			LastSuccess time.Time `json:"last_success"`
			Ended       bool
		}
	}
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	if a := s.Logs; s.Requests != 1 || len(a) != 1 || a[0].Log != "account "+auditlogstest.AccountID || a[0].Entries != 1 || a[0].Lag < 0 || a[0].LastSuccess.IsZero() || !a[0].Ended {
		t.Errorf("%s", data)
	}
	if names, _ := filepath.Glob(filepath.Join(folder, "*.tmp")); names != nil {
		t.Errorf("left over: %q", names)
	}
	code, _, errs = r.run(t, "follow", "--state", state, "--status", filepath.Join(folder, "missing", "status.json"), "--once")
	if code != 0 || strings.Count(errs, "note: the status is not written: ") != 1 {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

// A temporary failure is reported and retried.
func TestFollowTellsOfTrouble(t *testing.T) {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.FailNext(auditlogstest.Fault{Status: 500})
	code, _, errs := try{env: against(server)}.run(t, "follow", "--state", filepath.Join(t.TempDir(), "state"), "--retries", "0", "--once")
	if code != 0 || strings.Count(errs, "note: account ") != 1 || !strings.Contains(errs, "status 500 internal server error") || !strings.Contains(errs, "; it is tried again\n") {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

// A start in the future would print nothing, and nobody would notice.
func TestFollowRefusesAFutureStart(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	state := filepath.Join(t.TempDir(), "state")
	code, out, errs := try{env: against(server)}.run(t, "follow", "--state", state, "--once", "--since", "2035-01-01")
	if want := `cfaudit: --since "2035-01-01" is in the future: want a start in the past, such as 1h or 2024-10-30T14:04:05Z`; code != exitUsage || out != "" || !strings.Contains(errs, want) {
		t.Errorf("exit %d: %s", code, errs)
	}
	if names, _ := filepath.Glob(state + "*"); names != nil || len(server.Requests()) > 0 {
		t.Errorf("files %q, %d requests", names, len(server.Requests()))
	}
}

// A status that would overwrite a state, or a file beside it, is refused before anything is
// written.
func TestFollowKeepsStatusAndStateApart(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights there")
	}
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	folder := t.TempDir()
	t.Chdir(folder)
	if err := os.WriteFile("state", []byte("a state"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, make := range map[string]func(old, link string) error{"soft": os.Symlink, "hard": os.Link} {
		if err := make("state", link); err != nil {
			t.Fatal(err)
		}
	}
	other := strings.Repeat("a", 32)
	for _, args := range [][]string{
		{"--state", "state", "--status", "state"},
		{"--state", "new", "--status", "./new"},
		{"--state", "state", "--status", "soft"},
		{"--state", "soft", "--status", "state"},
		{"--state", "state", "--status", "hard"},
		{"--state", "new", "--status", "new.lock"},
		{"--state", "new", "--status", "new.tmp"},
		{"--state", "new.tmp", "--status", "new"},
		{"--state", filepath.Join(folder, "new"), "--status", "new"},
		{"--state", "{account}.state", "--status", other + ".state", "--account", auditlogstest.AccountID, "--account", other},
	} {
		code, out, errs := try{env: against(server)}.run(t, append([]string{"follow", "--once"}, args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, "use the same file: want another name for the status, such as status.json") {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
	names, _ := filepath.Glob("*")
	if text, _ := os.ReadFile("state"); strings.Join(names, " ") != "hard soft state" || string(text) != "a state" || len(server.Requests()) > 0 {
		t.Errorf("files %q, the state is %q, %d requests", names, text, len(server.Requests()))
	}
}

// The status says how late entries appear, so that an operator can choose.
func TestStatusShowsLateness(t *testing.T) {
	data, err := json.Marshal(follow.Health{Lateness: follow.Lateness{Entries: 3, Median: 289 * time.Second, P95: 402 * time.Second, Most: 450 * time.Second}})
	if want := `"lateness":{"entries":3,"median_seconds":289,"p95_seconds":402,"most_seconds":450}`; err != nil || !strings.Contains(string(data), want) {
		t.Errorf("%s is not in %s (%v)", want, data, err)
	}
}

// A token that is refused again and again is reported once, and so is its acceptance.
func TestRefusedIsToldOnce(t *testing.T) {
	var errs strings.Builder
	observe := (&healthReport{env: &environment{stderr: &errs}}).observer(true)
	refused := follow.Health{Log: "account a", Refused: true, LastError: "status 403, ray 1", LastFailure: testNow}
	observe(refused)
	refused.LastError, refused.LastFailure = "status 403, ray 2", testNow.Add(10*time.Minute)
	observe(refused)
	refused.Refused = false
	observe(refused)
	if want := "note: account a: status 403, ray 1; it is tried again every 10m\nnote: account a: the token is accepted again\n"; errs.String() != want {
		t.Errorf("got %s\nwant %s", errs.String(), want)
	}
}
