package interop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// startAria2 starts aria2 on a loopback address, to which all its sockets are bound, looking for the torrent; it ends
// with the test.
func startAria2(t *testing.T, host string, infoHash krpc.ID, entry string) {
	t.Helper()
	dir := t.TempDir()
	start(t, terminate, needProgram(t, "aria2c", "aria2"),
		"--no-conf", "--no-netrc", "--quiet", fmt.Sprintf("--stop-with-process=%d", os.Getpid()),
		"--interface="+host, "--disable-ipv6", "--async-dns=false",
		"--listen-port=20000-40000", "--dht-listen-port=20000-40000", "--dht-entry-point="+entry,
		"--dht-file-path="+filepath.Join(dir, "dht.dat"), "--dir="+dir,
		"--bt-enable-lpd=false", "--enable-peer-exchange=false",
		"magnet:?xt=urn:btih:"+infoHash.String())
}

// aria2 joins through us, finds the peer that we announced and connects to it, and announces itself to nodes of ours.
// Then it serves our queries.
func TestAria2(t *testing.T) {
	t.Parallel()
	const host = "127.79.1.1"
	log := newQueryLog()
	ours := startOurs(t, "127.78.%d.1", 12, mainline.Config{OnQuery: log.note})
	infoHash := hexID(t, strings.Repeat("a12a", 10))
	listener, port := listenAsPeer(t, ours[3])
	require.Len(t, announceFrom(t, ours[3], infoHash, port), 8)

	startAria2(t, host, infoHash, ours[0].Addr().String())
	requireHandshake(t, listener, host, infoHash)
	var peer string
	await(t, "aria2 announces itself", func() bool {
		peer = fmt.Sprint(host, ":", log.announced(host).Port)
		return log.announced(host).Port != 0
	})
	require.False(t, log.announced(host).ImpliedPort)
	want := []string{fmt.Sprint(ours[3].Addr().Addr(), ":", port), peer}
	for _, i := range []int{0, 6, 11} {
		await(t, "its whole announcement", func() bool { return slices.Equal(want, peersOf(t, ours[i], infoHash)) })
	}

	node, ok := log.asker(host, krpc.MethodGetPeers)
	require.True(t, ok)
	t.Run("answers", func(t *testing.T) { testAnswersOfAria2(t, ours, node.String()) })
}

// testAnswersOfAria2 asks an aria2 node what it implements, which is BEP 5 of 2008.
func testAnswersOfAria2(t *testing.T, ours []*mainline.Node, addr string) {
	us := ours[5]
	r := ask(t, us, addr, krpc.PingArgs{})
	require.True(t, strings.HasPrefix(string(r.Version()), "A2"), "%q", r.Version())
	_, ok := r.IP()
	require.False(t, ok, "aria2 knows nothing of BEP 42")

	r = ask(t, us, addr, krpc.FindNodeArgs{Target: us.ID(), Want: krpc.WantBoth})
	require.NotEmpty(t, slices.Collect(r.Nodes))
	require.Nil(t, r.Field("nodes6"), "nor of BEP 32")

	infoHash := us.ID()
	token := ask(t, us, addr, krpc.GetPeersArgs{InfoHash: infoHash}).Token()
	require.Len(t, token, 20)
	// aria2 takes the port and not the source port, whatever implied_port says; the port is always sent for such nodes.
	ask(t, us, addr, krpc.AnnouncePeerArgs{InfoHash: infoHash, Port: 7005, ImpliedPort: true, Token: token})
	r = ask(t, ours[6], addr, krpc.GetPeersArgs{InfoHash: infoHash, Scrape: true})
	require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(us.Addr().Addr(), 7005)}, slices.Collect(r.Values))
	require.NotEmpty(t, slices.Collect(r.Nodes), "aria2 sends nodes and values")
	require.Nil(t, r.BFpe(), "no BEP 33")

	// What it refuses, and what it does not know (BEP 44, BEP 51), it does not answer at all.
	requireSilence(t, us, addr,
		krpc.AnnouncePeerArgs{InfoHash: infoHash, Port: 7006, Token: []byte("12345678901234567890")},
		krpc.GetArgs{Target: infoHash}, krpc.SampleArgs{Target: infoHash})
}
