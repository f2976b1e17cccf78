package socket_test

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// plain is a net.PacketConn without the netip methods, over a simnet.Conn.
type plain struct {
	*simnet.Conn
	hide bool // sources are of a type of their own
}

// The netip methods are hidden by others of the same name.
func (p plain) ReadFromUDPAddrPort()             {}
func (p plain) WriteToUDPAddrPort()              {}
func (p plain) SetDeadline(time.Time) error      { return nil }
func (p plain) SetReadDeadline(time.Time) error  { return nil }
func (p plain) SetWriteDeadline(time.Time) error { return nil }

func (p plain) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.Conn.ReadFromUDPAddrPort(b)
	if p.hide {
		return n, &net.UnixAddr{Name: "somebody"}, err
	}
	return n, net.UDPAddrFromAddrPort(from), err
}

func (p plain) WriteTo(b []byte, to net.Addr) (int, error) {
	return p.Conn.WriteToUDPAddrPort(b, to.(*net.UDPAddr).AddrPort())
}

func TestWrappedPacketConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		a := socket.New(socket.Config{}, new(echo), socket.Wrap(plain{Conn: n.Listen(node(1))}))
		a.Start()
		defer a.Close()
		require.Equal(t, node(1), a.Addr(0))
		require.Equal(t, netip.AddrPort{}, a.Addr(1))
		start(t, n, node(2), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(2)})
		require.Equal(t, node(2), next(t, g, socket.Reply).From)

		b := socket.New(socket.Config{}, new(echo), socket.Wrap(plain{n.Listen(node(3)), true}))
		b.Start()
		defer b.Close()
		ask(t, g, socket.Query{To: node(3)})
		next(t, g, socket.Late)
		require.Equal(t, map[string]uint64{"bad-source": 1}, b.Stats().Losses())
	})
}

func TestWrapKeepsAConn(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer c.Close()
	require.Same(t, c, socket.Wrap(c))
}

func TestSeveralConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		a := socket.New(socket.Config{}, new(echo), n.Listen(node(1)), n.Listen(node(2)))
		a.Start()
		defer a.Close()
		froms := make(chan netip.AddrPort, 3)
		p := &echo{serve: func(d socket.Datagram) { froms <- d.From }}
		b := socket.New(socket.Config{}, p, n.Listen(node(3)))
		b.Start()
		defer b.Close()
		g := a.Group(socket.GroupConfig{})
		for conn := range 2 {
			ask(t, g, socket.Query{To: node(3), Conn: conn})
			require.Equal(t, conn, next(t, g, socket.Reply).Conn)
			require.Equal(t, node(1+conn), <-froms)
		}
		require.ErrorIs(t, g.Send(socket.Query{To: node(3), Conn: 2, Packet: text("x")}), socket.ErrNoConn)
		require.ErrorIs(t, a.SendRaw(-1, node(3), nil), socket.ErrNoConn)
		require.ErrorIs(t, g.Send(socket.Query{To: node(2), Packet: text("x")}), socket.ErrFiltered, "that is ourselves")
		require.NoError(t, a.SendRaw(1, node(3), []byte("?\x00")))
		require.Equal(t, node(2), <-froms)
	})
}

// While one goroutine is in OnEvent, what another has read waits its turn: in
// order, one at a time, and unharmed by what is read next.
func TestEventsOfTwoReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{Latency: fixed})
		a := socket.New(socket.Config{}, new(echo), n.Listen(node(1)), n.Listen(node(2)))
		a.Start()
		defer a.Close()
		start(t, n, node(3), socket.Config{})
		entered, leave := make(chan struct{}), make(chan struct{})
		var got []string
		g := a.Group(socket.GroupConfig{OnEvent: func(ev socket.Event) bool {
			if len(got) == 0 {
				close(entered)
				<-leave
			}
			got = append(got, string(ev.Payload[6:]))
			return false
		}})
		ask(t, g, socket.Query{To: node(3), Conn: 0, Packet: text("first")})
		<-entered
		for _, q := range []text{"second", "third"} {
			ask(t, g, socket.Query{To: node(3), Conn: 1, Packet: q})
			time.Sleep(time.Second / 2)
		}
		close(leave)
		synctest.Wait()
		require.Equal(t, []string{"first", "second", "third"}, got)
	})
}

// broken is a conn whose reads and writes fail as told.
type broken struct {
	*simnet.Conn
	mu     sync.Mutex
	reads  int // that fail before the next good one
	again  int // and after it
	writes error
}

func (c *broken) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.mu.Lock()
	fail := c.reads > 0
	if c.reads--; !fail {
		c.reads, c.again = c.again, 0
	}
	c.mu.Unlock()
	if fail {
		return 0, netip.AddrPort{}, errors.New("connection refused")
	}
	return c.Conn.ReadFromUDPAddrPort(b)
}

func (c *broken) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.mu.Lock()
	err := c.writes
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.Conn.WriteToUDPAddrPort(b, to)
}

func (c *broken) failWrites(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = err
}

func TestReadErrorsDoNotStopTheReader(t *testing.T) {
	for errs, deaf := range map[int]bool{99: false, 100: true} {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(simnet.Config{})
			a := socket.New(socket.Config{}, new(echo), &broken{Conn: n.Listen(node(1)), reads: errs})
			a.Start()
			defer a.Close()
			start(t, n, node(2), socket.Config{})
			g := a.Group(socket.GroupConfig{})
			ask(t, g, socket.Query{To: node(2)})
			if deaf {
				next(t, g, socket.Late)
			} else {
				next(t, g, socket.Reply)
			}
			require.EqualValues(t, errs, a.Stats().Losses()["read-error"])
		})
	}
}

func TestOnlyReadErrorsInARowCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		a := socket.New(socket.Config{}, new(echo), &broken{Conn: n.Listen(node(1)), reads: 60, again: 60})
		a.Start()
		defer a.Close()
		start(t, n, node(2), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		for range 2 {
			ask(t, g, socket.Query{To: node(2)})
			next(t, g, socket.Reply)
		}
		require.EqualValues(t, 120, a.Stats().ReadErrors)
	})
}

func TestSendFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		why := errors.New("network is unreachable")
		c := &broken{Conn: n.Listen(node(1)), writes: why}
		a := socket.New(socket.Config{Window: 1}, new(echo), c)
		a.Start()
		defer a.Close()
		g := a.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(2), Tag: 9})
		ev := next(t, g, socket.SendFailed)
		require.ErrorIs(t, ev.Err, why)
		require.EqualValues(t, 9, ev.Tag)
		require.Zero(t, g.Open())
		require.Equal(t, map[string]uint64{"send-error": 1}, a.Stats().Losses())
		require.ErrorIs(t, a.SendRaw(0, node(2), []byte("x")), why)

		c.failWrites(nil)
		ask(t, g, socket.Query{To: node(2), Packet: text("x"), Resends: 1})
		c.failWrites(why)
		next(t, g, socket.Late)
		next(t, g, socket.Timeout)
		require.EqualValues(t, 3, a.Stats().SendErrors, "a resend that fails is only counted")

		require.ErrorIs(t, g.Send(socket.Query{To: node(2)}), socket.ErrNoPacket)
		ask(t, g, socket.Query{To: node(2), Packet: nothing{}})
		require.ErrorIs(t, next(t, g, socket.SendFailed).Err, socket.ErrNoPacket)
	})
}

type nothing struct{}

func (nothing) AppendPacket(dst, _ []byte) []byte { return dst }

// Whoever answers a failed send with another send does not recurse.
func TestSendFailedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		a := socket.New(socket.Config{}, new(echo), &broken{Conn: n.Listen(node(1)), writes: errors.New("no")})
		a.Start()
		defer a.Close()
		var g *socket.Group
		left, depth := 100_000, 0
		var callers sync.Mutex // held around Send, as by a caller whose OnEvent takes it too
		g = a.Group(socket.GroupConfig{OnEvent: func(ev socket.Event) bool {
			callers.Lock()
			defer callers.Unlock()
			depth++
			defer func() { depth-- }()
			require.Equal(t, 1, depth)
			if left--; left > 0 {
				require.NoError(t, g.Send(socket.Query{To: node(2), Packet: text("x")}))
			}
			return false
		}})
		callers.Lock()
		ask(t, g, socket.Query{To: node(2)})
		callers.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, left)
		require.Zero(t, a.InFlight())
	})
}

func TestLongDatagrams(t *testing.T) {
	for _, most := range []int{0, 100, 2000} {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(simnet.Config{})
			a := start(t, n, node(1), socket.Config{MaxRead: most})
			c := n.Listen(node(2))
			limit := cmp.Or(most, socket.MaxDatagram)
			for _, size := range []int{limit, limit + 1, 65000} {
				b := make([]byte, size)
				b[0] = '?'
				c.WriteToUDPAddrPort(b, node(1))
			}
			require.Len(t, read(t, c), limit)
			time.Sleep(time.Second)
			c.Close()
			require.Equal(t, map[string]uint64{"too-long": 2}, a.Stats().Losses())
		})
	}
}

func TestRealUDP(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			a, b := listen(t, ip), listen(t, ip)
			g := a.Group(socket.GroupConfig{Window: 16})
			const n = 500
			sent, got := 0, 0
			for got < n {
				for sent < n && g.Send(socket.Query{To: b.Addr(0), Packet: text("hello"), Resends: 5}) == nil {
					sent++
				}
				ev, err := g.Wait(t.Context())
				require.NoError(t, err)
				switch ev.Kind {
				case socket.Reply:
					require.Equal(t, b.Addr(0), ev.From)
					require.Equal(t, "hello", string(ev.Payload[6:]))
					got++
				default:
					require.Contains(t, []socket.EventKind{socket.Room, socket.Late}, ev.Kind)
				}
			}
			require.Zero(t, a.InFlight())
			require.GreaterOrEqual(t, b.Stats().Requests, uint64(n))

			require.NoError(t, b.Close()) // from here its port is closed: ICMP comes back
			for range 20 {
				require.NoError(t, g.Send(socket.Query{To: b.Addr(0), Packet: text("hello"), Hard: time.Millisecond}))
				ev, err := g.Wait(t.Context())
				require.NoError(t, err)
				require.Contains(t, []socket.EventKind{socket.Timeout, socket.SendFailed, socket.Room}, ev.Kind)
			}
		})
	}
}

func listen(t *testing.T, ip string) *socket.Socket {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Skipf("this machine has no %s: %v", ip, err)
	}
	s := socket.New(socket.Config{Private: true}, new(echo), c)
	s.Start()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
