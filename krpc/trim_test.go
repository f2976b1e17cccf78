package krpc_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

var (
	trimStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	trimFrom  = netip.MustParseAddrPort("45.67.8.9:6881")
)

// talkative answers any method with res, as long as that may be. It serves one asker any number of times.
func talkative(t *testing.T, cfg krpc.Config, handle func(*krpc.Query)) *krpc.RPC {
	t.Helper()
	cfg.Version = []byte("DK01")
	cfg.Handlers = map[string]func(*krpc.Query){"": handle}
	cfg.Socket.Inbound.PerSource = -1
	r, err := krpc.New(cfg)
	require.NoError(t, err)
	return r
}

// answer sends one query and returns the answer, of which there must be one.
func answer(t *testing.T, r *krpc.RPC, from netip.AddrPort, at time.Time, query []byte) (answer []byte) {
	t.Helper()
	r.Socket().Receive(socket.Datagram{Payload: query, From: from, At: at}, func(_ int, to netip.AddrPort, b []byte) {
		require.Nil(t, answer)
		require.Equal(t, from, to)
		answer = append([]byte{}, b...)
	})
	require.NotNil(t, answer)
	return answer
}

// shortest is the shortest query there is: no version, a transaction id of one byte.
func shortest(args krpc.Args) []byte {
	id := krpc.ID{0: 0xaa, 19: 1}
	return krpc.AppendQuery(nil, []byte("t"), id[:], args, krpc.Header{})
}

// longest are answers that say as much as can be said.
func longest() map[string]krpc.Results {
	nodes := krpc.NodesResults{WantNodes: true, WantNodes6: true}
	for i := range 8 {
		ip6 := netip.AddrFrom16([16]byte{0: 0x2a, 15: byte(i + 1)})
		nodes.Nodes = append(nodes.Nodes, routing.Node{Key: krpc.ID{byte(i + 1)}.Key(), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{40, 0, 0, byte(i)}), 1)})
		nodes.Nodes6 = append(nodes.Nodes6, routing.Node{Key: krpc.ID{byte(i + 1)}.Key(), Addr: netip.AddrPortFrom(ip6, 1)})
	}
	token := []byte("8 bytes.")
	var peers, peers6 []netip.AddrPort
	for i := range 200 {
		peers = append(peers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{50, 0, 0, byte(i)}), 1))
		peers6 = append(peers6, netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x2a, 15: byte(i)}), 1))
	}
	filter := make([]byte, 256)
	value := []byte("996:" + strings.Repeat("v", 996))
	return map[string]krpc.Results{
		"ping":       &krpc.PingResults{},
		"find_node":  &nodes,
		"get_peers":  &krpc.GetPeersResults{NodesResults: nodes, Token: token, Values: peers},
		"get_peers6": &krpc.GetPeersResults{NodesResults: nodes, Token: token, Values: peers6},
		"scrape":     &krpc.GetPeersResults{NodesResults: nodes, Token: token, Values: peers, BFsd: filter, BFpe: filter},
		"immutable":  &krpc.GetResults{NodesResults: nodes, Token: token, V: value},
		"mutable":    &krpc.GetResults{NodesResults: nodes, Token: token, V: value, K: filter[:32], Sig: filter[:64], Seq: 1 << 62, HasSeq: true},
		"small item": &krpc.GetResults{NodesResults: nodes, Token: token, V: []byte("5:hello"), K: filter[:32], Sig: filter[:64], Seq: 1, HasSeq: true},
		"raw":        &krpc.RawResults{NodesResults: nodes, Token: token},
		"sample":     &krpc.SampleResults{NodesResults: nodes, Interval: 21600, Num: 1 << 40, Samples: make([]krpc.ID, 200)},
	}
}

