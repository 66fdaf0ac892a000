package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// ignoreClosedPipes lets a write to a pipe whose reader has gone fail, instead of ending the program with a signal.
func ignoreClosedPipes() { signal.Ignore(syscall.SIGPIPE) }

// untilInterrupted returns a context that ends with the first interrupt or request to terminate. From then on the signals
// have their usual effect again, so that a second one ends the program at once, whatever it waits for.
func untilInterrupted(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// closedPipe reports whether a write failed because nobody reads any more, as behind "| head".
func closedPipe(err error) bool {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	var number syscall.Errno
	// Windows has two names of its own for it, ERROR_BROKEN_PIPE and ERROR_NO_DATA.
	return runtime.GOOS == "windows" && errors.As(err, &number) && (number == 109 || number == 232)
}
