package socket

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// check tells what is wrong with the core: every number it keeps must be the
// one that counting gives.
func (c *core) check(groups []*Group) error {
	for i, x := range c.open.queue {
		if x.heap != i || i > 0 && c.open.queue[(i-1)/2].at > x.at {
			return fmt.Errorf("heap broken at %d", i)
		}
		if c.open.byTID[x.tid] != x {
			return fmt.Errorf("query %x not in the table", x.tid)
		}
	}
	if len(c.open.queue) != len(c.open.byTID) || len(c.open.queue) > c.window {
		return fmt.Errorf("%d deadlines, %d ids, window %d", len(c.open.queue), len(c.open.byTID), c.window)
	}
	open, background := 0, 0
	debts := map[debt]int{}
	for i, g := range groups {
		if err := g.check(); err != nil {
			return fmt.Errorf("group %d: %w", i, err)
		}
		open += g.open
		if g.background {
			background += g.open
		}
		debts[g.debt]++
	}
	if open != c.open.len() || background != c.background || background > max(1, c.window/4) {
		return fmt.Errorf("groups have %d open, %d of them background; the core %d and %d", open, background, c.open.len(), c.background)
	}
	r := &c.rooms
	if r.owed[0].count() != r.owed[0].len || r.owed[1].count() != r.owed[1].len || r.grants.count() != r.grants.len {
		return fmt.Errorf("a list of groups has lost count")
	}
	if r.owed[0].len+r.owed[1].len != debts[queued] || r.grants.len != debts[granted] {
		return fmt.Errorf("debts %v, lists %d %d %d", debts, r.owed[0].len, r.owed[1].len, r.grants.len)
	}
	if debts[queued] > 0 && c.open.len() == 0 && r.retryAt == never {
		return fmt.Errorf("%d groups wait for Room and nothing will wake them", debts[queued])
	}
	return nil
}

func (l *groupList) count() (n int) {
	for g := l.first; g != nil; g = g.later {
		n++
	}
	return n
}

func (g *Group) check() error {
	open, flight := 0, 0
	for x := g.first; x != nil; x = x.next {
		open++
		if x.state != late {
			flight++
		}
	}
	if open != g.open || flight != g.inFlight {
		return fmt.Errorf("%d open and %d in flight, counted %d and %d", g.open, g.inFlight, open, flight)
	}
	if g.window > 0 && flight > g.window {
		return fmt.Errorf("%d in flight, window %d", flight, g.window)
	}
	if g.closed && (open > 0 || g.debt != noDebt) {
		return fmt.Errorf("closed with %d open, debt %d", open, g.debt)
	}
	if g.debt == ownDebt && !g.full() {
		return fmt.Errorf("waits for itself, but is not full")
	}
	return nil
}

// life drives a stepped socket through random events in any order and checks
// it after each.
type life struct {
	r      *rand.Rand
	s      *Socket
	now    time.Time
	groups []*Group
	opened map[*Group]int // queries accepted
	ended  map[*Group]int // and reported over
	debts  map[*Group]int // refused and not told Room: 0 or 1
	wire   [][]byte
	to     []netip.AddrPort
}

type mirror struct{}

func (mirror) Classify(b []byte) (Class, []byte) {
	if len(b) == 0 {
		return Drop, nil
	}
	return Class(b[0] % 3), b[1:]
}
func (mirror) Serve(dst []byte, d Datagram) []byte { return append(dst, d.Payload...) }
func (mirror) Tick(now time.Time) time.Time        { return now.Add(time.Minute) }
func (mirror) AppendPacket(dst, tid []byte) []byte {
	return append(append(dst, byte(Response)), tid...) // which is also its answer
}

func (l *life) out(_ int, to netip.AddrPort, b []byte) {
	i := l.r.IntN(len(l.wire))
	l.wire[i], l.to[i] = append(l.wire[i][:0], b...), to
}

func newLife(seed uint64, cfg Config) *life {
	l := &life{
		r: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0),
		opened: map[*Group]int{}, ended: map[*Group]int{}, debts: map[*Group]int{},
		wire: make([][]byte, 64), to: make([]netip.AddrPort, 64),
	}
	cfg.Seed = new([32]byte)
	l.s = New(cfg, mirror{})
	l.s.Advance(l.now, l.out)
	for range 6 {
		l.groups = append(l.groups, l.group())
	}
	return l
}

func (l *life) group() *Group {
	cfg := GroupConfig{Window: l.r.IntN(6), Background: l.r.IntN(3) == 0}
	var g *Group
	cfg.OnEvent = func(ev Event) bool {
		switch ev.Kind {
		case Room:
			l.debts[g]--
		case Reply, Timeout, SendFailed:
			l.ended[g]++
		}
		if l.r.IntN(3) == 0 {
			l.send(g)
		}
		return false
	}
	g = l.s.Group(cfg)
	return g
}

