package interop

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
)

// A v4 is a node of dht-rpc 4, of npm dht-rpc or ours. Byte strings are in hex.
type v4 interface {
	contact() contact
	ready(t *testing.T)
	// serve sets what the handlers of a command do, see legacy.mjs; an empty string is no handler.
	serve(t *testing.T, command, query, update string)
	run(t *testing.T, r v4run) ([]v4reply, error)
	persistent(t *testing.T)
	nodes(t *testing.T) []contact
	addNodes(t *testing.T, nodes ...contact)
	holepunch(t *testing.T, peer, referrer contact) error
	// punches returns the "from to" of the punches that this node passed on.
	punches(t *testing.T) []string
}

// A v4run is a query, an update or both.
type v4run struct {
	command, target string
	value           *string
	query, update   bool
}

type v4reply struct {
	Type  string
	Value *string // nil: none
	Addr  string
	ID    string // empty for an ephemeral node
}

// v4config is how a node begins.
type v4config struct {
	bootstrap string // address, empty for none
	ephemeral bool
	nat       bool // it hears only addresses that it has sent something to
}

// A v4lab makes nodes of both kinds.
type v4lab struct {
	t      *testing.T
	npm    *script
	counts *v4counts // of our own nodes
}

func startV4Lab(t *testing.T) *v4lab {
	t.Helper()
	return &v4lab{t: t, npm: startNodeScript(t, "legacy.mjs"), counts: &v4counts{n: make(map[string]v4calls)}}
}

// node makes a node, one of ours if ours says so, of npm dht-rpc otherwise.
func (l *v4lab) node(ours bool, cfg v4config) v4 {
	l.t.Helper()
	if ours {
		return l.ours(cfg)
	}
	return l.theirs(cfg, 0)[0]
}

// calls returns how often the handlers of a command were called, of all nodes.
func (l *v4lab) calls(command string) v4calls {
	l.t.Helper()
	var theirs v4calls
	l.npm.do(l.t, "calls", fields{"command": command}, &theirs)
	ours := l.counts.of(command)
	return v4calls{theirs.Query + ours.Query, theirs.Update + ours.Update}
}

type v4calls struct{ Query, Update int }

// v4counts counts calls of our own nodes' handlers, which come from many goroutines.
type v4counts struct {
	mu sync.Mutex // guards n
	n  map[string]v4calls
}

func (c *v4counts) add(command string, query, update int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n[command]
	c.n[command] = v4calls{n.Query + query, n.Update + update}
}

func (c *v4counts) of(command string) v4calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[command]
}

// v4npm is a node of npm dht-rpc.
type v4npm struct {
	*script
	index int
	self  contact
}

// theirs makes nodes of npm dht-rpc. With a count they join one after the other, with the commands of the swarm, and are ready;
// without there is one, which may not be.
func (l *v4lab) theirs(cfg v4config, count int) (nodes []v4) {
	l.t.Helper()
	args := fields{"ephemeral": cfg.ephemeral, "nat": cfg.nat}
	if cfg.bootstrap != "" {
		args["bootstrap"] = []string{cfg.bootstrap}
	}
	if count > 0 {
		args["count"], args["kv"] = count, true
	}
	var made struct {
		First int
		Nodes []contact
	}
	l.npm.do(l.t, "create", args, &made)
	for i, c := range made.Nodes {
		nodes = append(nodes, v4npm{l.npm, made.First + i, c})
	}
	return nodes
}

func (n v4npm) contact() contact { return n.self }

func (n v4npm) ready(t *testing.T) { n.do(t, "ready", fields{"node": n.index}, nil) }

func (n v4npm) serve(t *testing.T, command, query, update string) {
	n.do(t, "serve", fields{"node": n.index, "command": command, "query": query, "update": update}, nil)
}

func (n v4npm) run(t *testing.T, r v4run) ([]v4reply, error) {
	var res struct {
		Replies []v4reply
		Failed  string
	}
	n.do(t, "run", fields{
		"node": n.index, "command": r.command, "target": r.target, "value": r.value, "query": r.query, "update": r.update,
	}, &res)
	return res.Replies, textError(res.Failed)
}

func textError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

func (n v4npm) persistent(t *testing.T) { n.do(t, "persistent", fields{"node": n.index}, nil) }

func (n v4npm) nodes(t *testing.T) []contact {
	var res struct{ Nodes []contact }
	n.do(t, "nodes", fields{"node": n.index}, &res)
	return res.Nodes
}

func (n v4npm) addNodes(t *testing.T, nodes ...contact) {
	n.do(t, "addNodes", fields{"node": n.index, "nodes": nodes}, nil)
}

func (n v4npm) holepunch(t *testing.T, peer, referrer contact) error {
	var res struct{ Failed string }
	n.do(t, "holepunch", fields{"node": n.index, "peer": peer.Addr, "referrer": referrer.Addr}, &res)
	return textError(res.Failed)
}

func (n v4npm) punches(t *testing.T) []string {
	var res struct{ Punches []string }
	n.do(t, "punches", fields{"node": n.index}, &res)
	return res.Punches
}

// v4ours is one of our nodes.
type v4ours struct {
	*legacy.Node
	counts *v4counts

	mu     *sync.Mutex // guards passed
	passed *[]string
}

