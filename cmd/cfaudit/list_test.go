package main

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cfaudit.example/wrapper/auditlogstest"
)

func TestListPrintsEveryEntry(t *testing.T) {
	want := demoLines(t, 7)
	if n := strings.Count(want, "\n"); n <= 3000 {
		t.Fatalf("the demo has only %d entries in a week", n)
	}
	code, got, stderr := (try{}).run(t, "list", "--demo", "--since", "7d", "--format", "ndjson")
	if code != 0 || got != want {
		t.Errorf("exit %d, %d lines, want %d; %s", code, strings.Count(got, "\n"), strings.Count(want, "\n"), stderr)
	}
	if !strings.Contains(stderr, " entries on 7 pages\n") || !strings.Contains(stderr, "note: entries appear up to 10 minutes after their time: from 2024-10-30T14:54:05Z on, some can still be missing\n") {
		t.Error(stderr)
	}
}

func TestListResumesAtMax(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 1000, 0)))
	defer server.Close()
	env := against(server)
	code, want, _ := try{env: env}.run(t, "list", "--since", "30d")
	if n := strings.Count(want, "\n"); code != 0 || n < 900 {
		t.Fatalf("exit %d, %d lines", code, n)
	}
	args := []string{"list", "--since", "30d", "--max", "150", "--page-size", "40"}
	got := ""
	for range 20 {
		code, stdout, stderr := try{env: env}.run(t, args...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		got += stdout
		if !strings.Contains(stderr, "--max is reached") {
			break
		}
		if n := strings.Count(stdout, "\n"); n != 150 {
			t.Fatalf("%d lines", n)
		}
		args = lastLine(t, stderr)
	}
	if got != want {
		t.Errorf("%d lines, want %d", strings.Count(got, "\n"), strings.Count(want, "\n"))
	}
	// As many as there are is all there is.
	code, _, stderr := try{env: env}.run(t, "list", "--since", "30d", "--max", strconv.Itoa(strings.Count(want, "\n")))
	if code != 0 || strings.Contains(stderr, "--max") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	// A few entries need no large page.
	if code, out, stderr := (try{env: env}).run(t, "list", "--since", "30d", "--max", "8"); code != 0 || strings.Count(out, "\n") != 8 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if requests := server.Requests(); requests[len(requests)-1].Query.Get("limit") != "8" {
		t.Errorf("limit is %s", requests[len(requests)-1].Query.Get("limit"))
	}
}

// A shortWriter fails after a number of bytes.
type shortWriter struct {
	bytes.Buffer
	left int
	err  error
}

func (w *shortWriter) Write(p []byte) (int, error) {
	if len(p) <= w.left {
		w.left -= len(p)
		return w.Buffer.Write(p)
	}
	n, _ := w.Buffer.Write(p[:w.left])
	w.left = 0
	return n, w.err
}

func TestListResumesAfterFailedWrite(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 260, 5)))
	defer server.Close()
	env := against(server)
	for format, header := range map[string]bool{"ndjson": false, "csv": true} {
		args := []string{"list", "--since", "30d", "--page-size", "100", "--format", format}
		_, want, _ := try{env: env}.run(t, args...)
		for range 10 {
			w := &shortWriter{left: rand.IntN(len(want)), err: syscall.ENOSPC}
			code, _, stderr := try{env: env, stdout: w}.run(t, args...)
			if code != exitIncomplete || !strings.Contains(stderr, "standard output: ") {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			whole := w.String()
			if header && !strings.Contains(stderr, "--from") {
				whole = "" // The same again prints the header again.
			} else if strings.Contains(stderr, "is partial") {
				whole = whole[:strings.LastIndexByte(whole, '\n')+1]
			}
			code, rest, stderr := try{env: env}.run(t, lastLine(t, stderr)...)
			if extra := len(whole) + len(rest) - len(want); header && extra > 0 && extra < 2000 {
				whole = whole[:len(whole)-extra] // A cell that holds a line break.
			}
			if code != 0 || whole+rest != want {
				t.Fatalf("%s: exit %d; %d bytes before and %d after are not %d: %s", format, code, len(whole), len(rest), len(want), stderr)
			}
		}
	}
}

