package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogstest"
)

// serve runs "cfaudit serve" beside the test, and returns its URL and what stops it and returns its
// exit code.
func serve(t *testing.T, args ...string) (url string, stop func() (code int, stderr string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, environment{
			args:     append([]string{"serve", "--addr", "127.0.0.1:0"}, args...),
			stdout:   writer,
			stderr:   &stderr,
			getenv:   func(string) string { return "" },
			now:      func() time.Time { return testNow },
			terminal: func(io.Writer) int { return 0 },
		})
		writer.Close()
		ended <- code
	}()
	line := make([]byte, 1000)
	n, _ := reader.Read(line)
	url, whole := strings.CutSuffix(string(line[:n]), "\n")
	stop = func() (int, string) {
		cancel()
		code := <-ended
		return code, stderr.String()
	}
	if !whole {
		code, text := stop()
		t.Fatalf("exit %d: %q, %s", code, line[:n], text)
	}
	return url, stop
}

func TestServe(t *testing.T) {
	url, stop := serve(t, "--entries", "500", "--seed", "3", "--page-cap", "100", "--account", auditlogstest.AccountID, "-v")
	env := map[string]string{envToken: "x", envAccount: auditlogstest.AccountID, envBaseURL: url}
	code, out, stderr := try{env: env}.run(t, "list", "--since", "31d", "-v")
	if code != 0 || strings.Count(out, "\n") != 500 || !strings.Contains(stderr, "500 entries on 5 pages") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	env[envAccount] = strings.Repeat("0", 32)
	if code, _, stderr = (try{env: env}).run(t, "list", "--since", "31d"); code != exitIncomplete || !strings.Contains(stderr, "403") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	code, stderr = stop()
	if code != 0 || strings.Contains(stderr, "other machines") || !strings.Contains(stderr, "--base-url "+url) ||
		strings.Count(stderr, "GET /client/v4/accounts/") != 6 {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestServeStopsWhileAnswersWait(t *testing.T) {
	url, stop := serve(t, "--entries", "1", "--latency", "1h")
	listed := make(chan int, 1)
	go func() {
		code, _, _ := try{env: map[string]string{envToken: "x", envAccount: auditlogstest.AccountID, envBaseURL: url}}.run(t, "list", "--since", "31d", "--retries", "0")
		listed <- code
	}()
	time.Sleep(100 * time.Millisecond)
	if code, stderr := stop(); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code := <-listed; code != exitIncomplete {
		t.Errorf("list: exit %d", code)
	}
}

func TestServeLoadsPacked(t *testing.T) {
	packers := map[string]func(io.Writer) io.WriteCloser{
		".gz": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		".zst": func(w io.Writer) io.WriteCloser {
			packer, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return packer
		},
	}
	for end, packer := range packers {
		name := filepath.Join(t.TempDir(), "entries.ndjson"+end)
		// Several members or frames in one file, as an export writes.
		save := func(cut int, parts ...string) {
			var packed bytes.Buffer
			for _, part := range parts {
				w := packer(&packed)
				if _, err := io.WriteString(w, part); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(name, packed.Bytes()[:packed.Len()-cut], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		one, two := `{"id":"1","action":{"time":"2024-10-30T11:00:00Z"}}`+"\n", `{"id":"2","action":{"time":"2024-10-30T12:00:00Z"}}`+"\n"
		save(0, one, two)
		url, stop := serve(t, "--load", name)
		code, out, stderr := try{env: map[string]string{envToken: "x", envAccount: auditlogstest.AccountID, envBaseURL: url}}.run(t, "list", "--since", "1d")
		if code != 0 || out != one+two {
			t.Errorf("%s: exit %d: %s, %s", end, code, out, stderr)
		}
		if code, stderr := stop(); code != 0 {
			t.Errorf("%s: exit %d: %s", end, code, stderr)
		}
		for _, test := range []struct {
			cut   int
			parts []string
			want  string
		}{
			{0, []string{one, "[]\n"}, "line 2 is not a JSON object"},
			{3, []string{one, two}, ": line "},
		} {
			save(test.cut, test.parts...)
			code, out, stderr := try{}.run(t, "serve", "--addr", "127.0.0.1:0", "--load", name)
			if code != exitIncomplete || out != "" || !strings.Contains(stderr, name) || !strings.Contains(stderr, test.want) {
				t.Errorf("%s: exit %d: %q, %s", end, code, out, stderr)
			}
		}
		if err := os.WriteFile(name, []byte(one), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := (try{}).run(t, "serve", "--addr", "127.0.0.1:0", "--load", name); code != exitIncomplete || !strings.Contains(stderr, name) {
			t.Errorf("%s, not packed: exit %d: %s", end, code, stderr)
		}
	}
}

func TestServeLoads(t *testing.T) {
	name := filepath.Join(t.TempDir(), "entries.ndjson")
	entry := `{"id": "1",  "action": {"time": "2024-10-30T12:00:00Z"}, "x": 1.00}`
	if err := os.WriteFile(name, []byte("\r\n  "+entry+"\r\n"+`{"id":"2","action":{"time":"2024-10-30T11:00:00Z"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	url, stop := serve(t, "--load", name)
	code, out, stderr := try{env: map[string]string{envToken: "x", envAccount: auditlogstest.AccountID, envBaseURL: url}}.run(t, "list", "--since", "1d")
	if code != 0 || out != `{"id":"2","action":{"time":"2024-10-30T11:00:00Z"}}`+"\n"+entry+"\n" {
		t.Errorf("exit %d: %s, %s", code, out, stderr)
	}
	if code, stderr := stop(); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	for _, bad := range []string{"[]", "{", "{} {}", "null", "x"} {
		if err := os.WriteFile(name, []byte("{}\n\n"+bad+"\n{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, stderr := try{}.run(t, "serve", "--addr", "127.0.0.1:0", "--load", name)
		if code != exitIncomplete || out != "" || !strings.Contains(stderr, "line 3 is not a JSON object") {
			t.Errorf("%s: exit %d: %q, %s", bad, code, out, stderr)
		}
	}
	if code, _, stderr := (try{}).run(t, "serve", "--load", name+".missing"); code != exitIncomplete || !strings.Contains(stderr, "missing") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := (try{}).run(t, "serve", "--addr", "8790"); code != exitUsage || !strings.Contains(stderr, "such as 127.0.0.1:8790") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
