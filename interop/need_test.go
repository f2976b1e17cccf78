package interop

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// scripts is where the JavaScript nodes live, seen from this directory.
const scripts = "js"

// needNode returns the path of the node program, once everything that the tests need is there.
func needNode(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed: "+err.Error())
	}
	for _, pkg := range []string{"bittorrent-dht", "k-rpc"} {
		if _, err := os.Stat(filepath.Join(scripts, "node_modules", pkg)); err != nil {
			missing(t, "run npm install in interop/js: "+err.Error())
		}
	}
	conn, err := net.ListenPacket("udp4", "127.60.0.1:0")
	if err != nil {
		missing(t, "this machine has only one loopback address: "+err.Error())
	}
	require.NoError(t, conn.Close())
	return node
}

// missing skips the test; with DHTKIT_INTEROP=1 it fails it.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("DHTKIT_INTEROP") == "1" {
		require.FailNow(t, why)
	}
	t.Skip(why + " (DHTKIT_INTEROP=1 makes this a failure)")
}