func TestListResumesAfterFailure(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 3000, 1)))
	defer server.Close()
	env := against(server)
	args := []string{"list", "--since", "20d", "--retries", "0", "--page-size", "500", "--not-actor-email", "it's@example.com"}
	server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 500})
	code, first, stderr := try{env: env}.run(t, args...)
	if code != exitIncomplete || !strings.Contains(stderr, "status 500") || !strings.Contains(stderr, `--not-actor-email 'it'\''s@example.com'`) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	code, rest, stderr := try{env: env}.run(t, lastLine(t, strings.ReplaceAll(stderr, `'it'\''s@example.com'`, "it’s"))...)
	if code != exitUsage || rest != "" || !strings.Contains(stderr, "the position belongs to another") {
		t.Fatalf("other filters: exit %d: %s", code, stderr)
	}
	_, position, _ := strings.Cut(last(t, server, env, args), "--from ")
	// The window is the position's own, and can be given again in other words.
	for _, window := range [][]string{{}, {"--since", "23d"}, {"--since", "2024-10-10T17:04:05.678901234+02:00", "--before", "2024-10-30T15:04:05.678901234Z"}} {
		again := append([]string{"list", "--from", position, "--not-actor-email", "it's@example.com"}, window...)
		code, rest, stderr = try{env: env, now: testNow.AddDate(0, 0, 3)}.run(t, again...)
		if code != 0 || strings.Count(first+rest, "\n") != len(server.Stored(testNow.AddDate(0, 0, -20), testNow)) {
			t.Errorf("%v: exit %d: %s", window, code, stderr)
		}
	}
	// Another window is refused, and the last line lists the rest of the position's own.
	for _, window := range [][]string{{"--since", "2024-10-01"}, {"--since", "5d", "--before", "4d"}, {"--before", "today"}} {
		code, _, stderr = try{env: env}.run(t, append([]string{"list", "--from", position, "--format", "ndjson", "--not-actor-type", "account"}, window...)...)
		if code != exitUsage || !strings.Contains(stderr, " contradicts --from, a position in the window from 2024-10-10T15:04:05.678901234Z up to 2024-10-30T") ||
			strings.Join(lastLine(t, stderr), " ") != "list --format ndjson --from "+position+" --not-actor-type account" {
			t.Errorf("%v: exit %d: %s", window, code, stderr)
		}
	}
}

// last lists until the second page fails and returns the last line.
func last(t *testing.T, server *auditlogstest.Server, env map[string]string, args []string) string {
	t.Helper()
	server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 500})
	_, _, stderr := try{env: env}.run(t, args...)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return lines[len(lines)-1]
}

