package mainline

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// hashStore holds one peer for each of n info hashes, which are numbered in their last bytes.
func hashStore(n int) *MemoryStore {
	s := NewPeerStore(StoreConfig{Rand: rand.New(rand.NewPCG(1, 2))})
	for i := range n {
		s.Announce(krpc.ID{18: byte(i >> 8), 19: byte(i)}, peerAt(i), false, testStart)
	}
	return s
}

// sampleAt asks at a time.
func sampleAt(t *testing.T, n *Node, now time.Time) krpc.Message {
	t.Helper()
	var answers [][]byte
	d := socket.Datagram{Payload: query("aa", krpc.SampleArgs{Target: krpc.ID{7}}), From: asker, At: now}
	n.RPC().Socket().Receive(d, func(_ int, _ netip.AddrPort, out []byte) { answers = append(answers, slices.Clone(out)) })
	return parsed(t, answers)
}

func hashesIn(m *krpc.Message) (hashes []krpc.ID) {
	for h := range m.Samples {
		hashes = append(hashes, h)
	}
	return hashes
}

func wantSample(t *testing.T, m krpc.Message, hashes, num, interval int64) {
	t.Helper()
	require.True(t, m.HasSamples(), "also without any")
	require.Len(t, hashesIn(&m), int(hashes))
	n, _ := m.Num()
	require.Equal(t, num, n)
	i, ok := m.Interval()
	require.True(t, ok)
	require.Equal(t, interval, i)
	require.Equal(t, 8, nodesIn(&m))
}

func TestSampleOfFewIsAll(t *testing.T) {
	for _, stored := range []int{0, 1, 19, 20} {
		n := stepped(t, Config{Peers: hashStore(stored)}, 100)
		wantSample(t, sampleAt(t, n, testStart), int64(stored), int64(stored), 0)
	}
}

func TestSampleStaysForItsInterval(t *testing.T) {
	n := stepped(t, Config{Peers: hashStore(1000), Samples: time.Minute}, 100)
	first := sampleAt(t, n, testStart)
	wantSample(t, first, 20, 1000, 60)
	again := sampleAt(t, n, testStart.Add(time.Minute-1))
	require.Equal(t, hashesIn(&first), hashesIn(&again))
	later := sampleAt(t, n, testStart.Add(time.Minute))
	require.NotEqual(t, hashesIn(&first), hashesIn(&later))

	seen := map[krpc.ID]bool{}
	for i := range 50 {
		round := sampleAt(t, n, testStart.Add(time.Duration(i)*30*time.Second))
		own := map[krpc.ID]bool{}
		for _, h := range hashesIn(&round) {
			require.False(t, own[h], "none twice in a sample")
			own[h], seen[h] = true, true
		}
	}
	require.Greater(t, len(seen), 350, "25 samples of 20")
}

func TestSampleIsEmptyAfterExpiry(t *testing.T) {
	store := hashStore(100)
	store.Announce(krpc.ID{0xff}, peerAt(1), false, testStart.Add(time.Hour))
	n := stepped(t, Config{Peers: store}, 100)
	m := sampleAt(t, n, testStart.Add(time.Hour))
	wantSample(t, m, 1, 1, 0)
	require.Equal(t, []krpc.ID{{0xff}}, hashesIn(&m))
	wantSample(t, sampleAt(t, n, testStart.Add(2*time.Hour)), 0, 0, 0)
	hashes, peers := store.Len()
	require.Zero(t, hashes+peers)
}

func TestNoSamplesToGive(t *testing.T) {
	for _, cfg := range []Config{{Samples: -1}, {Peers: plainStore{hashStore(9)}}} {
		n := stepped(t, cfg, 100)
		m := sampleAt(t, n, testStart)
		require.False(t, m.HasSamples(), "as if the method were unknown")
		require.Equal(t, 8, nodesIn(&m))
	}
	n := stepped(t, Config{Peers: hashStore(99), Samples: 24 * time.Hour}, 100)
	wantSample(t, sampleAt(t, n, testStart), 20, 99, 21600)
	require.Equal(t, "203", outcome(t, exchange(n, asker, query("aa", krpc.RawArgs{Name: krpc.MethodSample}))), "no target")
}

func TestSampleRepliesStayWithinTheirBound(t *testing.T) {
	n := dual(t, Config{Peers: hashStore(1000)}, 100)
	for i, from := range []netip.AddrPort{asker, asker6} {
		args := krpc.SampleArgs{Target: krpc.ID{7}, Want: krpc.WantBoth}
		answers := exchangeAt(n.ends[i], from, query(strings.Repeat("t", krpc.MaxTID), args))
		m := parsed(t, answers)
		require.LessOrEqual(t, len(answers[0]), maxReply)
		require.Len(t, hashesIn(&m), 20)
		require.Greater(t, nodesIn(&m), 8)
		require.Greater(t, len(answers[0])+38+10, maxReply, "no room for another node")
	}
}

