package main

import (
	"bytes"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The first signal ends the context, the second one the program.
func TestSignals(t *testing.T) {
	for _, test := range []struct {
		second os.Signal
		code   int
	}{{os.Interrupt, 130}, {syscall.SIGTERM, 143}} {
		synctest.Test(t, func(t *testing.T) {
			signals, done := make(chan os.Signal), make(chan struct{})
			var causes []error
			var codes []int
			go watch(signals, done, func(err error) { causes = append(causes, err) }, func(code int) { codes = append(codes, code) })

			signals <- syscall.SIGTERM
			synctest.Wait()
			require.Equal(t, []error{errInterrupted}, causes)
			require.Empty(t, codes)

			signals <- test.second
			synctest.Wait()
			require.Len(t, causes, 1)
			require.Equal(t, []int{test.code}, codes)
		})
	}
}

func TestSignalsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if the goroutine stays
		done := make(chan struct{})
		go watch(make(chan os.Signal), done, nil, nil)
		close(done)
	})
}

// In a pipe there is one line every 30 s, with always one a second; never and quiet mean never.
func TestProgress(t *testing.T) {
	tests := []struct {
		mode  string
		quiet bool
		tty   bool
		want  string // after 65 s
	}{
		{mode: "auto", want: "half\nhalf\n"},
		{mode: "auto", quiet: true},
		{mode: "never"},
		{mode: "never", tty: true},
		{mode: "always", quiet: true, want: string(bytes.Repeat([]byte("half\n"), 65))},
		{mode: "auto", tty: true, want: string(bytes.Repeat([]byte("half\r\x1b[K"), 65))},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			var out, errs bytes.Buffer
			c := newConsole(&out, &errs)
			c.quiet, c.errTTY = test.quiet, test.tty
			p := newProgress(c, test.mode)
			p.show(func() string { return "half" })
			time.Sleep(65*time.Second + time.Millisecond)
			p.stop()
			require.Equal(t, test.want, errs.String(), "%+v", test)
			require.Empty(t, out.String())
		})
	}
}

// A message replaces the progress line of a terminal instead of running into it.
func TestMessageOverProgress(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	c := newConsole(&errs, &errs)
	c.outTTY = true
	c.draw("half", true)
	c.result("a result", nil)
	c.draw("more", true)
	c.note("a note")
	require.Equal(t, "half\r\x1b[Ka result\nmore\r\x1b[Ka note\n", errs.String())
}
