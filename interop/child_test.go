package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for anything at all. Nothing here takes a tenth of it.
const patience = 60 * time.Second

// A child is a process that lives as long as the test which started it. Its standard output is read by
// lines; its standard error is shown if the test fails.
type child struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string   // closed when the output ends
	gone   chan struct{} // closed when nobody reads lines any more
	stderr syncBuffer
}

// start starts a process in a group of its own. When the test ends, stop asks it to leave; if it does not, the
// whole group is killed.
func start(t *testing.T, stop func(*exec.Cmd, io.Closer) error, program string, args ...string) *child {
	t.Helper()
	cmd := exec.Command(program, args...)
	c := &child{name: fmt.Sprint(program, " ", args), cmd: cmd, lines: make(chan string, 16), gone: make(chan struct{})}
	ownGroup(cmd)
	cmd.Stderr = &c.stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	c.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	exited := make(chan struct{})
	go func() { // ends with the process, for which the cleanup waits
		defer close(exited)
		c.read(stdout)
		_ = cmd.Wait() // how it ended is the test's business only before the cleanup
	}()
	t.Cleanup(func() {
		close(c.gone)
		if err := stop(cmd, stdin); err != nil {
			t.Logf("%s: stop: %v", c.name, err)
		}
		killer := time.AfterFunc(patience/6, func() { killGroup(cmd) })
		defer killer.Stop()
		<-exited
		if t.Failed() {
			t.Logf("%s: %v, standard error:\n%s", c.name, cmd.ProcessState, &c.stderr)
		}
	})
	return c
}

// terminate asks a process to leave that has no other way to be told.
func terminate(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGTERM) }

// read passes the lines of r on, and drops them once the test has ended.
func (c *child) read(r io.Reader) {
	defer close(c.lines)
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		select {
		case c.lines <- scan.Text():
		case <-c.gone:
		}
	}
}

// line returns the next line of output.
func (c *child) line(ctx context.Context) (string, error) {
	select {
	case l, ok := <-c.lines:
		if !ok {
			return "", fmt.Errorf("%s: output ended: %w", c.name, io.ErrUnexpectedEOF)
		}
		return l, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s: no line of output: %w", c.name, context.Cause(ctx))
	}
}

// syncBuffer is a buffer that a process writes while a test reads.
type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
