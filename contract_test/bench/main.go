//go:build unix

// Command bench measures what listing entries costs a program: with this library, and with the
// official Go SDK.
//
// Both read the same pages from the same server. Each client runs in a process of its own, so that
// the server's work is not counted, and they take turns, so that a machine whose speed drifts
// treats them alike. The table holds medians.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

// asClient makes the program one of the clients: its name stands in this variable.
const asClient = "CFAUDIT_BENCH_CLIENT"

func main() {
	if name := os.Getenv(asClient); name != "" {
		report(name, os.Args[1])
		return
	}
	entries := flag.Int("entries", 20_000, "entries of a listing")
	rounds := flag.Int("rounds", 5, "runs of each client, of which the median counts")
	flag.Parse()
	fmt.Printf("%d entries in pages of 1000, medians of %d runs each, %s on %s/%s, one listing on %d cores\n",
		*entries, *rounds, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Printf("cfaudit beside cloudflare-go %s; \"nothing\" reads the same bodies and throws them away\n\n", sdkVersion())
	fmt.Println("entry  encoding client     CPU µs/entry  bytes/entry  allocations/entry  wall ms")
	for _, size := range []int{1000, 2000, 8000} {
		for _, encoding := range []string{"plain", "gzip"} {
			compare(*entries, *rounds, size, encoding)
		}
	}
	limits(*entries)
}

// compare measures the clients with entries of one size.
func compare(entries, rounds, size int, encoding string) {
	s := newService(entries, size, encoding == "gzip")
	defer s.close()
	runs := map[string][]figures{}
	for range rounds {
		for _, name := range []string{"nothing", "cfaudit", "sdk"} {
			runs[name] = append(runs[name], s.run(name))
		}
	}
	ours, theirs := median(runs["cfaudit"]), median(runs["sdk"])
	for _, name := range []string{"nothing", "cfaudit", "sdk"} {
		f := median(runs[name])
		if name != "nothing" && (f.Entries != entries || f.RawBytes != ours.RawBytes) {
			fatal("%s read %d entries with %d bytes, of %d entries with %d", name, f.Entries, f.RawBytes, entries, ours.RawBytes)
		}
		fmt.Printf("%-6s %-8s %-10s %12.1f %12.0f %18.1f %8.0f\n", kilobytes(ours.RawBytes/entries), encoding, name,
			f.CPU/1e3/float64(entries), f.Allocated/float64(entries), f.Allocations/float64(entries), f.Wall/1e6)
	}
	fmt.Printf("%-6s %-8s %-10s %11.1fx %11.1fx %17.1fx %7.1fx\n\n", "", "", "ratio", theirs.CPU/ours.CPU,
		theirs.Allocated/ours.Allocated, theirs.Allocations/ours.Allocations, theirs.Wall/ours.Wall)
}

// limits shows what the SDK cannot do, and what it was given instead for the table.
func limits(entries int) {
	s := newService(entries, 1000, false)
	defer s.close()
	s.ownCursor = true
	f := s.run("sdk")
	fmt.Printf("page two: where the cursor stands in result_info.cursor, as the service has it, the SDK lists %d of %d entries, and no error; "+
		"for the table it stood in result_info.cursors.after\n", f.Entries, entries)
	s.run("sdk-minutes")
	fmt.Printf("minutes: asked for the five minutes from 12:00 to 12:05, the SDK sends %s; for the table the window was whole days\n", s.lastWindow())
}

func kilobytes(n int) string { return fmt.Sprintf("%.1f KB", float64(n)/1000) }

func sdkVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/cloudflare/cloudflare-go/v7" {
			return module.Version
		}
	}
	return ""
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
	os.Exit(1)
}
