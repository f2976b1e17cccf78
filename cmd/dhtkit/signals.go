package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is the cause of a context that the first signal ended.
var errInterrupted = errors.New("interrupted")

// withSignals returns a context that the first interrupt or termination ends, so that the run can stop in good order. The
// second one calls quit at once, with 128 and the signal's number. stop ends the listening.
func withSignals(parent context.Context, quit func(code int)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // the signal goroutine: ends with stop
		watch(signals, done, cancel, quit)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

func watch(signals <-chan os.Signal, done <-chan struct{}, first context.CancelCauseFunc, quit func(code int)) {
	for count := 1; ; count++ {
		select {
		case <-done:
			return
		case sig := <-signals:
			if count == 1 {
				first(errInterrupted)
				continue
			}
			quit(signalCode(sig))
			return
		}
	}
}

// signalCode is the exit code of a program that a signal ended: 130 for an interrupt, 143 for a termination.
func signalCode(sig os.Signal) int {
	if sig == syscall.SIGTERM {
		return 128 + 15
	}
	return 128 + 2
}
