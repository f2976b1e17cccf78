package torrent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/iplist"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/torrentdht"
)

// patience is how long a test waits for anything at all. Nothing here takes a tenth of it.
const patience = 60 * time.Second

func need(t *testing.T) {
	t.Helper()
	if os.Getenv("DHTKIT_INTEROP") != "1" {
		t.Skip("set DHTKIT_INTEROP=1 to let two real torrent clients meet on loopback")
	}
}

// errOutside is what a client gets that tries to reach anything but a peer.
var errOutside = errors.New("the test's clients stay on loopback")

// abroad is a blocklist of every address but 127.0.0.0/8.
type abroad struct{}

func (abroad) Lookup(ip net.IP) (iplist.Range, bool) {
	return iplist.Range{Description: errOutside.Error()}, !ip.IsLoopback()
}
func (abroad) NumRanges() int { return 1 }

// onLoopback is the configuration of a client that listens on 127.0.0.1, connects to nothing else, and has no way to find
// a peer: no DHT, trackers, peer exchange, web seeds, WebRTC, nor port mapping. What would leave loopback fails the test.
func onLoopback(t *testing.T) *torrent.ClientConfig {
	outside := func(what, addr string) error {
		t.Errorf("%s to %s", what, addr)
		return errOutside
	}
	cfg := torrent.NewDefaultClientConfig()
	cfg.DataDir = t.TempDir()
	cfg.ListenHost = func(string) string { return "127.0.0.1" }
	cfg.ListenPort = 0
	cfg.DisableIPv6 = true
	cfg.IPBlocklist = abroad{}
	cfg.NoDHT, cfg.DisablePEX, cfg.NoDefaultPortForwarding = true, true, true
	cfg.DisableTrackers, cfg.DisableWebseeds, cfg.DisableWebtorrent = true, true, true
	cfg.TrackerDialContext = func(_ context.Context, network, addr string) (net.Conn, error) { return nil, outside(network, addr) }
	cfg.TrackerListenPacket = func(network, addr string) (net.PacketConn, error) { return nil, outside(network, addr) }
	cfg.HTTPDialContext = cfg.TrackerDialContext
	cfg.HttpRequestDirector = func(r *http.Request) error { return outside("HTTP", r.URL.String()) }
	cfg.Slogger = slog.New(slog.DiscardHandler)
	cfg.Seed = true
	return cfg
}

func newClient(t *testing.T, cfg *torrent.ClientConfig) *torrent.Client {
	t.Helper()
	client, err := torrent.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.Empty(t, client.Close()) })
	for _, l := range client.Listeners() {
		requireLoopback(t, l.Addr().String())
	}
	return client
}

func requireLoopback(t *testing.T, addr string) {
	t.Helper()
	a, err := netip.ParseAddrPort(addr)
	require.NoError(t, err)
	require.True(t, a.Addr().IsLoopback(), addr)
}

// newNode starts a node of a private network on 127.0.0.1.
func newNode(t *testing.T, cfg mainline.Config) *mainline.Node {
	t.Helper()
	cfg.Private = true
	node, err := mainline.Listen("127.0.0.1:0", cfg)
	require.NoError(t, err)
	closeNode(t, node)
	return node
}

// closeNode closes a node at the end of the test, and makes sure of whom it knew.
func closeNode(t *testing.T, node *mainline.Node) {
	t.Cleanup(func() {
		for _, n := range node.Nodes() {
			requireLoopback(t, n.Addr.String())
		}
		require.NoError(t, node.Close())
	})
}

// network starts nodes that are nobody's, and returns the address of one to join through.
func network(t *testing.T) string {
	t.Helper()
	first := newNode(t, mainline.Config{}).Addr().String()
	for range 3 {
		node := newNode(t, mainline.Config{Bootstrap: []string{first}})
		require.NoError(t, node.Ready(t.Context()))
	}
	return first
}

// attach gives a client a node as its only DHT.
func attach(t *testing.T, client *torrent.Client, node *mainline.Node) *torrentdht.Server {
	t.Helper()
	server := torrentdht.New(node, torrentdht.Config{})
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client.AddDhtServer(torrentdht.As[torrent.DhtAnnounce](server))
	return server
}

// content is a file of some pieces, the last one not full.
func content() []byte {
	b := make([]byte, 300_001)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// publish makes a torrent of content, without trackers and nodes, and adds it to a client that has it all.
func publish(t *testing.T, client *torrent.Client, cfg *torrent.ClientConfig) *metainfo.MetaInfo {
	t.Helper()
	file := filepath.Join(cfg.DataDir, "content")
	require.NoError(t, os.WriteFile(file, content(), 0o600))
	info := metainfo.Info{PieceLength: 32 << 10}
	require.NoError(t, info.BuildFromFilePath(file))
	encoded, err := bencode.Marshal(info)
	require.NoError(t, err)
	mi := &metainfo.MetaInfo{InfoBytes: encoded}
	tor, err := client.AddTorrent(mi)
	require.NoError(t, err)
	require.NoError(t, tor.VerifyDataContext(t.Context()))
	wait(t, tor.Complete().On(), "not all of the content")
	return mi
}

// wait waits until a channel is closed, or fails the test.
func wait(t *testing.T, done <-chan struct{}, failed string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		require.FailNow(t, failed)
	}
}

// stored waits until nodes have taken an announcement.
func stored(t *testing.T, server *torrentdht.Server) {
	t.Helper()
	require.Eventually(t, func() bool { return server.Stats().(torrentdht.Stats).Stored > 0 }, patience, 5*time.Millisecond)
}

// download waits for the whole of a torrent, and for its metadata first if only its hash is known.
func download(t *testing.T, tor *torrent.Torrent) {
	t.Helper()
	wait(t, tor.GotInfo(), "no metadata")
	tor.DownloadAll()
	wait(t, tor.Complete().On(), "no content")
	for _, conn := range tor.PeerConns() {
		requireLoopback(t, conn.RemoteAddr.String())
	}
	r := tor.NewReader()
	defer r.Close()
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content(), got), "the same bytes")
}
