package interop

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// A queryLog notes who asked nodes of ours for what.
type queryLog struct {
	mu   sync.Mutex // guards what follows
	from map[string]netip.AddrPort
	peer map[netip.Addr]krpc.AnnouncePeerArgs
}

func newQueryLog() *queryLog {
	return &queryLog{from: make(map[string]netip.AddrPort), peer: make(map[netip.Addr]krpc.AnnouncePeerArgs)}
}

// note is for Config.OnQuery.
func (l *queryLog) note(q *krpc.Query) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from[fmt.Sprint(q.From.Addr.Addr(), " ", string(q.Method()))] = q.From.Addr
	if args, err := q.AnnouncePeer(); err == nil && string(q.Method()) == krpc.MethodAnnouncePeer {
		l.peer[q.From.Addr.Addr()] = args
	}
}

// asker returns the address from which a host has asked with the method, if it has.
func (l *queryLog) asker(host, method string) (netip.AddrPort, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, ok := l.from[host+" "+method]
	return from, ok
}

// announced returns what a host announced last.
func (l *queryLog) announced(host string) krpc.AnnouncePeerArgs {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer[netip.MustParseAddr(host)]
}

// listenAsPeer opens a TCP socket on the host of a node of ours, as a peer would that it announces.
func listenAsPeer(t *testing.T, n *mainline.Node) (net.Listener, uint16) {
	t.Helper()
	l, err := net.Listen("tcp4", netip.AddrPortFrom(n.Addr().Addr(), 0).String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l, netip.MustParseAddrPort(l.Addr().String()).Port()
}

// requireHandshake accepts connections until one begins with a plain handshake (BEP 3): clients try an encrypted one
// before. It has to come from host, ask for the torrent, and say that there is a DHT node (BEP 5).
func requireHandshake(t *testing.T, l net.Listener, host string, infoHash krpc.ID) {
	t.Helper()
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	for {
		conn, err := l.Accept()
		require.NoError(t, err)
		require.Equal(t, host, netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().String())
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		hello := make([]byte, 68)
		_, err = io.ReadFull(conn, hello)
		require.NoError(t, conn.Close())
		if err == nil && string(hello[:20]) == "\x13BitTorrent protocol" {
			require.EqualValues(t, 1, hello[27]&1, "the bit that says DHT")
			require.Equal(t, infoHash[:], hello[28:48])
			return
		}
	}
}
