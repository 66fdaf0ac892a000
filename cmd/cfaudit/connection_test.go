package main

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// On a terminal, the cause of a failed attempt is shown as long as the next one is waited for.
func TestCauses(t *testing.T) {
	for want, attempt := range map[string]auditlogs.Attempt{
		"status 503":         {StatusCode: 503, Err: errors.New("x")},
		"connection refused": {Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}},
		"cannot resolve api.example.com: server misbehaving": {Err: &net.OpError{Op: "dial", Err: &net.DNSError{
			Err: "server misbehaving", Name: "api.example.com", IsTemporary: true}}},
		"no answer in time":  {Err: auditlogs.ErrTimeout},
		"malformed response": {StatusCode: 200, Err: auditlogs.ErrMalformedResponse},
		"no answer":          {Err: errors.New("unexpected EOF")},
	} {
		p := &progress{}
		attempt.Number, attempt.Retried = 1, true
		p.Attempted(attempt)
		if p.trouble != ", attempt 1 failed ("+want+")" {
			t.Errorf("%v: %q", attempt.Err, p.trouble)
		}
	}
}

// A failure that lasts is not retried, and the error names it.
func TestFailsAtOnce(t *testing.T) {
	requests := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests++ }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for base, want := range map[string]string{
		server.URL:                     "certificate signed by unknown authority",
		"https://no-such-name.invalid": "no-such-name.invalid",
	} {
		if strings.HasSuffix(base, ".invalid") && !resolves() {
			t.Log("no name server says which names exist")
			continue
		}
		env := map[string]string{envToken: "secret-token-of-the-test", envAccount: auditlogstest.AccountID, envBaseURL: base}
		code, _, stderr := try{env: env, terminal: 120}.run(t, "list", "--since", "2d", "--before", "1d", "--retries", "1")
		if code != exitIncomplete || !strings.Contains(stderr, want) || !strings.Contains(stderr, "once that is fixed, run the same again:\n") || strings.Contains(stderr, "waiting") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	}
	if requests != 0 {
		t.Errorf("%d requests", requests)
	}
}

// resolves reports whether a name server can be asked here.
func resolves() bool {
	_, err := net.LookupHost("no-such-name.invalid")
	var name *net.DNSError
	return errors.As(err, &name) && name.IsNotFound
}

// A token under another name is pointed out, and never shown.
func TestTokenUnderAnotherName(t *testing.T) {
	for name, want := range map[string]string{
		"CF_API_TOKEN":       `as with export CLOUDFLARE_API_TOKEN="$CF_API_TOKEN"`,
		"CLOUDFLARE_API_KEY": "a global API key can do everything",
		"OTHER":              "want an API token with the permission",
	} {
		env := map[string]string{envAccount: auditlogstest.AccountID, name: "secret-token-of-the-test"}
		code, _, stderr := try{env: env}.run(t, "list", "--since", "1d")
		if code != exitUsage || !strings.Contains(stderr, want) || strings.Contains(stderr, "secret-token") {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
}
