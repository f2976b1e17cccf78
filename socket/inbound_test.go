package socket_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/socket"
)

// perSource are the limits of one source, without those that many share.
func perSource() socket.Inbound {
	in := socket.PublicInbound()
	in.PerNet, in.Bytes = 0, 0
	return in
}

// crowd asks a stepped socket on behalf of many.
type crowd struct {
	t     *testing.T
	s     *socket.Socket
	bytes int // of answers
	n     int // answers
}

func newCrowd(t *testing.T, in socket.Inbound) *crowd {
	s, _, _ := stepped(socket.Config{Inbound: in})
	return &crowd{t: t, s: s}
}

var request = text("hello").AppendPacket(nil, []byte("abcd"))

// ask sends a request from an address and reports whether it was answered.
func (c *crowd) ask(from netip.AddrPort, at time.Duration) bool {
	before := c.n
	c.s.Receive(socket.Datagram{Payload: request, From: from, At: epoch.Add(at)}, c.out)
	return c.n > before
}

func (c *crowd) out(_ int, _ netip.AddrPort, b []byte) {
	c.n++
	c.bytes += len(b)
}

// asks sends n requests at once and returns how many were answered.
func (c *crowd) asks(n int, from netip.AddrPort, at time.Duration) int {
	before := c.n
	for range n {
		c.ask(from, at)
	}
	return c.n - before
}

func TestOneSourceIsServedAtItsRate(t *testing.T) {
	in := perSource()
	in.Most = 0
	c := newCrowd(t, in)
	require.Equal(t, 25, c.asks(100, node(2), 0))
	require.Equal(t, 5, c.asks(100, node(2), time.Second))
	require.Equal(t, 1, c.asks(100, node(2), 1200*time.Millisecond))
	require.Equal(t, 25, c.asks(100, node(2), time.Hour), "it fills up to the burst")
	require.Equal(t, 25, c.asks(100, node(3), 0), "another source has its own")
	require.Equal(t, map[string]uint64{"over-rate": 500 - 25 - 5 - 1 - 25 - 25}, c.s.Stats().Losses())
	require.EqualValues(t, c.n, c.s.Stats().Requests, "what is refused is not looked at")
}

func TestWhatIsASource(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		same bool
	}{
		"ports do not count":     {"80.1.1.1:1", "80.1.1.1:2", true},
		"addresses of a /24":     {"80.1.1.1:1", "80.1.1.2:1", false},
		"a /64 is one":           {"[2a01::1]:1", "[2a01::9:1]:1", true},
		"two /64":                {"[2a01:0:0:1::1]:1", "[2a01:0:0:2::1]:1", false},
		"IPv4, and IPv6 like it": {"80.1.1.1:1", "[2a01:0:5001:101::1]:1", false},
		"IPv4 in IPv6":           {"80.1.1.1:1", "[::ffff:80.1.1.1]:1", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, perSource())
			require.Equal(t, 25, c.asks(25, addr(test.a), 0))
			require.Equal(t, !test.same, c.ask(addr(test.b), 0))
		})
	}
}

func TestSilenceIsExact(t *testing.T) {
	c := newCrowd(t, perSource())
	require.Equal(t, 25, c.asks(50, node(2), 0))
	require.Equal(t, 5, c.asks(5, node(2), 11*time.Second), "50 are no reason")
	require.Equal(t, 20, c.asks(46, node(2), 11*time.Second), "the 51st is, from then on")
	from, to := 11*time.Second, 311*time.Second
	for _, at := range []time.Duration{from, from + time.Second, to - time.Minute, to - 1} {
		require.False(t, c.ask(node(2), at), "%v", at)
	}
	require.EqualValues(t, 5, c.s.Stats().Silenced)
	require.Equal(t, 25, c.asks(50, node(2), to), "what came in silence does not count")
}

func TestASteadySourceIsNeverSilenced(t *testing.T) {
	c := newCrowd(t, perSource())
	gap := 220 * time.Millisecond // 4.5 a second
	for at := time.Duration(0); at < time.Hour; at += gap {
		require.True(t, c.ask(node(2), at), "%v", at)
	}
}