func (l *v4lab) ours(cfg v4config) v4 {
	l.t.Helper()
	n := v4ours{counts: l.counts, mu: new(sync.Mutex), passed: new([]string)}
	c := legacy.Config{Private: true, Ephemeral: cfg.ephemeral, OnHolepunch: func(from, to netip.AddrPort) {
		n.mu.Lock()
		defer n.mu.Unlock()
		*n.passed = append(*n.passed, from.String()+" "+to.String())
	}}
	if cfg.bootstrap != "" {
		c.Bootstrap = []string{cfg.bootstrap}
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	require.NoError(l.t, err)
	if cfg.nat {
		n.Node, err = legacy.New(c, &natConn{UDPConn: conn, opened: make(map[netip.AddrPort]bool)})
	} else {
		n.Node, err = legacy.New(c, conn)
	}
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, n.Close()) })
	return n
}

// natConn is a connection as if behind a port-restricted NAT.
type natConn struct {
	*net.UDPConn

	mu     sync.Mutex // guards opened
	opened map[netip.AddrPort]bool
}

func (c *natConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.mu.Lock()
	c.opened[to] = true
	c.mu.Unlock()
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

func (c *natConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
		c.mu.Lock()
		open := c.opened[from]
		c.mu.Unlock()
		if err != nil || open {
			return n, from, err
		}
	}
}

func (n v4ours) contact() contact { return contact{Addr: n.Addr().String(), ID: n.ID().String()} }

func (n v4ours) ready(t *testing.T) { require.NoError(t, n.Ready(patiently(t))) }

// patiently returns a context that ends with a test, or when it has waited too long.
func patiently(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (n v4ours) serve(_ *testing.T, command, query, update string) {
	var mu sync.Mutex // guards stored
	var stored []byte
	does := func(what string) func(*legacy.Request) {
		return func(r *legacy.Request) {
			mu.Lock()
			defer mu.Unlock()
			if r.Type == legacy.TypeUpdate {
				n.counts.add(command, 0, 1)
			} else {
				n.counts.add(command, 1, 0)
			}
			switch what {
			case "silent":
			case "echo":
				r.Reply(r.Value)
			case "none":
				r.Reply(nil)
			case "get":
				r.Reply(stored)
			case "put":
				stored = slices.Clone(r.Value)
				r.Reply(nil)
			case "fail":
				r.Fail("nope", []byte{1, 2})
			default:
				r.Reply([]byte(what))
			}
		}
	}
	if query != "" {
		n.OnQuery(command, does(query))
	}
	if update != "" {
		n.OnUpdate(command, does(update))
	}
}

func (n v4ours) run(t *testing.T, r v4run) (replies []v4reply, err error) {
	target, err := legacy.ParseID(r.target)
	require.NoError(t, err)
	var value []byte
	if r.value != nil {
		value, err = hex.DecodeString(*r.value)
		require.NoError(t, err)
	}
	var q *legacy.Query
	switch {
	case !r.update:
		q = n.Query(r.command, target, value)
	case r.query:
		q = n.Update(r.command, target, value, legacy.IncludeQuery())
	default:
		q = n.Update(r.command, target, value)
	}
	for reply, err := range q.Replies(patiently(t)) {
		if err != nil {
			return replies, err
		}
		replies = append(replies, ourReply(reply))
	}
	return replies, nil
}

func ourReply(r *legacy.Reply) v4reply {
	reply := v4reply{Type: r.Type.String(), Addr: r.From.Addr.String()}
	if r.From.ID != (legacy.ID{}) {
		reply.ID = r.From.ID.String()
	}
	if r.Value != nil {
		reply.Value = new(hex.EncodeToString(r.Value))
	}
	return reply
}

func (n v4ours) persistent(t *testing.T) { require.NoError(t, n.Persistent(patiently(t))) }

func (n v4ours) nodes(*testing.T) (nodes []contact) {
	for _, c := range n.Nodes() {
		nodes = append(nodes, contact{Addr: c.Addr.String(), ID: c.ID.String()})
	}
	return nodes
}

func (n v4ours) addNodes(t *testing.T, nodes ...contact) {
	for _, c := range nodes {
		id, err := legacy.ParseID(c.ID)
		require.NoError(t, err)
		require.True(t, n.AddNode(legacy.Contact{ID: id, Addr: netip.MustParseAddrPort(c.Addr)}))
	}
}

func (n v4ours) holepunch(t *testing.T, peer, referrer contact) error {
	return n.Holepunch(patiently(t), netip.MustParseAddrPort(peer.Addr), netip.MustParseAddrPort(referrer.Addr))
}

func (n v4ours) punches(*testing.T) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(*n.passed)
}

// A v4cast says who plays a role: true for one of our nodes.
type v4cast struct{ bootstrap, a, b bool }

func (c v4cast) String() string {
	name := func(ours bool) string {
		if ours {
			return "go"
		}
		return "npm"
	}
	return strings.Join([]string{name(c.bootstrap), name(c.a), name(c.b)}, "-")
}

// v4casts are all in which both kinds of nodes play.
func v4casts() (all []v4cast) {
	for i := 1; i < 7; i++ {
		all = append(all, v4cast{i&4 != 0, i&2 != 0, i&1 != 0})
	}
	return all
}

// eachV4Cast runs a test with every cast, with a bootstrap node that is ephemeral.
func eachV4Cast(t *testing.T, test func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4)) {
	t.Parallel()
	l := startV4Lab(t)
	for _, cast := range v4casts() {
		t.Run(cast.String(), func(t *testing.T) {
			here := *l
			here.t, here.counts = t, &v4counts{n: make(map[string]v4calls)}
			test(t, &here, cast, here.node(cast.bootstrap, v4config{ephemeral: true}))
		})
	}
}
