// Command cfaudit lists Cloudflare's audit logs, version 2: every entry of a window, on every page,
// or a message that says where it stopped and how to resume.
//
// It reads its API token from the environment variable CLOUDFLARE_API_TOKEN. Run "cfaudit help" for
// the rest, and "cfaudit list --demo --since 7d" to see it at work without an account.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	// A write to a closed pipe returns an error, instead of ending the program with a signal.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(context.Background(), environment{
		args:     os.Args[1:],
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		getenv:   os.Getenv,
		now:      time.Now,
		terminal: terminalWidth,
	}))
}

// An environment is all that a run of the command sees of its surroundings, so that tests can
// replace them.
type environment struct {
	args     []string
	stdout   io.Writer
	stderr   io.Writer
	getenv   func(name string) string
	now      func() time.Time
	terminal func(w io.Writer) int // the width of the terminal that w writes to; 0 if it is none

	noted *[]string // collects the notes; nil for none
}

// terminalWidth returns the width of the terminal that w writes to, and 0 where it writes to
// something else.
func terminalWidth(w io.Writer) int {
	file, ok := unwrap(w).(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}
