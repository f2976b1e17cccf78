package krpc

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

var liarStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// interrogation asks nodes by a stepped RPC.
type interrogation struct {
	t     *testing.T
	rpc   *RPC
	asker *Asker
	now   time.Time
	sent  int // queries that left
}

func interrogate(t *testing.T, cfg Config) *interrogation {
	t.Helper()
	rpc, err := New(cfg)
	require.NoError(t, err)
	i := &interrogation{t: t, rpc: rpc, asker: rpc.NewAsker(same(PingArgs{}), false), now: liarStart}
	rpc.Socket().Advance(i.now, i.lose)
	return i
}

func (i *interrogation) lose(int, netip.AddrPort, []byte) {}

// ask asks n, which answers under an id; it returns the error of Ask, or that of the answer.
func (i *interrogation) ask(n routing.Node, id ID) error {
	i.t.Helper()
	i.rpc.Socket().Advance(i.now, i.lose)
	if err := i.asker.Ask(n, -1, time.Second); err != nil {
		return err
	}
	i.sent++
	var tid []byte
	i.rpc.Socket().Advance(i.now, func(_ int, _ netip.AddrPort, b []byte) {
		m, err := Parse(b)
		require.NoError(i.t, err)
		tid = append(tid, m.TID()...)
	})
	b := AppendResponse(nil, tid, id[:], PingResults{}, Header{})
	i.rpc.Socket().Receive(socket.Datagram{Payload: b, From: n.Addr, At: i.now}, i.lose)
	ev, err := i.asker.Wait(i.t.Context())
	require.NoError(i.t, err)
	return ev.Err
}

func suspectAt(host byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{70, 0, 0, host}), port)
}

func called(a netip.AddrPort, id byte) routing.Node { return routing.Node{Key: ID{id}.Key(), Addr: a} }

// Attack 10: a node that makes up ids gets two queries until it is known, and one an hour from then on.
func TestALiarIsLeftAlone(t *testing.T) {
	i := interrogate(t, Config{})
	at := suspectAt(1, 1000)
	require.ErrorContains(t, i.ask(called(at, 1), ID{0xf0}), "another id")
	require.Zero(t, i.rpc.Counts().Banned)
	i.now = i.now.Add(time.Minute)
	require.ErrorContains(t, i.ask(called(at, 2), ID{0xf1}), "another id")
	require.EqualValues(t, 1, i.rpc.Counts().Banned)

	end := i.now.Add(time.Hour)
	for _, i.now = range []time.Time{i.now, i.now.Add(time.Minute), end.Add(-1)} {
		require.ErrorIs(t, i.ask(called(at, 3), ID{0xf2}), ErrBanned)
		require.ErrorIs(t, i.ask(called(suspectAt(1, 9), 3), ID{0xf2}), ErrBanned, "other ports of the host")
		require.NoError(t, i.ask(called(suspectAt(2, 1000), 9), ID{9}), "not other hosts")
	}
	i.now = end
	require.ErrorContains(t, i.ask(called(at, 3), ID{0xf2}), "another id", "the ban ends when it was said to")
	require.ErrorIs(t, i.ask(called(at, 4), ID{0xf3}), ErrBanned, "one more id is enough then")

	for n := i.sent; i.now.Before(end.Add(24 * time.Hour)); i.now = i.now.Add(time.Minute) {
		i.ask(called(at, 5), ID{byte(i.now.Minute()), byte(i.now.Hour())})
		require.LessOrEqual(t, i.sent-n, 24)
	}
	require.Equal(t, "banned", Outcome(ErrBanned))
	require.Positive(t, i.rpc.Losses()["banned"])
}

func TestAHopperIsALiarToo(t *testing.T) {
	i := interrogate(t, Config{})
	at := suspectAt(1, 1000)
	for id := byte(1); id <= 3; id++ {
		err := i.ask(called(at, id), ID{id}) // under the id it has just then
		i.now = i.now.Add(time.Minute)
		switch id {
		case 1:
			require.NoError(t, err)
			require.Equal(t, 1, i.rpc.Len())
		case 2:
			require.NoError(t, err)
			require.Zero(t, i.rpc.Len(), "who changes his id leaves, and does not come in at once")
		case 3:
			require.ErrorIs(t, err, ErrBanned)
			require.Zero(t, i.rpc.Len())
		}
	}
	require.ErrorIs(t, i.ask(called(at, 4), ID{4}), ErrBanned)
	require.Equal(t, 3, i.sent)
}

