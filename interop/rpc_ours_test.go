package interop

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/socket"
)

// rpcOurs is one of our nodes.
type rpcOurs struct {
	*dhtrpc.Node
	self contact

	mu    sync.Mutex // guards what follows
	relay netip.AddrPort
	held  map[dhtrpc.ID][]byte
}

// ours makes nodes of ours, one after the other, and returns when they are ready.
func (l *rpcLab) ours(s rpcSetting) (nodes []rpcNode) {
	l.t.Helper()
	for _, addr := range l.listen(s) {
		nodes = append(nodes, l.one(addr, dhtrpc.Config{Bootstrap: s.bootstrap, MaxPingDelay: s.maxDelay}, s.ephemeral))
	}
	return nodes
}

func (l *rpcLab) one(addr string, cfg dhtrpc.Config, ephemeral bool) *rpcOurs {
	l.t.Helper()
	cfg.Private = true
	if ephemeral {
		cfg.Mode = dhtrpc.Ephemeral
	}
	node, err := dhtrpc.Listen(addr, cfg)
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, node.Close()) })
	n := newRPCOurs(node)
	require.NoError(l.t, n.Ready(patiently(l.t)))
	n.self = contact{Addr: node.Addr().String()}
	if id, ok := n.ID(); ok {
		n.self.ID = id.String()
	}
	return n
}

// testnet makes a network of ours, persistent nodes that know their addresses.
func (l *rpcLab) testnet(addrs []string) (nodes []rpcNode) {
	l.t.Helper()
	listen := func(i int) (socket.Conn, error) {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addrs[i])))
	}
	network, err := dhtrpc.Testnet(patiently(l.t), len(addrs), dhtrpc.TestnetConfig{Conn: listen})
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, network.Close()) })
	for i, node := range network.Nodes {
		n := newRPCOurs(node)
		n.self = contact{Addr: addrs[i], ID: rpcIDAt(addrs[i]).String()}
		nodes = append(nodes, n)
	}
	return nodes
}

func newRPCOurs(node *dhtrpc.Node) *rpcOurs {
	n := &rpcOurs{Node: node, held: make(map[dhtrpc.ID][]byte)}
	n.Handle(rpcStore, n.serveStore)
	n.Handle(rpcEcho, func(q *dhtrpc.Request) { q.Reply(q.Value) })
	n.Handle(rpcRelay, n.serveRelay)
	n.Handle(rpcFail, func(q *dhtrpc.Request) { q.Error(rpcFailCode) })
	n.Handle(rpcSilent, func(*dhtrpc.Request) {})
	return n
}

func (n *rpcOurs) serveStore(q *dhtrpc.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case q.Target == nil:
		q.Error(rpcFailCode)
	case q.Token == nil:
		q.Reply(n.held[*q.Target])
	default:
		n.held[*q.Target] = slices.Clone(q.Value)
		q.Reply(nil)
	}
}

func (n *rpcOurs) serveRelay(q *dhtrpc.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.relay.IsValid() {
		q.Relay([]byte(q.From.Addr.String()), n.relay)
		return
	}
	asker, err := netip.ParseAddrPort(string(q.Value))
	if err == nil {
		q.Respond(dhtrpc.Response{Value: []byte("relayed"), To: asker, NoToken: true, NoCloser: true})
	}
}

func (n *rpcOurs) addr() string { return n.self.Addr }
func (n *rpcOurs) id() string   { return n.self.ID }

func (n *rpcOurs) request(t *testing.T, to string, r rpcRequest) rpcAnswer {
	t.Helper()
	c := dhtrpc.Call{Command: uint64(r.command), Value: unhex(t, r.value), Token: unhex(t, r.token)}
	if r.target != "" {
		c.Target = new(rpcID(t, r.target))
	}
	if r.once {
		c.Retries = -1
	}
	return answerOf(n.Request(patiently(t), netip.MustParseAddrPort(to), c))
}

func (n *rpcOurs) ping(t *testing.T, to string, delay time.Duration, once bool) rpcAnswer {
	t.Helper()
	o := dhtrpc.PingOptions{Delay: delay}
	if once {
		o.Retries = -1
	}
	return answerOf(n.Ping(patiently(t), netip.MustParseAddrPort(to), o))
}

func (n *rpcOurs) query(t *testing.T, q rpcQuery) (f rpcFound) {
	t.Helper()
	target := rpcID(t, q.target)
	o := dhtrpc.QueryOptions{Thorough: q.commit || q.thorough}
	if q.once {
		o.Retries = -1
	}
	query := n.FindNode(target, o)
	if q.command != 0 {
		query = n.Query(target, uint64(q.command), unhex(t, q.value), o)
	}
	for r, err := range query.Replies(patiently(t)) {
		if err != nil {
			f.Failed = err.Error()
			break
		}
		f.Replies = append(f.Replies, answerOf(r, nil))
	}
	if q.commit {
		stored, err := query.Commit(patiently(t))
		if f.Commits = len(stored); err != nil {
			f.Failed = err.Error()
		}
	}
	for _, c := range query.ClosestNodes() {
		f.Closest = append(f.Closest, contact{Addr: c.Addr.String(), ID: c.ID.String()})
	}
	f.Errors = query.Stats().Errors + query.Stats().Timeouts
	return f
}

func (n *rpcOurs) nodes(*testing.T) (addrs []string) {
	for _, c := range n.Contacts(0) {
		addrs = append(addrs, c.Addr.String())
	}
	return addrs
}

func (n *rpcOurs) relayTo(_ *testing.T, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.relay = netip.MustParseAddrPort(to)
}

func (n *rpcOurs) stored(t *testing.T, target string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held[rpcID(t, target)] != nil
}

// answerOf returns a reply of ours in the scripts' form.
func answerOf(r *dhtrpc.Reply, err error) rpcAnswer {
	if refused, ok := errors.AsType[*dhtrpc.Error](err); ok {
		r, err = refused.Reply, nil
	}
	switch {
	case errors.Is(err, dhtrpc.ErrTimeout):
		return rpcAnswer{Failed: rpcTimeout}
	case err != nil:
		return rpcAnswer{Failed: err.Error()}
	}
	a := rpcAnswer{
		From: r.From.Addr.String(), To: r.To.String(), Token: hexed(r.Token), Value: hexed(r.Value), Code: r.Code,
		Closer: []string{}, RTT: int(r.RTT.Milliseconds()),
	}
	if r.From.ID != (dhtrpc.ID{}) {
		a.ID = r.From.ID.String()
	}
	for i := range r.Closer.Len() {
		a.Closer = append(a.Closer, r.Closer.At(i).String())
	}
	return a
}

// hexed returns bytes as the scripts write them: nil for none.
func hexed(b []byte) *string {
	if b == nil {
		return nil
	}
	return new(hex.EncodeToString(b))
}

func unhex(t *testing.T, s *string) []byte {
	t.Helper()
	if s == nil {
		return nil
	}
	b, err := hex.DecodeString(*s)
	require.NoError(t, err)
	return b
}