func (l *life) send(g *Group) {
	q := Query{
		To:     netip.AddrPortFrom(netip.AddrFrom4([4]byte{80, 1, 1, byte(l.r.IntN(20))}), 1),
		Packet: mirror{}, Resends: l.r.IntN(3),
		Soft: time.Duration(l.r.IntN(4)-1) * 300 * time.Millisecond, Hard: time.Duration(l.r.IntN(4)) * time.Second,
	}
	switch err := g.Send(q); err {
	case nil:
		l.opened[g]++
	case ErrFull:
		l.debts[g] = 1
	}
}

func (l *life) step() {
	i := l.r.IntN(len(l.groups))
	switch n := l.r.IntN(100); {
	case n < 50:
		l.send(l.groups[i])
	case n < 75:
		j := l.r.IntN(len(l.wire))
		from := l.to[j]
		if l.r.IntN(10) == 0 {
			from = netip.AddrPortFrom(from.Addr(), 2)
		}
		l.s.Receive(Datagram{Payload: l.wire[j], From: from, At: l.now}, l.out)
	case n < 97:
		l.now = l.now.Add(time.Duration(l.r.IntN(int(300 * time.Millisecond))))
		l.s.Advance(l.now, l.out)
	default:
		l.groups[i].Close()
		l.debts[l.groups[i]] = 0
		l.groups[i] = l.group()
	}
}

func TestAnyOrderOfEvents(t *testing.T) {
	configs := map[string]Config{
		"windows": {Window: 12},
		"rate":    {Window: 12, Packets: 20, Burst: 3},
		"new":     {Window: 12, NewPerMinute: 60},
		"spacing": {Window: 12, Spacing: 200 * time.Millisecond, Packets: 50},
		"tiny":    {Window: 1, TIDLen: 2, AnyAddress: true},
		"inbound": {Window: 12, Inbound: Inbound{PerSource: 1, Burst: 5, Most: 30, Silence: time.Minute, PerNet: 5, NetBurst: 10, Bytes: 300, Sources: 16}},
	}
	steps := 40_000
	if testing.Short() {
		steps /= 10
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			l := newLife(uint64(len(name)), cfg)
			for i := range steps {
				l.step()
				if err := l.s.core.check(l.groups); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			l.settle(t)
		})
	}
}

// settle lets everything run out: each query has had its end, each refusal
// its Room, and nothing is left.
func (l *life) settle(t *testing.T) {
	for range 100_000 {
		for _, g := range l.groups {
			g.onEvent = quiet(l, g)
		}
		next := l.s.NextWake()
		if l.s.InFlight() == 0 && l.s.core.rooms.owed[0].len+l.s.core.rooms.owed[1].len == 0 {
			break
		}
		l.now = next
		l.s.Advance(l.now, l.out)
	}
	require.Zero(t, l.s.InFlight())
	for _, g := range l.groups {
		require.Equal(t, l.opened[g], l.ended[g], "every query ends once")
		require.Zero(t, l.debts[g], "each refusal was followed by one Room")
	}
	st := l.s.Stats()
	require.Equal(t, st.Sent, st.Queries+st.Responses+st.Raw)
	require.Equal(t, st.Received, st.Requests+st.Replies+st.Foreign+st.Unmatched+st.WrongSource+st.Malformed+st.TooLong+st.FilteredIn+st.OwnAddress+st.BadSource+
		st.OverRate+st.Silenced+st.OverNet+st.OverBudget)
	require.NoError(t, l.s.Close())
	require.NoError(t, l.s.core.check(nil))
}

func quiet(l *life, g *Group) func(Event) bool {
	return func(ev Event) bool {
		switch ev.Kind {
		case Room:
			l.debts[g]--
		case Reply, Timeout, SendFailed:
			l.ended[g]++
		}
		return false
	}
}

func TestGenerationsAreBounded(t *testing.T) {
	g := newGenerations[int](time.Minute, 10)
	key := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 1, 1, byte(i)}), 1) }
	now := moment(0)
	for i := range 200 {
		g.put(key(i), i, now)
		require.LessOrEqual(t, len(g.young)+len(g.old), 20)
		v, ok := g.get(key(i), now)
		require.True(t, ok)
		require.Equal(t, i, v)
	}
	g.put(key(0), 0, now)
	_, ok := g.get(key(0), now+moment(time.Minute))
	require.True(t, ok, "one span old")
	_, ok = g.get(key(0), now+moment(2*time.Minute)+1)
	require.False(t, ok, "two spans old")
	g.put(key(1), 1, now)
	_, ok = g.get(key(1), now+moment(time.Hour))
	require.False(t, ok, "also when nobody looked meanwhile")
}

func TestLimiterBounds(t *testing.T) {
	now := time.Unix(0, 0)
	require.Zero(t, limiter{}.wait(now, 1_000_000))
	l := newLimiter(0.0000000001, 2)
	require.Zero(t, l.wait(now, 2))
	require.Equal(t, forever, l.wait(now, 3), "never as many")
	l.take(now)
	l.take(now)
	require.Equal(t, forever, l.wait(now, 1), "beyond what a Duration holds")
}