// Contacts go stale and others lie: a node is not to blame for the ids it is given.
func TestHonestNodesAreNotBanned(t *testing.T) {
	i := interrogate(t, Config{})
	restarted := suspectAt(1, 1000)
	require.NoError(t, i.ask(called(restarted, 1), ID{1}))
	for id := range byte(100) {
		require.Error(t, i.ask(called(restarted, 100+id), ID{2}), "it has another id since, and keeps it")
	}
	require.NoError(t, i.ask(called(restarted, 2), ID{2}))
	require.Equal(t, 1, i.rpc.Len())

	for port := uint16(1); port < 100; port++ { // a crowd behind one address, each once known under a wrong id
		require.Error(t, i.ask(called(suspectAt(3, port), 1), ID{2, byte(port)}))
	}
	require.Zero(t, i.rpc.Counts().Banned)

	private := interrogate(t, Config{Private: true})
	for id := byte(1); id < 100; id++ {
		private.ask(called(restarted, 200), ID{id})
	}
	require.Zero(t, private.rpc.Counts().Banned, "on a private network nodes come and go")
}

func TestWhatIsKnownOfAStrangerGoes(t *testing.T) {
	i := interrogate(t, Config{})
	at := suspectAt(1, 1000)
	require.NoError(t, i.ask(called(at, 1), ID{1}))
	require.Error(t, i.ask(called(at, 7), ID{2}), "asked under an id that was never its own")
	require.Zero(t, i.rpc.Len(), "1 is not there any more, and 2 does not come from a mismatch")
	require.Error(t, i.ask(called(at, 7), ID{3}))
	i.rpc.AddAnswered(called(suspectAt(1, 7), 9), 0, i.now) // of the same host
	query := AppendQuery(nil, []byte("t"), make([]byte, 20), PingArgs{}, Header{})
	query = append([]byte("d1:ad2:id20:liarliarliarliarliar"), query[32:]...)
	i.rpc.Socket().Receive(socket.Datagram{Payload: query, From: at, At: i.now}, i.lose)
	require.EqualValues(t, 1, i.rpc.Counts().Queries)
	require.Len(t, i.rpc.Contacts(), 1, "a liar that asks is no candidate")
}

// Anybody can send anything in anybody's name: only answers to open queries count.
func TestForgedAnswersAccuseNobody(t *testing.T) {
	i := interrogate(t, Config{})
	victim := suspectAt(1, 1000)
	require.NoError(t, i.ask(called(victim, 1), ID{1}))
	require.NoError(t, i.asker.Ask(called(victim, 1), -1, time.Second))
	i.rpc.Socket().Advance(i.now, i.lose)
	for n := range uint32(10_000) {
		tid := binary.BigEndian.AppendUint32(nil, n*0x9e3779b1)
		b := AppendResponse(nil, tid, idBytes(byte(n)), PingResults{}, Header{})
		i.rpc.Socket().Receive(socket.Datagram{Payload: b, From: victim, At: i.now}, i.lose)
	}
	require.Zero(t, i.rpc.liars.suspects.len())
	require.Equal(t, 1, i.rpc.Len())
	require.EqualValues(t, 10_000, i.rpc.Socket().Stats().Unmatched)
}

func TestLiarsAreBounded(t *testing.T) {
	var l liars
	l.init(false)
	now := liarStart
	for n := range uint32(100_000) {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], 50<<24|n)
		a := netip.AddrPortFrom(netip.AddrFrom4(ip), 1)
		require.False(t, l.observe(a, ID{1}.Key(), true, now))
		require.True(t, l.observe(a, ID{2}.Key(), true, now))
		require.True(t, l.bars(a.Addr(), now))
		require.LessOrEqual(t, l.suspects.len()+l.bans.len(), 4*maxLiars)
	}
	require.EqualValues(t, 100_000, l.count())
}

func TestAV6LiarIsItsNet(t *testing.T) {
	var l liars
	l.init(false)
	a := netip.MustParseAddrPort("[2a01:0:0:1::1]:1")
	l.observe(a, ID{1}.Key(), true, liarStart)
	l.observe(a, ID{2}.Key(), true, liarStart)
	require.True(t, l.bars(netip.MustParseAddr("2a01:0:0:1:ffff::"), liarStart))
	require.False(t, l.bars(netip.MustParseAddr("2a01:0:0:2::1"), liarStart))
}

func idBytes(b byte) []byte { id := ID{b, 1}; return id[:] }
