package interop

import (
	"slices"
	"testing"
	"time"
)

// rpcTheirs is a node of npm dht-rpc.
type rpcTheirs struct {
	*script
	index int
	self  contact
}

// theirs makes nodes of npm dht-rpc, one after the other, and returns when they are ready.
func (l *rpcLab) theirs(s rpcSetting) (nodes []rpcNode) {
	l.t.Helper()
	args := fields{"addrs": l.listen(s), "ephemeral": s.ephemeral, "bootstrap": s.bootstrap}
	if s.open {
		args["firewalled"] = false
	}
	if s.maxDelay > 0 {
		args["maxPingDelay"] = s.maxDelay.Milliseconds()
	}
	return l.create(args)
}

func (l *rpcLab) create(args fields) (nodes []rpcNode) {
	l.t.Helper()
	var made struct {
		First int
		Nodes []contact
	}
	l.npm.do(l.t, "create", args, &made)
	for i, c := range made.Nodes {
		nodes = append(nodes, rpcTheirs{l.npm, made.First + i, c})
	}
	return nodes
}

// bootstrapper makes the first node of a network of npm dht-rpc, persistent from the start.
func (l *rpcLab) bootstrapper(addr string) rpcNode {
	l.t.Helper()
	return l.create(fields{"bootstrapper": true, "addrs": []string{addr}})[0]
}

func (n rpcTheirs) addr() string { return n.self.Addr }
func (n rpcTheirs) id() string   { return n.self.ID }

func (n rpcTheirs) request(t *testing.T, to string, r rpcRequest) (a rpcAnswer) {
	t.Helper()
	args := fields{"node": n.index, "to": to, "command": r.command, "value": r.value, "token": r.token, "once": r.once}
	if r.target != "" {
		args["target"] = r.target
	}
	n.do(t, "request", args, &a)
	return a
}

func (n rpcTheirs) ping(t *testing.T, to string, delay time.Duration, once bool) (a rpcAnswer) {
	t.Helper()
	n.do(t, "ping", fields{"node": n.index, "to": to, "delay": delay.Milliseconds(), "once": once}, &a)
	return a
}

func (n rpcTheirs) query(t *testing.T, q rpcQuery) (f rpcFound) {
	t.Helper()
	args := fields{"node": n.index, "target": q.target, "value": q.value, "commit": q.commit, "once": q.once}
	if q.command != 0 {
		args["command"] = q.command
	}
	n.do(t, "query", args, &f)
	return f
}

func (n rpcTheirs) nodes(t *testing.T) []string {
	t.Helper()
	var res struct{ Nodes []string }
	n.do(t, "nodes", fields{"node": n.index}, &res)
	return res.Nodes
}

func (n rpcTheirs) relayTo(t *testing.T, to string) {
	t.Helper()
	n.do(t, "relay", fields{"node": n.index, "to": to}, nil)
}

func (n rpcTheirs) stored(t *testing.T, target string) bool {
	t.Helper()
	var res struct{ Nodes []string }
	n.do(t, "stored", fields{"target": target}, &res)
	return slices.Contains(res.Nodes, n.self.Addr)
}

// wait waits for an event of this node, about the node at addr if that is given, and returns when it was.
func (n rpcTheirs) wait(t *testing.T, event, addr string) time.Time {
	t.Helper()
	var res struct{ At int64 }
	n.do(t, "wait", fields{"event": event, "node": n.index, "addr": addr}, &res)
	return time.UnixMilli(res.At)
}

// knownTo waits until so many nodes of npm dht-rpc have put the node at addr into their tables, and returns how many have it.
func (l *rpcLab) knownTo(addr string, count int) int {
	l.t.Helper()
	l.npm.do(l.t, "wait", fields{"event": "add-node", "addr": addr, "count": count}, nil)
	var res struct{ Nodes []string }
	l.npm.do(l.t, "known", fields{"addr": addr}, &res)
	return len(res.Nodes)
}

func (n rpcTheirs) destroy(t *testing.T) {
	t.Helper()
	n.do(t, "destroy", fields{"nodes": []int{n.index}}, nil)
}

// tick lets five seconds pass for the node's table.
func (n rpcTheirs) tick(t *testing.T) {
	t.Helper()
	n.do(t, "tick", fields{"node": n.index}, nil)
}

// rpcState is what a node of npm dht-rpc thinks of itself.
type rpcState struct {
	ID, Remote            string
	Ephemeral, Firewalled bool
}

func (n rpcTheirs) state(t *testing.T) (s rpcState) {
	t.Helper()
	n.do(t, "state", fields{"node": n.index}, &s)
	return s
}
