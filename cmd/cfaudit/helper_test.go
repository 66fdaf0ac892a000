package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// testNow is the present of the tests: a Wednesday, far from midnight.
var testNow = time.Date(2024, 10, 30, 15, 4, 5, 678901234, time.UTC)

// A try is one run of the command in this process.
type try struct {
	ctx      context.Context
	env      map[string]string
	stdout   io.Writer // instead of the one whose text comes back
	terminal int       // the width of the terminal that both outputs are; 0 for none
	now      time.Time
}

// run returns the exit code and what was printed.
func (r try) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := environment{
		args:     args,
		stdout:   &out,
		stderr:   &errs,
		getenv:   func(name string) string { return r.env[name] },
		now:      func() time.Time { return testNow },
		terminal: func(io.Writer) int { return r.terminal },
	}
	if r.stdout != nil {
		env.stdout = r.stdout
	}
	if !r.now.IsZero() {
		env.now = func() time.Time { return r.now }
	}
	if r.ctx == nil {
		r.ctx = t.Context()
	}
	code = run(r.ctx, env)
	return code, out.String(), errs.String()
}

// demoLines returns the demo's entries of the last days, one on each line, as its own store tells
// them.
func demoLines(t *testing.T, days int) string {
	t.Helper()
	server := newDemo(testNow)
	defer server.Close()
	var b strings.Builder
	for _, entry := range server.Stored(testNow.AddDate(0, 0, -days), testNow) {
		b.Write(entry)
		b.WriteByte('\n')
	}
	return b.String()
}

// against is the environment that leads a run to a server.
func against(server *auditlogstest.Server) map[string]string {
	return map[string]string{
		envToken:   "secret-token-of-the-test",
		envAccount: auditlogstest.AccountID,
		envBaseURL: server.URL,
	}
}

// lastLine returns the last line of a text, and splits it as a shell would where nothing is quoted.
func lastLine(t *testing.T, text string) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	last := lines[len(lines)-1]
	if strings.ContainsAny(last, `'"\`) {
		t.Fatalf("the last line is quoted: %s", last)
	}
	words := strings.Fields(last)
	if len(words) < 2 || words[0] != "cfaudit" {
		t.Fatalf("the last line is no command: %s", last)
	}
	return words[1:]
}