// Attack 2: whoever's address is forged gets no more than 50 packets in any 10 s,
// and then none for 300 s, however many others are forged in turn.
func TestForgedVictimsAreLeftAlone(t *testing.T) {
	const victims = 10_000
	type victim struct {
		got  []time.Duration
		last time.Duration
	}
	rounds := 150
	if testing.Short() {
		rounds = 70
	}
	c := newCrowd(t, perSource())
	all := make([]victim, victims)
	flood := func(at time.Duration) {
		for i := range all {
			if c.ask(node(1000+i), at) {
				all[i].got = append(all[i].got, at)
			}
		}
	}
	at := time.Duration(0)
	for range rounds { // each victim ten times a second
		at += 100 * time.Millisecond
		flood(at)
	}
	for at < 298*time.Second { // and on, more slowly
		at += 10 * time.Second
		flood(min(at, 298*time.Second))
	}
	for i, v := range all {
		require.InDelta(t, 47, len(v.got), 3, "victim %d", i)
		require.LessOrEqual(t, v.got[len(v.got)-1]-v.got[0], 5*time.Second, "and then silence")
	}
	flood(311 * time.Second)
	for _, v := range all {
		require.Equal(t, 311*time.Second, v.got[len(v.got)-1])
	}
}

// Whatever a source does, it gets no more than the limits say.
func TestNoPatternGetsMore(t *testing.T) {
	steps := 200_000
	if testing.Short() {
		steps /= 10
	}
	r := rand.New(rand.NewPCG(1, 2))
	c := newCrowd(t, perSource())
	got := make(map[int][]time.Duration)
	at := time.Duration(0)
	for range steps {
		at += time.Duration(r.ExpFloat64() * float64(8*time.Millisecond))
		who := r.IntN(1 + r.IntN(20)) // some ask much, some little
		if c.ask(node(2+who), at) {
			got[who] = append(got[who], at)
		}
	}
	within := func(times []time.Duration, span time.Duration) (most int) {
		first := 0
		for i := range times {
			for times[i]-times[first] > span {
				first++
			}
			most = max(most, i-first+1)
		}
		return most
	}
	seen := 0
	for _, times := range got {
		require.LessOrEqual(t, within(times, 10*time.Second), 50)
		require.LessOrEqual(t, within(times, time.Second), 30)
		require.LessOrEqual(t, within(times, 0), 25)
		seen = max(seen, within(times, 10*time.Second))
	}
	require.GreaterOrEqual(t, seen, 45, "and no less, for those who ask for it")
	require.Positive(t, c.s.Stats().Silenced)
	require.Positive(t, c.s.Stats().OverRate)
}

// behaviours: one flooding address is cut off and none of the others is, not even
// those of its own net.
func TestAFloodHarmsNobodyElse(t *testing.T) {
	c := newCrowd(t, socket.PublicInbound())
	flooded, asked, served := 0, 0, 0
	for ms := range 20_000 {
		at := time.Duration(ms) * time.Millisecond
		flooded += c.asks(20, node(0x10001), at)
		if ms%500 == 0 {
			for _, other := range []int{0x10002, 0x100ff, 0x20001, 0x30000 + ms} {
				asked++
				served += c.asks(1, node(other), at)
			}
		}
	}
	require.Equal(t, asked, served)
	require.LessOrEqual(t, flooded, 50)
}

func TestANetIsServedAtItsRate(t *testing.T) {
	for name, ip := range map[string]func(i int) netip.Addr{
		"/24": func(i int) netip.Addr { return netip.AddrFrom4([4]byte{80, 7, 7, byte(i)}) },
		"/48": func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0: 0x2a, 5: 7, 6: byte(i), 15: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, socket.PublicInbound())
			all := func(at time.Duration) (answered int) {
				for i := range 256 {
					answered += c.asks(2, netip.AddrPortFrom(ip(i), 1), at)
				}
				return answered
			}
			require.Equal(t, 200, all(0))
			require.Equal(t, 40, all(time.Second))
			require.Equal(t, 1, c.asks(1, node(2), time.Second), "another net")
			require.EqualValues(t, 1024-240, c.s.Stats().OverNet)
		})
	}
}

