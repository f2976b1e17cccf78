package torrent

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/torrentdht"
)

var _ torrent.DhtServer = torrentdht.As[torrent.DhtAnnounce](nil)

// A client that has the torrent file downloads from one that it knows only through the DHT. Its node knows nobody before the
// client names an address.
func TestDownload(t *testing.T) {
	need(t)
	boot := network(t)
	seederConfig := onLoopback(t)
	seeder := newClient(t, seederConfig)
	server := attach(t, seeder, newNode(t, mainline.Config{Bootstrap: []string{boot}}))
	mi := publish(t, seeder, seederConfig)
	stored(t, server)

	leecher := newClient(t, onLoopback(t))
	node := newNode(t, mainline.Config{})
	attach(t, leecher, node)
	leecher.AddDhtNodes([]string{boot})
	tor, err := leecher.AddTorrent(mi)
	require.NoError(t, err)
	download(t, tor)
	require.NotZero(t, node.Len())
}

// A client that has nothing but a magnet link finds the peer, asks it for the metadata, and downloads.
func TestMagnet(t *testing.T) {
	need(t)
	boot := network(t)
	seederConfig := onLoopback(t)
	seeder := newClient(t, seederConfig)
	server := attach(t, seeder, newNode(t, mainline.Config{Bootstrap: []string{boot}}))
	mi := publish(t, seeder, seederConfig)
	stored(t, server)

	leecher := newClient(t, onLoopback(t))
	attach(t, leecher, newNode(t, mainline.Config{Bootstrap: []string{boot}}))
	tor, err := leecher.AddMagnet("magnet:?xt=urn:btih:" + mi.HashInfoBytes().HexString())
	require.NoError(t, err)
	download(t, tor)
	require.Equal(t, "content", tor.Name())
}

// DHT and uTP share one port on both sides, and there is no TCP: what is announced is the port that datagrams come from.
func TestSharedPort(t *testing.T) {
	need(t)
	boot := network(t)
	start := func(cfg *torrent.ClientConfig) (*torrent.Client, *torrentdht.Server) {
		cfg.DisableTCP = true
		client := newClient(t, cfg)
		conns := torrentdht.Conns(client.Listeners())
		require.Len(t, conns, 1)
		node, err := mainline.New(mainline.Config{Private: true, Bootstrap: []string{boot}}, conns...)
		require.NoError(t, err)
		closeNode(t, node)
		require.Equal(t, client.LocalPort(), int(node.Addr().Port()))
		return client, attach(t, client, node)
	}
	seederConfig := onLoopback(t)
	seeder, server := start(seederConfig)
	mi := publish(t, seeder, seederConfig)
	stored(t, server)

	observer := newNode(t, mainline.Config{Bootstrap: []string{boot}})
	var peers []string
	for p, err := range observer.GetPeers(krpc.ID(mi.HashInfoBytes())).Peers(t.Context()) {
		require.NoError(t, err)
		peers = append(peers, p.String())
	}
	require.Equal(t, []string{server.Addr().String()}, peers)

	leecher, _ := start(onLoopback(t))
	tor, err := leecher.AddMagnet("magnet:?xt=urn:btih:" + mi.HashInfoBytes().HexString())
	require.NoError(t, err)
	download(t, tor)
}

// A node can leave a shared port, and another one can take its place, while the client goes on.
func TestSharedPortIsLeftOpen(t *testing.T) {
	need(t)
	client := newClient(t, onLoopback(t))
	other := newNode(t, mainline.Config{Timeout: time.Second})
	for range 3 {
		conns := torrentdht.Conns(client.Listeners())
		node, err := mainline.New(mainline.Config{Private: true}, conns...)
		require.NoError(t, err)
		pong, err := other.Ping(t.Context(), node.Addr())
		if errors.Is(err, krpc.ErrTimeout) { // with cgo one datagram may be lost: see torrentdht.Share
			pong, err = other.Ping(t.Context(), node.Addr())
		}
		require.NoError(t, err)
		require.Equal(t, node.ID(), pong.ID)
		require.NoError(t, node.Close())
	}
	require.Empty(t, client.Close())
}

// A client that is closed before the node on its port leaves a node that can be closed.
func TestClientIsClosedFirst(t *testing.T) {
	need(t)
	client := newClient(t, onLoopback(t))
	node, err := mainline.New(mainline.Config{Private: true}, torrentdht.Conns(client.Listeners())...)
	require.NoError(t, err)
	require.Empty(t, client.Close())
	require.NoError(t, node.Close())
}

// The recipe of the package comment: a seeder that looks for nobody hears of the leecher because that one announces itself
// to the seeder's node, and connects to it. The leecher connects to nobody.
func TestInboundAnnouncement(t *testing.T) {
	need(t)
	type announced struct {
		infoHash [20]byte
		peer     netip.AddrPort
	}
	heard := make(chan announced, 64)
	seederConfig := onLoopback(t)
	seederConfig.PeriodicallyAnnounceTorrentsToDht = false
	seeder := newClient(t, seederConfig)
	seederNode := newNode(t, mainline.Config{OnQuery: func(q *krpc.Query) {
		if infoHash, peer, ok := torrentdht.Announced(q); ok {
			select {
			case heard <- announced{infoHash, peer}:
			default:
			}
		}
	}})
	attach(t, seeder, seederNode)
	mi := publish(t, seeder, seederConfig)

	leecherConfig := onLoopback(t)
	leecherConfig.DialForPeerConns = false
	leecher := newClient(t, leecherConfig)
	attach(t, leecher, newNode(t, mainline.Config{Bootstrap: []string{seederNode.Addr().String()}}))
	tor, err := leecher.AddTorrent(mi)
	require.NoError(t, err)
	tor.DownloadAll() // a client announces only what it wants

	var a announced
	select {
	case a = <-heard:
	case <-time.After(patience):
		require.FailNow(t, "the leecher did not announce itself")
	}
	require.Equal(t, leecher.LocalPort(), int(a.peer.Port()))
	wanted, ok := seeder.Torrent(a.infoHash)
	require.True(t, ok)
	require.Equal(t, 1, wanted.AddPeers([]torrent.PeerInfo{{
		Addr:   torrent.StringAddr(a.peer.String()),
		Source: torrent.PeerSourceDhtAnnouncePeer,
	}}))
	download(t, tor)
}
