package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const infoHash = "2c6b6858d61da9543d4231a71db4b1c9264b0685"

// result is what a run left behind.
type result struct {
	code           int
	stdout, stderr string
}

// dhtkit runs the command in this process.
func dhtkit(t *testing.T, args ...string) result {
	t.Helper()
	return dhtkitWith(t, "", args...)
}

func dhtkitWith(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// found runs the command, which has to find something, and returns the lines of its output.
func found(t *testing.T, args ...string) []string {
	t.Helper()
	r := dhtkit(t, args...)
	require.Equal(t, exitFound, r.code, "%q\n%s", args, r.stderr)
	return lines(r.stdout)
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

type record map[string]any

// records reads JSON lines, each of which has to begin with its type, the first being start and the last summary.
func records(t *testing.T, stdout string) []record {
	t.Helper()
	var all []record
	for _, line := range lines(stdout) {
		require.True(t, strings.HasPrefix(line, `{"type":"`), line)
		var r record
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		all = append(all, r)
	}
	require.GreaterOrEqual(t, len(all), 2, stdout)
	require.Equal(t, "start", all[0]["type"])
	require.Equal(t, "summary", all[len(all)-1]["type"])
	return all
}

func ofType(all []record, kind string) (some []record) {
	for _, r := range all {
		if r["type"] == kind {
			some = append(some, r)
		}
	}
	return some
}

// silentAddr returns the address of a socket that never answers.
func silentAddr(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn.LocalAddr().String()
}

// background is a run of the command that the test ends.
type background struct {
	out    *pipe
	errs   *pipe
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the run has ended
	code   int           // valid then
}

// start runs the command until stop.
func start(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	b := &background{out: newPipe(), errs: newPipe(), cancel: cancel, done: make(chan struct{})}
	go func() { // ends with the run, which ends with ctx
		defer close(b.done)
		b.code = run(ctx, args, strings.NewReader(""), b.out, b.errs)
		b.out.end()
		b.errs.end()
	}()
	t.Cleanup(func() {
		cancel(nil)
		<-b.done
	})
	return b
}

// stop is the first interrupt. It returns what the run left behind.
func (b *background) stop() result {
	b.cancel(errInterrupted)
	<-b.done
	return result{b.code, b.out.String(), b.errs.String()}
}

// node starts "dhtkit node", waits until it has joined, and returns its address.
func node(t *testing.T, args ...string) (string, *background) {
	t.Helper()
	b := start(t, append([]string{"node"}, args...)...)
	addr, ready := strings.CutPrefix(b.out.line(1), "READY ")
	require.True(t, ready, "first line: %q, errors: %s", b.out.line(1), b.errs)
	b.errs.line(1)
	return addr, b
}

// pipe is a buffer that a test can wait on.
type pipe struct {
	mu    sync.Mutex // guards text
	text  strings.Builder
	grown *sync.Cond
	ended bool
}

func newPipe() *pipe {
	p := new(pipe)
	p.grown = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grown.Broadcast()
	return p.text.Write(b)
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// end lets nobody wait any more.
func (p *pipe) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.grown.Broadcast()
}

// line waits until there are n lines and returns the last of them, "" if there will not be so many.
func (p *pipe) line(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if all := strings.SplitAfter(p.text.String(), "\n"); len(all) > n {
			return strings.TrimSuffix(all[n-1], "\n")
		}
		if p.ended {
			return ""
		}
		p.grown.Wait()
	}
}
