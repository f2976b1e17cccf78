package dhtrpc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A node whose machine slept takes nothing for granted: not its address, not its table.
func TestWakeup(t *testing.T) {
	var happened []string
	note := func(what string) func() { return func() { happened = append(happened, what) } }
	public := netip.MustParseAddrPort("10.9.9.9:43111")
	cfg := Config{Mode: Adaptive, Open: true, Bootstrap: []string{peer(1).String()}, On: Events{
		Persistent: note("persistent"), Ephemeral: note("ephemeral"), Wakeup: note("wakeup"),
	}}
	s := step(t, cfg, "0.0.0.0:43111")
	see := func() { // everybody who is asked says where it sends to
		for _, o := range s.take() {
			if m, err := Parse(o.b); err == nil && m.Kind == KindRequest {
				id := IDOf(o.to)
				r := Message{Kind: KindResponse, TID: m.TID, To: public, ID: id[:]}
				s.sent = append(s.sent, s.receive(o.conn, o.to, r.Append(nil))...)
			}
		}
	}
	for range 22 * 60 {
		see()
		s.pass(time.Second)
	}
	require.Equal(t, []string{"persistent"}, happened)
	id, shown := s.ID()
	require.True(t, shown)
	require.Equal(t, IDOf(public), id)

	happened = nil
	s.sleep(14 * time.Second)
	require.Empty(t, happened, "a little late is not asleep")
	ticks := s.up.ticks
	s.sleep(20 * time.Second)
	require.Equal(t, []string{"ephemeral", "wakeup"}, happened)
	require.Equal(t, 6, s.up.ticks%8)
	require.GreaterOrEqual(t, s.up.ticks, ticks+stableAgain)
	m, err := Parse(s.take()[0].b)
	require.NoError(t, err)
	require.Nil(t, m.ID, "no id any more")
	for range 61 * 60 {
		see()
		s.pass(time.Second)
	}
	require.Equal(t, []string{"ephemeral", "wakeup", "persistent"}, happened)
}

func TestHealthOfANode(t *testing.T) {
	updates := 0
	s := step(t, Config{On: Events{NetworkUpdate: func() { updates++ }}}, "127.0.0.1:43111")
	ask := func() {
		for i := range 5 {
			s.Send(peer(i), Call{CallOptions: CallOptions{Retries: -1}}, func(*Reply, error) {})
		}
	}
	for range 8 {
		ask()
		s.pass(tickEvery)
	}
	require.False(t, s.State().Online)
	require.Equal(t, 1, updates)
	ask()
	s.answer(nil)
	s.pass(tickEvery)
	require.True(t, s.State().Online)
	require.Equal(t, 2, updates)
}

func TestNetworkChange(t *testing.T) {
	changes := 0
	s := step(t, Config{On: Events{NetworkChange: func() { changes++ }}}, "127.0.0.1:43111")
	here := []string{"10.0.0.1/8"}
	s.watch = watch{list: func() []string { return here }, last: here}
	s.pass(time.Minute)
	require.Zero(t, changes)
	here = []string{"10.0.0.2/8"}
	s.pass(time.Minute)
	require.Equal(t, 1, changes)
}

// A node that knows nobody asks its bootstrap nodes again, and in the end finds them.
func TestBootstrapIsTriedAgain(t *testing.T) {
	s := step(t, Config{Bootstrap: []string{peer(1).String()}}, "127.0.0.1:43111")
	for range 10 {
		s.pass(6 * time.Second)
	}
	require.Zero(t, s.Len())
	require.True(t, s.State().Ready)
	asked := 0
	for _, o := range s.take() {
		require.Equal(t, peer(1), o.to)
		asked++
	}
	require.Greater(t, asked, 10)
	for range 60 {
		s.pass(time.Second)
		s.answer(nil)
	}
	require.Equal(t, 1, s.Len())
}

// A node with nothing to do sends next to nothing.
func TestIdleTraffic(t *testing.T) {
	s := step(t, Config{}, "127.0.0.1:43111")
	for i := range 60 {
		s.table.Answered(nodeAt(peer(i)), time.Millisecond, s.now)
	}
	sent := 0
	for range 3600 {
		s.pass(time.Second)
		for o := s.take(); len(o) > 0; o = o[1:] {
			sent++
			o = append(o, s.reply(o[0], o[0].to, Message{ID: []byte{}})...)
		}
	}
	require.Less(t, sent, 1500, "requests in an hour, with 48 nodes in the table")
	require.Greater(t, sent, 100)
	require.Greater(t, s.Len(), 30)
}

func TestMemoryOfOpinionsIsBounded(t *testing.T) {
	s := step(t, Config{Mode: Adaptive}, "0.0.0.0:43111")
	for i := range 3 * maxSampled {
		s.net.sample(s.Node, peer(i), peer(1))
		require.LessOrEqual(t, len(s.net.sampled), maxSampled)
	}
	for i := range 10 {
		s.net.sampleNameless(s.Node, peer(i), peer(2), 0)
	}
	require.Len(t, s.net.nameless, 1, "as many as there are bootstrap nodes, one at least")
}
