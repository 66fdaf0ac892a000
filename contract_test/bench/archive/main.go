//go:build unix

// Command archive measures how fast "cfaudit list --archive" finds a few entries in many, beside
// decompressing the same files, and beside jq.
//
// The figures are ratios of one run: all programs read the same files, take turns, and have two
// processors at most. A program runs three times, jq once, and the fastest run counts, since the
// machine may have other things to do.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const processors = 2

// The bounds of the figures.
const (
	mostOfZstd   = 2.0 // the time of a listing, over that of zstd -dc
	leastOfJQ    = 20.0
	mostMemory   = 150 << 20
	mostOfOneDay = 1.0 / 15 // of the processor time for thirty days: a thirtieth, and the program's start
)

func main() {
	entries := flag.Int("entries", 1_000_000, "entries in the archive, of 2 KB each")
	generated := flag.String("generate", "", "only write the archive, to this folder")
	flag.Parse()
	if *generated != "" {
		if err := generate(*generated, *entries); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	for _, name := range []string{"zstd", "jq", "xargs"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Printf("SKIPPED: %s is not installed\n", name)
			return
		}
	}
	if err := run(*entries); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(entries int) error {
	dir, err := os.MkdirTemp("", "cfaudit-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "cfaudit")
	build := exec.Command("go", "build", "-o", program, "./cmd/cfaudit")
	build.Dir = filepath.Join("..", "..") // The program's dependencies are those of the root module.
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	kept := filepath.Join(dir, "kept")
	own, err := os.Executable()
	if err != nil {
		return err
	}
	// In a process of its own: the memory of a process counts for those that it starts.
	if out, err := exec.Command(own, "-generate", kept, "-entries", fmt.Sprint(entries)).CombinedOutput(); err != nil {
		return fmt.Errorf("generating: %w\n%s", err, out)
	}
	files := "find " + kept + " -name '*.zst' | sort"
	sizes, err := exec.Command("sh", "-c", "du -sk "+kept+" | cut -f1; "+files+" | xargs zstd -dcq | wc -lc").Output()
	if err != nil {
		return err
	}
	size := strings.Fields(string(sizes)) // in KB, the lines and the bytes of text
	fmt.Printf("%s entries in %d days, %s bytes in %s KB of zst; %d processors of %d, %s\n\n", size[1], days, size[2], size[0], processors, runtime.NumCPU(), runtime.Version())

	list := func(since, before string) string {
		return fmt.Sprintf("exec %s list --archive %s --since %s --before %s --actor-ip-address %s", program, kept, since, before, address)
	}
	month, day := first.AddDate(0, 0, days), first.AddDate(0, 0, days/2)
	commands := []*measured{
		{name: "zstd -dc", script: files + " | xargs -P " + fmt.Sprint(processors) + " -n 1 zstd -dcq >/dev/null"},
		{name: "cfaudit list, 30 days", script: list(first.Format(time.DateOnly), month.Format(time.DateOnly))},
		{name: "cfaudit list, 1 day", script: list(day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly))},
	}
	for range 3 {
		for _, m := range commands {
			if err := m.run(); err != nil {
				return err
			}
		}
	}
	jq := &measured{name: "zstd -dc | jq", script: files + ` | xargs zstd -dcq | jq -c 'select(.actor.ip_address == "` + address + `")'`}
	if err := jq.run(); err != nil {
		return err
	}
	for _, m := range append(commands, jq) {
		fmt.Printf("%-22s %7.2f s, %7.2f s of processors, %4d MB, %5d lines\n", m.name, m.wall.Seconds(), m.cpu.Seconds(), m.memory>>20, m.lines)
	}
	zstd, all, one := commands[0], commands[1], commands[2]
	if all.lines != jq.lines || all.lines < entries/rare*9/10 {
		return fmt.Errorf("cfaudit found %d entries, jq %d", all.lines, jq.lines)
	}
	fmt.Println()
	good := true
	for _, figure := range []struct {
		what   string
		is     float64
		word   string
		bound  float64
		within bool
	}{
		{"times the time of zstd -dc", all.wall.Seconds() / zstd.wall.Seconds(), "at most", mostOfZstd, all.wall.Seconds() <= mostOfZstd*zstd.wall.Seconds()},
		{"times as fast as jq", jq.wall.Seconds() / all.wall.Seconds(), "at least", leastOfJQ, jq.wall.Seconds() >= leastOfJQ*all.wall.Seconds()},
		{"MB of memory", float64(all.memory >> 20), "below", mostMemory >> 20, all.memory < mostMemory},
		{"of the work for one day of thirty", one.cpu.Seconds() / all.cpu.Seconds(), "at most", mostOfOneDay, one.cpu.Seconds() <= mostOfOneDay*all.cpu.Seconds()},
	} {
		mark := "ok"
		if !figure.within {
			mark, good = "FAILED", false
		}
		fmt.Printf("%-7s %7.3f %s, %s %.3f\n", mark, figure.is, figure.what, figure.word, figure.bound)
	}
	if !good {
		return fmt.Errorf("a figure is out of its bound")
	}
	return nil
}

// A measured is a command of a shell, and its fastest run.
type measured struct {
	name, script string
	wall, cpu    time.Duration
	memory       int64 // bytes, of its largest process
	lines        int
}

func (m *measured) run() error {
	cmd := exec.Command("sh", "-c", m.script)
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", processors))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	if wall := time.Since(start); m.wall == 0 || wall < m.wall {
		m.wall = wall
	}
	if cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); m.cpu == 0 || cpu < m.cpu {
		m.cpu = cpu
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	memory := int64(usage.Maxrss)
	if runtime.GOOS != "darwin" {
		memory <<= 10 // Elsewhere it is in kilobytes.
	}
	m.memory, m.lines = max(m.memory, memory), bytes.Count(out.Bytes(), []byte{'\n'})
	return nil
}