var queries = map[string]krpc.Args{
	"ping": krpc.PingArgs{}, "find_node": krpc.FindNodeArgs{}, "get_peers": krpc.GetPeersArgs{}, "get_peers6": krpc.GetPeersArgs{},
	"scrape": krpc.GetPeersArgs{Scrape: true}, "immutable": krpc.GetArgs{}, "mutable": krpc.GetArgs{}, "small item": krpc.GetArgs{},
	"sample": krpc.SampleArgs{}, "raw": krpc.GetPeersArgs{},
}

// Attack 2: whatever the answer would be, it is no longer than the network allows and not much longer than its query.
func TestAnswersAreShortened(t *testing.T) {
	for name, limits := range map[string]struct {
		cfg  krpc.Config
		most int
		gain float64
	}{
		"default":       {krpc.Config{}, 1200, 12},
		"strict":        {krpc.Config{AmplifyStrangers: 3.2}, 1200, 3.2},
		"only strict":   {krpc.Config{MaxReply: -1, Amplify: -1, AmplifyStrangers: 3.2}, 2048, 3.2},
		"no gain limit": {krpc.Config{Amplify: -1}, 1200, 100},
		"tiny":          {krpc.Config{Amplify: 1.5, MaxReply: 130}, 130, 1.5},
	} {
		for kind, res := range longest() {
			t.Run(fmt.Sprint(name, "/", kind), func(t *testing.T) {
				r := talkative(t, limits.cfg, func(q *krpc.Query) { q.Reply(res) })
				before := fmt.Sprintf("%+v", res)
				for pad := range 60 {
					query := shortest(queries[kind])
					query = append(query, make([]byte, pad)...) // bytes behind the dictionary count, too: whoever asks has sent them
					b := answer(t, r, trimFrom, trimStart, query)
					require.LessOrEqual(t, len(b), limits.most)
					require.LessOrEqual(t, float64(len(b)), limits.gain*float64(len(query)))
					m, err := krpc.Parse(b)
					require.NoError(t, err)
					require.Equal(t, krpc.KindResponse, m.Kind(), "%q", b)
				}
				require.Equal(t, before, fmt.Sprintf("%+v", res), "the handler's results stay as they are")
			})
		}
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	cfg := krpc.Config{}
	ask := func(kind string, query []byte) krpc.Message {
		r := talkative(t, cfg, func(q *krpc.Query) { q.Reply(longest()[kind]) })
		m, err := krpc.Parse(answer(t, r, trimFrom, trimStart, query))
		require.NoError(t, err)
		return m
	}
	nodes := func(m krpc.Message) (n, n6 int) {
		for range m.Nodes {
			n++
		}
		for range m.Nodes6 {
			n6++
		}
		return n, n6
	}
	values := func(m krpc.Message) (n int) {
		for range m.Values {
			n++
		}
		return n
	}
	long := func(args krpc.Args) []byte { return append(shortest(args), make([]byte, 200)...) }

	m := ask("get_peers", long(krpc.GetPeersArgs{}))
	n, n6 := nodes(m)
	require.Equal(t, [3]int{8, 8, 71}, [3]int{n, n6, values(m)}, "peers make way for nodes")
	require.NotEmpty(t, m.Token())
	_, ok := m.IP()
	require.True(t, ok)

	m = ask("scrape", long(krpc.GetPeersArgs{Scrape: true}))
	n, n6 = nodes(m)
	require.Equal(t, [3]int{8, 8, 4}, [3]int{n, n6, values(m)})
	require.Len(t, m.BFsd(), 256)

	m = ask("mutable", long(krpc.GetArgs{}))
	require.Len(t, m.Value(), 1000, "an item as large as can be comes without nodes")
	n, n6 = nodes(m)
	require.Zero(t, n+n6)
	require.Empty(t, m.Token())
	m = ask("mutable", shortest(krpc.GetArgs{}))
	require.Empty(t, m.Value(), "it is more than a dozen times as long as a short query")
	require.Empty(t, m.Sig())
	seq, ok := m.Seq()
	require.True(t, ok)
	require.EqualValues(t, int64(1)<<62, seq)
	require.NotEmpty(t, m.Token())
	n, n6 = nodes(m)
	require.Equal(t, [2]int{8, 8}, [2]int{n, n6}, "then there is room for nodes")
	id := krpc.ID{1}
	m = ask("immutable", krpc.AppendQuery(nil, []byte("four"), id[:], krpc.GetArgs{}, krpc.Header{Version: []byte("DK01")}))
	require.Len(t, m.Value(), 1000, "an ordinary query")

	cfg.AmplifyStrangers = 3.2
	m = ask("get_peers", shortest(krpc.GetPeersArgs{}))
	n, n6 = nodes(m)
	require.Zero(t, values(m))
	require.InDelta(t, 6, n+n6, 1)
	require.NotEmpty(t, m.Token(), "without one nobody could prove himself")
	m = ask("sample", shortest(krpc.SampleArgs{}))
	require.True(t, m.HasSamples())
	num, _ := m.Num()
	require.EqualValues(t, int64(1)<<40, num)
}

type wordy struct{ n int }

func (w wordy) AppendResults(dst, id []byte) []byte {
	raw := krpc.RawResults{Fields: map[string]any{"text": strings.Repeat("x", w.n)}}
	return raw.AppendResults(dst, id)
}

func TestWhatCannotBeShortenedIsAnError(t *testing.T) {
	r := talkative(t, krpc.Config{}, func(q *krpc.Query) {
		require.Equal(t, 12*len(shortest(krpc.PingArgs{})), q.Room())
		q.Reply(wordy{1000})
	})
	m, err := krpc.Parse(answer(t, r, trimFrom, trimStart, shortest(krpc.PingArgs{})))
	require.NoError(t, err)
	require.Equal(t, krpc.CodeServer, m.Err().Code)

	r = talkative(t, krpc.Config{Private: true}, func(q *krpc.Query) { q.Reply(wordy{1000}) })
	require.Greater(t, len(answer(t, r, trimFrom, trimStart, shortest(krpc.PingArgs{}))), 1000, "no limit on a private network")
}

func TestWhoRepeatsATokenIsNoForgery(t *testing.T) {
	prove := false
	r := talkative(t, krpc.Config{AmplifyStrangers: 2}, func(q *krpc.Query) {
		if prove {
			q.Prove()
		}
		q.Reply(longest()["get_peers"])
	})
	query := shortest(krpc.GetPeersArgs{})
	size := func(from netip.AddrPort, after time.Duration) int {
		return len(answer(t, r, from, trimStart.Add(after), query))
	}
	require.LessOrEqual(t, size(trimFrom, 0), 2*len(query))
	prove = true
	require.Greater(t, size(trimFrom, 0), 1100)
	prove = false
	other := netip.MustParseAddrPort("45.67.8.10:6881")
	require.Greater(t, size(netip.AddrPortFrom(trimFrom.Addr(), 1), 14*time.Minute), 1100, "ports do not matter")
	require.LessOrEqual(t, size(other, 0), 2*len(query))
	require.LessOrEqual(t, size(trimFrom, 31*time.Minute), 2*len(query), "it is forgotten")

	prove = true
	for i := range uint32(20_000) { // and so are those who are too many
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], 60<<24|i)
		answer(t, r, netip.AddrPortFrom(netip.AddrFrom4(ip), 1), trimStart.Add(32*time.Minute), query)
	}
	require.LessOrEqual(t, r.Proven(), 2*4096)
	require.Positive(t, r.Proven())
}

func TestShorteningAllocatesNothing(t *testing.T) {
	res := longest()
	for kind, args := range queries {
		if kind == "raw" {
			continue // reflection
		}
		r := talkative(t, krpc.Config{AmplifyStrangers: 3.2}, func(q *krpc.Query) { q.Reply(res[kind]) })
		d := socket.Datagram{Payload: shortest(args), From: trimFrom, At: trimStart}
		out := func(int, netip.AddrPort, []byte) {}
		require.Zero(t, testing.AllocsPerRun(100, func() { r.Socket().Receive(d, out) }), kind)
	}
}