func TestListSaysWhatIsWrong(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	env := against(server)
	for _, c := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{args: []string{}, want: "a command is missing: want one of archive, completion, export, follow, help, history, list, new, products, serve, show, summary, version"},
		{args: []string{"lsit"}, want: `unknown command "lsit": did you mean "list"?`},
		{args: []string{"exprot"}, want: `unknown command "exprot": did you mean "export"?`},
		{args: []string{"help", "nothing"}, want: `unknown command "nothing"`},
		{args: []string{"list"}, want: "--since is missing: want a date"},
		{args: []string{"list", "7d"}, want: `unknown argument "7d"`},
		{args: []string{"list", "--since"}, want: "--since needs a value: want a date"},
		{args: []string{"list", "--since", "soon"}, want: `--since "soon": want a date such as`},
		{args: []string{"list", "--since", "1h", "--before", "2h"}, want: "--since (2024-10-30T14:04:05.678901234Z) is not before --before"},
		{args: []string{"list", "--since", "1h", "--actor_emial", "x"}, want: "unknown flag \"--actor_emial\": did you mean --actor-email?"},
		{args: []string{"list", "--since", "1h", "-x"}, want: "unknown shorthand flag"},
		{args: []string{"list", "--since", "1h", "--direction", "up"}, want: `--direction "up": want one of asc, desc`},
		{args: []string{"list", "--since", "1h", "--format", "xml"}, want: `--format "xml": want one of table, ndjson, csv, ecs, ocsf`},
		{args: []string{"list", "--since", "1h", "--page-size", "1001"}, want: `--page-size "1001": want a whole number from 1 to 1000`},
		{args: []string{"list", "--since", "1h", "--max", "0"}, want: `--max "0": want a whole number from 1`},
		{args: []string{"list", "--since", "1h", "--retries", "-1"}, want: `--retries "-1": want`},
		{args: []string{"list", "--since", "1h", "--rate", "NaN"}, want: `--rate "NaN": want`},
		{args: []string{"list", "--since", "1h", "--timeout", "0s"}, want: `--timeout "0s": want`},
		{args: []string{"list", "--since", "1h", "--demo=perhaps"}, want: `--demo "perhaps": want true or false`},
		{args: []string{"list", "--from", "p1.x"}, want: `--from "p1.x": want a position`},
		{args: []string{"list", "--since", "1h", "--account", "../x"}, want: `--account "../x": want a value such as 4bb334f7c94c4a29a045f03944f072e5`},
		{args: []string{"list", "--since", "1h", "--base-url", "http://example.com"}, want: `--base-url is not usable: want a URL with https`},
		{args: []string{"list", "--since", "1h", "--base-url", server.URL, "--demo"}, want: "--demo and --base-url exclude each other"},
		{args: []string{"list", "--since", "1h", "--organization", "a/b"}, want: `--organization "a/b": want a value such as a67e14daa5f8dceeb91fe5449ba496ef`},
		{args: []string{"list", "--since", "1h", "--organization", "o", "--account", auditlogstest.AccountID}, want: "--organization and --account exclude each other"},
		{args: []string{"list", "--since", "1h", "--organization", "o", "--account", auditlogstest.AccountID, "--demo"}, want: "--organization and --account exclude each other"},
		{args: []string{"list", "--since", "1h", "--organization", "o", "--zone-id", "z"}, want: "--zone-id and --organization exclude each other"},
		{args: []string{"list", "--since", "1h", "--organization", "o", "--not-account-name", "z"}, want: "--not-account-name and --organization exclude each other"},
		{args: []string{"list", "--since", "1h", "--organization", "o", "--product-category", "zerotrust"}, want: "--product-category and --organization exclude each other"},
		{args: []string{"list", "--since", "1h", "--actor-ip-address", "1.2.3"}, want: `--actor-ip-address "1.2.3": that is not a whole address: want one such as 198.51.100.7`},
		{args: []string{"list", "--since", "1h", "--organization", "o"}, env: map[string]string{envAccount: "x"}, want: "CLOUDFLARE_API_TOKEN is not set: want an API token that may read the audit log of the organization"},
		{args: []string{"history", "--action-time", "2024-10-30T12:00:00Z"}, want: "the entry is missing: want its id, such as f174be97-"},
		{args: []string{"history", "e", "f", "--action-time", "2024-10-30T12:00:00Z"}, want: `unknown argument "f"`},
		{args: []string{"history", "e/f", "--action-time", "2024-10-30T12:00:00Z"}, want: `the entry is "e/f": want a value such as f174be97-`},
		{args: []string{"history", "e"}, want: "--action-time is missing: want the entry's own action.time, a date-time such as 2024-10-31T08:30:00Z"},
		{args: []string{"history", "e", "--action-time", "2024-10-30"}, want: `--action-time "2024-10-30": want the entry's own action.time`},
		{args: []string{"history", "e", "--action-time", "2024-10-30T12:00:00Z", "--actor-email", "a"}, want: `unknown flag "--actor-email"`},
		{args: []string{"history", "e", "--action-time", "2024-10-30T12:00:00Z", "--before", "541d"}, want: "--since (2023-05-09T15:04:05.678901234Z) is not before --before"},
		{args: []string{"products", "zerotrust"}, want: `unknown argument "zerotrust"`},
		{args: []string{"products", "--format", "csv"}, want: `--format "csv": want one of table, ndjson`},
		{args: []string{"products"}, env: map[string]string{envToken: "x"}, want: "the account is missing: set CLOUDFLARE_ACCOUNT_ID"},
		{args: []string{"list", "--since", "1h"}, env: map[string]string{envToken: "x"}, want: "the account is missing: set CLOUDFLARE_ACCOUNT_ID"},
		{args: []string{"list", "--since", "1h"}, env: map[string]string{envToken: "x", envAccount: "me"}, want: `CLOUDFLARE_ACCOUNT_ID is "me"`},
		{args: []string{"list", "--since", "1h"}, env: map[string]string{envAccount: auditlogstest.AccountID}, want: "CLOUDFLARE_API_TOKEN is not set"},
		{args: []string{"list", "--since", "1h"}, env: map[string]string{envAccount: auditlogstest.AccountID, envToken: "secret token"}, want: "token contains spaces"},
	} {
		if c.env == nil {
			c.env = env
		}
		code, stdout, stderr := try{env: c.env}.run(t, c.args...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "cfaudit: "+c.want) || strings.Contains(stderr, "secret") {
			t.Errorf("%v: exit %d, %q, %s", c.args, code, stdout, stderr)
		}
		if !strings.Contains(stderr, "--help") {
			t.Errorf("%v: no hint in %s", c.args, stderr)
		}
	}
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestListOnTerminal(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	server.Add(`{"id":"1","action":{"time":"2024-10-30T12:00:00Z","result":"failure"},"actor":{"email":"\u001b[2Ja@example.com"}}`,
		`{"id":"2","action":{"time":"2024-10-30T12:00:01Z","result":"success","type":7}}`)
	env := against(server)
	args := []string{"list", "--since", "1d"}
	code, stdout, stderr := try{env: env, terminal: 80}.run(t, args...)
	lines := strings.Split(stdout, "\n")
	if code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[0], "\x1b[1mTIME ") || !strings.HasPrefix(lines[1], "\x1b[31m2024-10-30T12:00:00Z  �[2Ja@exa") ||
		!strings.HasPrefix(lines[2], "2024-10-30T12:00:01Z  - ") {
		t.Errorf("exit %d: %q", code, stdout)
	}
	if !strings.Contains(stderr, "1 entry with a field of an unexpected type, printed all the same, such as 2 (") ||
		!strings.Contains(stderr, "2 entries on 1 page, ") || !strings.HasSuffix(stderr, "\n2 entries on 1 page\n") {
		t.Errorf("%q", stderr)
	}
	env["NO_COLOR"] = "1"
	if _, stdout, _ = (try{env: env, terminal: 80}).run(t, args...); strings.Contains(stdout, "\x1b") {
		t.Errorf("%q", stdout)
	}
	// To a file or a pipe: the bytes, no colours, no progress.
	code, stdout, stderr = try{env: env}.run(t, append(args, "--before", "10m")...)
	if code != 0 || !strings.HasPrefix(stdout, `{"id":"1"`) || strings.Contains(stderr, "\r") || strings.Contains(stderr, "still be missing") {
		t.Errorf("exit %d: %q, %q", code, stdout, stderr)
	}
}

func TestListTellsAboutRetries(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	server.FailNext(auditlogstest.Fault{Status: 503})
	code, _, stderr := try{env: against(server), terminal: 100}.run(t, "list", "--since", "1d", "--retries", "1")
	if code != 0 || !strings.Contains(stderr, "attempt 1 failed (status 503), waiting ") {
		t.Errorf("exit %d: %q", code, stderr)
	}
}

// The formats of SIEMs carry the entry's own bytes, unless told otherwise.
func TestListRaw(t *testing.T) {
	for name, field := range map[string]string{"ecs": `"original":"{`, "ocsf": `"raw_data":`} {
		for _, raw := range []string{"", "--raw", "--raw=true", "--raw=false"} {
			args := []string{"list", "--demo", "--since", "2d", "--max", "5", "--format", name}
			if raw != "" {
				args = append(args, raw)
			}
			code, out, stderr := (try{}).run(t, args...)
			if has := strings.Count(out, field) == 5; code != 0 && code != exitIncomplete || has != (raw != "--raw=false") {
				t.Errorf("%s %s: exit %d, %s\n%s", name, raw, code, stderr, out)
			}
		}
	}
}
