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

// untilInterrupted returns a context that ends with the first interrupt, termination or hangup
// signal, which is its cause. After that, the signals have their usual effect again, so that a
// second one ends the program at once.
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

// terminated returns the termination or hangup signal that ended a context; nil after an interrupt
// or without a signal.
func terminated(ctx context.Context) os.Signal {
	if s, ok := errors.AsType[signaled](context.Cause(ctx)); ok && s.Signal != os.Interrupt {
		return s.Signal
	}
	return nil
}

// closedPipe reports whether a write failed because the reader has closed the pipe, as "| head"
// does.
func closedPipe(err error) bool {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	// Windows has two names of its own for it, ERROR_BROKEN_PIPE and ERROR_NO_DATA.
	number, ok := errors.AsType[syscall.Errno](err)
	return ok && runtime.GOOS == "windows" && (number == 109 || number == 232)
}
