package command

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// growths are ways to read all entries, and the peak memory of each, in bytes, at most: however
// many entries there are.
var growths = []struct {
	name string
	args []string
	most int64
}{
	{"list", []string{"list", "--format", "ndjson", "--since", day(since)}, 100 << 20},
	{"list --parallel", []string{"list", "--format", "ndjson", "--parallel", "--since", day(since)}, 250 << 20},
	{"summary", []string{"summary", "--format", "json", "--since", day(since)}, 150 << 20},
	{"summary html", []string{"summary", "--format", "html", "--since", day(since)}, 150 << 20},
	{"new", []string{"new", "--format", "json", "--since", day(since.AddDate(0, 0, 21)), "--baseline", "21d"}, 150 << 20},
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

// A counter counts the lines and the bytes that go through it, and keeps the first of them.
type counter struct {
	lines, bytes int
	start        []byte
}

// entries are those that a summary or what is new says to be about.
func (c *counter) entries() (sum int) {
	for _, match := range regexp.MustCompile(`\n  "(?:baseline_)?entries": (\d+),|data-total="entries">(\d+)<`).FindAllSubmatch(c.start, -1) {
		n, _ := strconv.Atoi(string(match[1]) + string(match[2]))
		sum += n
	}
	return sum
}

func (c *counter) Write(b []byte) (int, error) {
	c.start = append(c.start, b[:min(len(b), 64<<10-len(c.start))]...)
	c.lines += bytes.Count(b, []byte{'\n'})
	c.bytes += len(b)
	return len(b), nil
}

// TestGrowth reads ten times as many entries, and ten times as many again, in several ways. It
// prints how long each takes, beside a plain listing; the memory it takes is bounded.
// CFAUDIT_GROWTH sets the largest number of entries.
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
		var listed time.Duration
		for _, g := range growths {
			args := append(slices.Clone(g.args), "--before", day(before), "--base-url", server.URL, "--account", auditlogstest.AccountID, "--rate", "0")
			cmd, peakOf := measured(program, args...)
			cmd.Env = append(cmd.Env, "CLOUDFLARE_API_TOKEN="+token, "HOME="+t.TempDir(), "SYSTEMROOT="+os.Getenv("SYSTEMROOT"))
			var out counter
			var errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = io.Writer(&out), &errs
			began := time.Now()
			err := cmd.Run()
			took := time.Since(began)
			if g.name == "list" {
				listed = took
			}
			peak, known := peakOf()
			t.Logf("%9d entries, %-16s %6.1f s, %6.0f entries/s, %4.2f of the speed of list, peak %3d MB", n, g.name, took.Seconds(),
				float64(n)/took.Seconds(), listed.Seconds()/took.Seconds(), peak>>20)
			switch {
			case err != nil:
				t.Errorf("%v: %s", err, errs.String())
			case g.args[0] == "list" && (out.lines != n || out.bytes != stored):
				t.Errorf("%d lines with %d bytes, want %d with %d", out.lines, out.bytes, n, stored)
			case g.args[0] != "list" && out.entries() != n:
				t.Errorf("%s is about %d entries, want %d", g.name, out.entries(), n)
			case runtime.GOOS == "linux" && !known:
				t.Error("its memory was not measured")
			case known && peak > g.most:
				t.Errorf("%s took %d MB at its peak, want at most %d MB", g.name, peak>>20, g.most>>20)
			}
		}
		server.Close()
	}
}