// behaviours: the byte limit holds within 5 %.
func TestBudgetOfBytes(t *testing.T) {
	c := newCrowd(t, socket.Inbound{Bytes: 1000})
	for ms := range 60_000 {
		c.ask(node(2+ms), time.Duration(ms)*time.Millisecond)
	}
	require.InEpsilon(t, 1000*63, c.bytes, 0.05, "three seconds at once, then what is allowed")
	require.EqualValues(t, c.bytes, c.s.Stats().SentBytes)
	require.EqualValues(t, 60_000-c.n, c.s.Stats().OverBudget)
}

func TestOwnQueriesComeBeforeStrangers(t *testing.T) {
	in := socket.Inbound{Bytes: 1000}
	s, g, _ := stepped(socket.Config{Inbound: in, Window: 1 << 16})
	c := &crowd{t: t, s: s}
	own := func(int, netip.AddrPort, []byte) {}
	sent := 0
	for i := range 1000 { // 100 queries a second of 23 bytes: twice the budget
		at := time.Duration(i) * 10 * time.Millisecond
		ask(t, g, socket.Query{To: node(2 + i), Packet: text("a question of 23")})
		ask(t, g, socket.Query{To: node(2 + i), Packet: text("a question of 23")})
		s.Advance(epoch.Add(at), own)
		sent += 2
		if i > 100 {
			require.False(t, c.ask(node(5000), at), "strangers wait")
		}
	}
	require.EqualValues(t, sent, s.Stats().Queries)
	require.False(t, c.ask(node(5000), 12*time.Second))
	require.True(t, c.ask(node(5000), 14*time.Second), "debts are forgiven beyond three seconds' worth")
}

func TestRepliesAreNotLimited(t *testing.T) {
	s, g, _ := stepped(socket.Config{Inbound: socket.PublicInbound()})
	c := &crowd{t: t, s: s}
	c.asks(1000, node(2), 0)
	require.False(t, c.ask(node(2), 0))
	var w wire
	ask(t, g, socket.Query{To: node(2)})
	s.Advance(epoch, w.out)
	s.Receive(socket.Datagram{Payload: answer(w[0].b), From: node(2), At: epoch}, w.out)
	next(t, g, socket.Reply)
}

func TestInboundIsOffByDefault(t *testing.T) {
	for _, in := range []socket.Inbound{{}, {PerSource: -1, Most: -1, PerNet: -1, Bytes: -1}} {
		c := newCrowd(t, in)
		require.Equal(t, 10_000, c.asks(10_000, node(2), 0))
	}
}

func TestAClockSetBackDoesNotSilence(t *testing.T) {
	c := newCrowd(t, perSource())
	c.asks(100, node(2), 100*time.Hour)
	c.asks(30, node(3), 100*time.Hour)
	require.False(t, c.ask(node(2), time.Hour), "for as long as it was to last")
	require.False(t, c.ask(node(2), time.Hour+299*time.Second))
	require.True(t, c.ask(node(2), time.Hour+300*time.Second))
	require.Equal(t, 25, c.asks(30, node(3), time.Hour+time.Second))
	require.Equal(t, 25, c.asks(30, node(3), -time.Hour), "before the socket was made")
}

func TestLimitingAllocatesNothing(t *testing.T) {
	in := socket.PublicInbound()
	in.Sources = 1000
	s, _, _ := stepped(socket.Config{Inbound: in})
	out := func(int, netip.AddrPort, []byte) {}
	i := 0
	receive := func() {
		i++
		d := socket.Datagram{Payload: request, From: node(i % 100_000), At: epoch.Add(time.Duration(i) * time.Microsecond)}
		s.Receive(d, out)
	}
	for range 10_000 {
		receive() // the table grows to its bound
	}
	require.Zero(t, testing.AllocsPerRun(50_000, receive))
}
