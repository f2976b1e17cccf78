package interop

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// needNode returns the path of the node program, once everything that its scripts need is there.
func needNode(t *testing.T) string {
	t.Helper()
	node := needProgram(t, "node", "nodejs")
	for _, pkg := range []string{"bittorrent-dht", "dht-rpc", "dht-rpc-v4", "hyperdht", "k-rpc"} {
		if _, err := os.Stat(filepath.Join("js", "node_modules", pkg)); err != nil {
			missing(t, "run npm install in interop/js: "+err.Error())
		}
	}
	needLoopback(t)
	return node
}

// needLibtorrent returns the path of a Python that has libtorrent's bindings.
func needLibtorrent(t *testing.T) string {
	t.Helper()
	python, err := pythonOfLibtorrent()
	if err != nil {
		missing(t, "python3-libtorrent is not installed: "+err.Error())
	}
	needLoopback(t)
	return python
}

// pythonOfLibtorrent prefers Debian's Python, as its package python3-libtorrent does not serve any other.
var pythonOfLibtorrent = sync.OnceValues(func() (string, error) {
	var why error
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		out, err := exec.Command(python, "-c", "import libtorrent").CombinedOutput()
		if err == nil {
			return python, nil
		}
		why = fmt.Errorf("%s: %w %s", python, err, out)
	}
	return "", why
})

// needProgram returns the path of a program that comes with a Debian package.
func needProgram(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, debian+" is not installed: "+err.Error())
	}
	return path
}

// needLoopback makes sure that every 127.x.y.z is an address of the machine.
func needLoopback(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.60.0.1:0")
	if err != nil {
		missing(t, "this machine has only one loopback address: "+err.Error())
	}
	require.NoError(t, conn.Close())
}

// missing skips the test; with DHTKIT_INTEROP=1 it fails it.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("DHTKIT_INTEROP") == "1" {
		require.FailNow(t, why)
	}
	t.Skip(why + " (DHTKIT_INTEROP=1 makes this a failure)")
}
