package command

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// mostGrown bounds the peak memory of a listing, in bytes, however many entries there are: read
// plainly or in parallel.
var mostGrown = map[bool]int64{false: 100 << 20, true: 300 << 20}

// A counter counts the lines and the bytes that go through it.
type counter struct{ lines, bytes int }

func (c *counter) Write(b []byte) (int, error) {
	c.lines += bytes.Count(b, []byte{'\n'})
	c.bytes += len(b)
	return len(b), nil
}

// TestGrowth lists ten times as many entries, and ten times as many again, one page after the other
// and in parallel. It prints how long that takes; the memory it takes is bounded. CFAUDIT_GROWTH
// sets the largest number of entries.
func TestGrowth(t *testing.T) {
	most := 10_000
	if text := os.Getenv("CFAUDIT_GROWTH"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil {
			t.Fatalf("CFAUDIT_GROWTH is %q: want a number of entries", text)
		}
	}
	program := buildProgram(t)
	for n := 10_000; n <= most; n *= 10 {
		server := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Entries: n, Since: since, Before: before}), auditlogstest.WithRequestLog(1))
		stored := 0
		for _, entry := range server.Stored(since, before) {
			stored += len(entry) + 1
		}
		for _, parallel := range []bool{false, true} {
			cmd, peakOf := measured(program, "list", "--base-url", server.URL, "--account", auditlogstest.AccountID, "--format", "ndjson", "--rate", "0",
				"--since", since.Format(time.RFC3339), "--before", before.Format(time.RFC3339), fmt.Sprintf("--parallel=%t", parallel))
			cmd.Env = append(cmd.Env, "CLOUDFLARE_API_TOKEN="+token, "HOME="+t.TempDir(), "SYSTEMROOT="+os.Getenv("SYSTEMROOT"))
			var out counter
			var errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = io.Writer(&out), &errs
			began := time.Now()
			err := cmd.Run()
			took := time.Since(began)
			peak, known := peakOf()
			t.Logf("%9d entries, parallel %-5t %6.1f s, %6.0f entries/s, peak %3d MB", n, parallel, took.Seconds(), float64(n)/took.Seconds(), peak>>20)
			switch {
			case err != nil:
				t.Errorf("%v: %s", err, errs.String())
			case out.lines != n || out.bytes != stored:
				t.Errorf("%d lines with %d bytes, want %d with %d", out.lines, out.bytes, n, stored)
			case runtime.GOOS == "linux" && !known:
				t.Error("its memory was not measured")
			case known && peak > mostGrown[parallel]:
				t.Errorf("took %d MB at its peak, want at most %d MB", peak>>20, mostGrown[parallel]>>20)
			}
		}
		server.Close()
	}
}
