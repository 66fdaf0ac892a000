package distribution

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// fastest is how many entries a second the service can give a user: 1200 requests of 1000 entries
// in five minutes.
const fastest = 4000

// A measurement is what it takes a collector to read all entries.
type measurement struct{ wall, cpu time.Duration }

// TestThroughput reads the same entries from the service, by this receiver, and from a file, by
// contrib's, into an exporter that only counts them. Without json_parser, the latter does less: it
// copies lines, and knows neither their times nor what is in them.
func TestThroughput(t *testing.T) {
	if os.Getenv("CFAUDIT_BENCH") == "" {
		t.Skip("CFAUDIT_BENCH is not set: make collector-bench sets it")
	}
	program := collector(t)
	const entries = 100_000
	service := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Entries: entries}), auditlogstest.WithRequestLog(10))
	defer service.Close()
	stored := service.Stored(time.Unix(0, 0), time.Now().Add(time.Hour))
	file := filepath.Join(t.TempDir(), "audit.ndjson")
	write(t, file, stored)

	ours := fmt.Sprintf(`
  cloudflare_audit:
    endpoint: %s
    token: any-token
    accounts: [{ id: %s }]
    start: 60d
    interval: 1h
    storage: file_storage`, service.URL, auditlogstest.AccountID)
	plain := fmt.Sprintf(`
  file_log:
    include: [%s]
    start_at: beginning
    storage: file_storage`, file)
	parsed := plain + `
    operators:
      - { type: json_parser, parse_to: attributes, timestamp: { parse_from: attributes.action.time, layout_type: gotime, layout: "2006-01-02T15:04:05.999999999Z07:00" } }`
	results := map[string]measurement{}
	for _, one := range []struct{ name, receiver string }{
		{"cloudflare_audit", ours}, {"file_log", plain}, {"file_log with json_parser", parsed},
	} {
		m := measure(t, program, one.receiver, len(stored))
		results[one.name] = m
		t.Logf("%-26s %7.0f entries/s, %5.1f µs of CPU an entry", one.name, float64(len(stored))/m.wall.Seconds(),
			float64(m.cpu.Microseconds())/float64(len(stored)))
	}
	rate := float64(len(stored)) / results["cloudflare_audit"].wall.Seconds()
	t.Logf("the service gives at most %d entries/s: %.1f times less", fastest, rate/fastest)
	if rate < fastest {
		t.Errorf("%.0f entries/s: want the %d that the service can give", rate, fastest)
	}
	if ours, theirs := results["cloudflare_audit"].cpu, results["file_log with json_parser"].cpu; ours > theirs {
		t.Errorf("%s of CPU: want no more than the %s that it takes to read and parse a file", ours, theirs)
	}
}

func write(t *testing.T, path string, lines []json.RawMessage) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewWriter(out)
	for _, line := range lines {
		_, _ = buffered.Write(line)
		_ = buffered.WriteByte('\n')
	}
	if err := buffered.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

var batchOf = regexp.MustCompile(`"log records": (\d+)`)

// measure runs a collector until it has exported all entries.
func measure(t *testing.T, program, receiver string, entries int) measurement {
	t.Helper()
	name := regexp.MustCompile(`\w+`).FindString(receiver)
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`
receivers:%s
exporters:
  debug: { verbosity: basic }
extensions:
  file_storage: { directory: %s }
service:
  telemetry: { metrics: { level: none }, logs: { sampling: { enabled: false } } }
  extensions: [file_storage]
  pipelines:
    logs: { receivers: [%s], exporters: [debug] }
`, receiver, t.TempDir(), name)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--config", config)
	lines, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = os.Stdout
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got, last := 0, ""
	for scanner := bufio.NewScanner(lines); got < entries && scanner.Scan(); {
		last = scanner.Text()
		if found := batchOf.FindStringSubmatch(last); found != nil {
			n, _ := strconv.Atoi(found[1])
			got += n
		}
	}
	m := measurement{wall: time.Since(began)}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if got < entries {
		t.Fatalf("%d of %d entries; the last line is %s", got, entries, last)
	}
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return m
}