func TestSampleAllocatesNothing(t *testing.T) {
	for _, stored := range []int{5, 1000} {
		n := stepped(t, Config{Peers: hashStore(stored)}, 100)
		d := socket.Datagram{Payload: query("aa", krpc.SampleArgs{Target: krpc.ID{7}}), From: asker, At: testStart}
		out := func(int, netip.AddrPort, []byte) {}
		n.RPC().Socket().Receive(d, out)
		require.Zero(t, testing.AllocsPerRun(100, func() { n.RPC().Socket().Receive(d, out) }))
	}
}

func TestWhatANodeSaysOfItsSample(t *testing.T) {
	read := func(fields map[string]any) Sampled {
		m, err := krpc.Parse(krpc.AppendResponse(nil, []byte("aa"), make([]byte, 20), &krpc.RawResults{Fields: fields}, krpc.Header{}))
		require.NoError(t, err)
		return sampledOf(&krpc.Reply{Message: m, From: routing.Node{Addr: asker}})
	}
	two := strings.Repeat("x", 40)
	for name, c := range map[string]struct {
		fields map[string]any
		want   Sampled
	}{
		"honest":            {map[string]any{"samples": two, "num": 9, "interval": 60}, Sampled{Num: 9, Interval: time.Minute}},
		"a rest":            {map[string]any{"samples": two + "y", "num": 9, "interval": 0}, Sampled{Num: 9}},
		"no interval":       {map[string]any{"samples": two, "num": 2}, Sampled{Num: 2, Interval: 6 * time.Hour}},
		"interval too long": {map[string]any{"samples": two, "num": 2, "interval": int64(1 << 40)}, Sampled{Num: 2, Interval: 6 * time.Hour}},
		"interval negative": {map[string]any{"samples": two, "num": 2, "interval": -1}, Sampled{Num: 2, Interval: 6 * time.Hour}},
		"interval a string": {map[string]any{"samples": two, "num": 2, "interval": "1"}, Sampled{Num: 2, Interval: 6 * time.Hour}},
		"num too low":       {map[string]any{"samples": two, "num": -7, "interval": 0}, Sampled{Num: 2}},
	} {
		got := read(c.fields)
		require.True(t, got.Supported)
		require.Len(t, got.Hashes, 2, name)
		require.Equal(t, c.want.Num, got.Num, name)
		require.Equal(t, c.want.Interval, got.Interval, name)
	}
	require.False(t, read(map[string]any{"num": 7, "interval": 60}).Supported)
}

func TestSampleQueue(t *testing.T) {
	q := newSampleQueue(time.Minute, 60, false)
	at := func(i, port int) routing.Node {
		return routing.Node{Addr: netip.AddrPortFrom(peerAt(i).Addr(), uint16(port))}
	}
	q.offer(at(1, 1))
	q.offer(at(1, 2))
	n, ok, _ := q.next(testStart)
	require.True(t, ok)
	require.Equal(t, at(1, 1), n)
	_, ok, wake := q.next(testStart)
	require.False(t, ok, "one node of an address")
	require.True(t, wake.IsZero(), "never")
	q.back(n)
	again, ok, _ := q.next(testStart)
	require.True(t, ok)
	require.Equal(t, n, again)
	for i := range 100 {
		q.offer(at(i, 1))
	}
	require.Len(t, q.fresh, 59, "bounded")
	q.fresh = nil

	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 500 {
		q.again(at(i, 1), time.Duration(rng.IntN(1000))*time.Second, testStart)
	}
	_, ok, wake = q.next(testStart)
	require.False(t, ok)
	require.Equal(t, testStart.Add(time.Minute), wake, "not sooner, whatever a node says")
	last, asked := testStart, 0
	for now := testStart; asked < 500; now = wake {
		if _, ok, wake = q.next(now); ok {
			require.False(t, now.Before(last))
			last, asked, wake = now, asked+1, now
		}
	}
	require.Empty(t, q.due)

	open := newSampleQueue(time.Minute, 60, true)
	open.offer(at(1, 1))
	open.offer(at(1, 2))
	require.Len(t, open.fresh, 2)
}

func TestSampleWalkCountsWhatIsOut(t *testing.T) {
	w := stepped(t, Config{}, 8).SampleWalk(SampleConfig{})
	n := routing.Node{Addr: asker}
	for _, outcomes := range [][]routing.Outcome{{routing.Failed}, {routing.Late, routing.Failed}} {
		w.flying, w.open, w.full = 5, 5, true
		for i, o := range outcomes {
			w.step(routing.Event[*krpc.Reply]{Node: n, Outcome: o}, testStart)
			require.Equal(t, 4, w.flying, "a late query makes room, once")
			require.Equal(t, i < len(outcomes)-1, w.open == 5)
			require.False(t, w.full)
		}
	}
	require.Equal(t, routing.Stats{Late: 1, Failed: 2}, w.Stats())
}
