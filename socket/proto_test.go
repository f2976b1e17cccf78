package socket_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// echo is the tests' protocol: a kind ('?' or '!'), the length of the
// transaction id, the id, the text. A request is answered with its text, an
// empty one is not. What begins with '#' is another protocol's.
type echo struct {
	ticks []time.Time
	tick  func(now time.Time) time.Time
	serve func(d socket.Datagram)
}

func (e *echo) Classify(b []byte) (socket.Class, []byte) {
	if len(b) > 0 && b[0] == '#' {
		return socket.Foreign, nil
	}
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return socket.Drop, nil
	}
	tid := b[2 : 2+int(b[1])]
	switch b[0] {
	case '?':
		return socket.Request, tid
	case '!':
		return socket.Response, tid
	}
	return socket.Drop, nil
}

func (e *echo) Serve(dst []byte, d socket.Datagram) []byte {
	if e.serve != nil {
		e.serve(d)
	}
	if len(d.Payload) == 2+int(d.Payload[1]) {
		return dst
	}
	dst = append(dst, d.Payload...)
	dst[0] = '!'
	return dst
}

func (e *echo) Tick(now time.Time) time.Time {
	e.ticks = append(e.ticks, now)
	if e.tick == nil {
		return time.Time{}
	}
	return e.tick(now)
}

// text is a question of the echo protocol.
type text string

func (t text) AppendPacket(dst, tid []byte) []byte {
	return append(message(dst, '?', tid), t...)
}

func message(dst []byte, kind byte, tid []byte) []byte {
	return append(append(dst, kind, byte(len(tid))), tid...)
}

// answer turns a request into its response.
func answer(request []byte) []byte {
	b := append([]byte(nil), request...)
	b[0] = '!'
	return b
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// node is an address of the simulated networks.
func node(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{80, byte(i >> 16), byte(i >> 8), byte(i)}), 6881)
}

// fixed is a latency of exactly 50 ms each way.
func fixed(_, _ netip.AddrPort) time.Duration { return 50 * time.Millisecond }

// start runs a socket at an address of net, until the test's end.
func start(t *testing.T, net *simnet.Net, at netip.AddrPort, cfg socket.Config) *socket.Socket {
	t.Helper()
	s := socket.New(cfg, new(echo), net.Listen(at))
	s.Start()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// ask sends a question that must be accepted.
func ask(t *testing.T, g *socket.Group, q socket.Query) {
	t.Helper()
	if q.Packet == nil {
		q.Packet = text("hello")
	}
	require.NoError(t, g.Send(q))
}

// next returns the group's next event, which must be of that kind.
func next(t *testing.T, g *socket.Group, kind socket.EventKind) socket.Event {
	t.Helper()
	ev, err := g.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, kind, ev.Kind, "got %v", ev.Kind)
	return ev
}
