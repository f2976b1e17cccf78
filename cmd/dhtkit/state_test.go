package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A node that comes back knows who it is, and whom it knew: it joins although the node that it joined through is gone.
func TestNodeState(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "for it")
	first, b := node(t)
	second, _ := node(t, "--bootstrap", first)
	id := runNode(t, "--bootstrap", first+","+second, "--state", dir)["id"]
	info, err := os.Stat(filepath.Join(dir, stateFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	b.stop()

	r := dhtkit(t, "find", infoHash, "--bootstrap", first, "--state", dir, "--timeout", "1s")
	require.Equal(t, exitFound, r.code, r.stderr)
	require.Contains(t, r.stdout, second)

	require.Equal(t, id, runNode(t, "--bootstrap", first, "--state", dir)["id"])
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing half written is left")
}

// runNode runs a node until it has joined, and returns its start record.
func runNode(t *testing.T, args ...string) record {
	t.Helper()
	b := start(t, append([]string{"node", "--json", "--progress", "never", "--timeout", "2s"}, args...)...)
	b.errs.line(1)
	require.Contains(t, b.errs.String(), "joined")
	r := b.stop()
	require.Equal(t, exitFound, r.code, r.stderr)
	return records(t, r.stdout)[0]
}

// A state that cannot be read is not overwritten.
func TestBadState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, stateFile)
	require.NoError(t, os.WriteFile(file, []byte(`{"format": "something else"}`), 0o600))
	r := dhtkit(t, "node", "--state", dir)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, file)
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, `{"format": "something else"}`, string(kept))

	r = dhtkit(t, "node", "--state", filepath.Join(file, "below a file"))
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "--state")
}

// A read-only node asks and does not answer.
func TestNodeReadOnly(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	shy, b := node(t, "--bootstrap", first, "--read-only")
	r := dhtkit(t, "ping", shy, "--timeout", "200ms")
	require.Equal(t, exitNoAnswer, r.code)
	b.errs.line(1)
	require.Contains(t, b.errs.String(), "joined, 1 nodes")
	require.NotContains(t, strings.Join(found(t, "find", infoHash, "--bootstrap", first), "\n"), shy)
}
