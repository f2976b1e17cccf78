package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// buildDir is where the command is built; TestMain makes and removes it.
var buildDir string

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // what the tests do most is to wait for others' timers
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "dhtkit-interop-")
	if err != nil {
		log.Fatal(err)
	}
	buildDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		log.Print(err)
	}
	os.Exit(code)
}

// build builds the command once per run of the tests, with the race detector if they have it too.
var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(buildDir, "dhtkit")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	args := []string{"build", "-o", program}
	if raceDetector() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "../cmd/dhtkit")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	return program, nil
})

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// An outcome is what a finished command left behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// dhtkit runs the command to its end.
func dhtkit(t *testing.T, args ...string) outcome {
	t.Helper()
	program, err := build()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	require.NoError(t, ctx.Err(), "dhtkit %q does not end by itself\n%s", args, &stderr)
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(t, err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// found runs the command, which has to find something, and returns the words of its output.
func found(t *testing.T, args ...string) []string {
	t.Helper()
	o := dhtkit(t, args...)
	require.Zero(t, o.code, "dhtkit %q\n%s", args, o.stderr)
	return strings.Fields(o.stdout)
}

// A record is a line of the command's --json output, as far as these tests read it.
type record struct {
	Type string `json:"type"`
	contact
	Nodes    int `json:"nodes"`
	Queries  int `json:"queries"`
	Answered int `json:"answered"`
}

// records runs the command with --json; it has to find something.
func records(t *testing.T, args ...string) []record {
	t.Helper()
	args = append(args, "--json")
	o := dhtkit(t, args...)
	require.Zero(t, o.code, "dhtkit %q\n%s", args, o.stderr)
	var all []record
	for dec := json.NewDecoder(strings.NewReader(o.stdout)); ; {
		var r record
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, o.stdout)
		all = append(all, r)
	}
}

// nodesOf returns the nodes among records.
func nodesOf(all []record) (nodes []contact) {
	for _, r := range all {
		if r.Type == "node" {
			nodes = append(nodes, r.contact)
		}
	}
	return nodes
}

// startNode starts "dhtkit node" on an address with a free port and returns the address it is ready on.
func startNode(t *testing.T, host, bootstrap string) string {
	t.Helper()
	program, err := build()
	require.NoError(t, err)
	interrupt := func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(os.Interrupt) }
	c := start(t, interrupt, program, "node", "--listen", host+":0", "--bootstrap", bootstrap)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	line, err := c.line(ctx)
	require.NoError(t, err, c.stderr.String())
	addr, ready := strings.CutPrefix(line, "READY ")
	require.True(t, ready, "first line of output: %q", line)
	require.True(t, strings.HasPrefix(addr, host+":"), "asked for %s, ready on %s", host, addr)
	return addr
}
