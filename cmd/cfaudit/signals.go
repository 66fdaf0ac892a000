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

// untilInterrupted returns a context that ends with the first interrupt, request to terminate or hangup, which is its cause.
// From then on the signals have their usual effect again, so that a second one ends the program at once, whatever it waits for.
func untilInterrupted(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as after nohup
		signals = append(signals, syscall.SIGHUP)
	}
	received := make(chan os.Signal, 1)
	signal.Notify(received, signals...)
	go func() {
		defer signal.Stop(received)
		select {
		case s := <-received:
			cancel(signaled{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// A signaled is the cause of a context that a signal ended.
type signaled struct{ os.Signal }

func (s signaled) Error() string { return s.String() + " signal received" }

// terminated returns the request to terminate, or the hangup, that ended a context; nil where it was an interrupt or nothing.
func terminated(ctx context.Context) os.Signal {
	var s signaled
	if errors.As(context.Cause(ctx), &s) && s.Signal != os.Interrupt {
		return s.Signal
	}
	return nil
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
