package torrentdht

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anacrolix/dht/v2"
	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
)

// What anacrolix/torrent v1.61.0 asks for, word by word: the types have the names of another package there, as here.
type (
	dhtServer interface {
		Stats() any
		ID() [20]byte
		Addr() net.Addr
		AddNode(ni theirs.NodeInfo) error
		Ping(addr *net.UDPAddr)
		Announce(hash [20]byte, port int, impliedPort bool) (dhtAnnounce, error)
		WriteStatus(io.Writer)
	}
	dhtAnnounce interface {
		Close()
		Peers() <-chan dht.PeersValues
	}
)

var _ dhtServer = As[dhtAnnounce](nil)

func TestAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		s := l.serve(l.nodes[0], Config{})
		var adapted dhtServer = As[dhtAnnounce](s)
		a, err := adapted.Announce(hash, 1, true)
		require.NoError(t, err)
		require.IsType(t, &Announce{}, a)
		require.Equal(t, [20]byte(l.nodes[0].ID()), adapted.ID())
		udp, ok := adapted.Addr().(*net.UDPAddr)
		require.True(t, ok)
		require.Equal(t, 6881, udp.Port)
		a.Close()
		require.NoError(t, s.Close())
		a, err = adapted.Announce(hash, 1, true)
		require.ErrorIs(t, err, ErrClosed)
		require.True(t, a == nil, "not an interface around a nil pointer")
	})
	require.Panics(t, func() {
		As[interface {
			Handle
			More()
		}](nil)
	})
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		s := l.serve(l.nodes[1], Config{})
		_, err := s.Announce(hash, 7000, true)
		require.NoError(t, err)
		require.NoError(t, s.AddNode(ToNode(krpc.Node{Addr: addr(2)})))
		time.Sleep(time.Second)
		require.Equal(t, Stats{Nodes: 2, Announces: 1, Looked: 1, Stored: 2, Pings: 1, Pongs: 1}, s.Stats())
		var text bytes.Buffer
		s.WriteStatus(&text)
		require.Contains(t, text.String(), "endpoint "+l.nodes[1].ID().String()+" at 30.0.1.1:6881, nodes: 2\n")
		for _, i := range []int{0, 2} {
			require.Contains(t, text.String(), l.nodes[i].ID().String()+" "+addr(i).String()+"\n")
		}
	})
}
