package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// How a run ends. Scripts rely on these numbers.
const (
	exitFound    = 0
	exitNothing  = 1
	exitUsage    = 2
	exitNoAnswer = 3
	exitStopped  = 4
	exitInternal = 70
)

// exitError ends a run with a code. The text, if any, is printed on standard error.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// usagef is the error of a command line or a configuration that cannot work. It names what is wrong and the remedy.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Sprintf(format, args...)}
}

// ended is the error of a run that has said all it had to say. Code 0 is no error.
func ended(code int) error {
	if code == exitFound {
		return nil
	}
	return &exitError{code: code}
}

// report prints what err has to say and returns the exit code. Errors of the command line library come as they are, and
// are about usage.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitFound
	}
	e, ours := errors.AsType[*exitError](err)
	if !ours {
		e = &exitError{exitUsage, strings.TrimSpace(err.Error()) + "\nRun 'dhtkit --help' for the verbs and flags there are."}
	}
	if e.text != "" {
		fmt.Fprintf(stderr, "dhtkit: %s\n", e.text)
	}
	return e.code
}

// recovered turns a panic into exit code 70, with what a bug report needs.
func recovered(stderr io.Writer, code *int) {
	if p := recover(); p != nil {
		fmt.Fprintf(stderr, "dhtkit: internal error, please report it: %v\n%s", p, debug.Stack())
		*code = exitInternal
	}
}
