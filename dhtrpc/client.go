package dhtrpc

import (
	"context"
	"net/netip"
	"time"
)

// Call is a request to be sent to one node.
type Call struct {
	Command uint64
	Target  *ID    // nil: none
	Token   []byte // from a reply of the same node; 32 bytes, nil: none
	Value   []byte // nil: none; a value of length 0 is one
	CallOptions
}

// CallOptions say how a request is sent.
type CallOptions struct {
	Retries int           // attempts after the first; 0 means 3, negative: none
	Timeout time.Duration // of each attempt; 0 means 1 s, or what Config.Timeouts makes of it
	Conn    int           // index of the socket to send from, plus 1; 0: the usual one
}

const callRetries = 3

// Send sends a request and calls done when it was answered, or when it is sure that it will not be: with a *Error for an
// answer with an error code, ErrTimeout, ErrClosed or ErrSuspended. done runs on a goroutine of the node and must not
// block. It is not called after stop, nor if Send returns an error: then the request could not be sent.
func (n *Node) Send(to netip.AddrPort, c Call, done func(*Reply, error)) (stop func(), err error) {
	m := Message{Command: c.Command, Token: c.Token, Value: c.Value}
	if c.Target != nil {
		m.Target = c.Target[:]
	}
	return n.send(to, &m, c.CallOptions, done)
}

func (n *Node) send(to netip.AddrPort, m *Message, o CallOptions, done func(*Reply, error)) (stop func(), err error) {
	n.mu.Lock()
	defer n.unlock()
	if n.closed {
		return nil, ErrClosed
	}
	n.clock = n.now()
	s := n.newSession(false)
	c := &call{session: s, to: nodeAt(to)}
	c.settled = func(r *Reply, err error) {
		s.end()
		if err == nil {
			if err = r.err(); err != nil {
				r = nil
			}
		}
		n.later(func() { done(r, err) })
	}
	attempts := callRetries + 1
	if o.Retries != 0 {
		attempts = max(o.Retries, 0) + 1
	}
	each := o.Timeout
	if each <= 0 {
		each = time.Second
	}
	n.deadlines(c, attempts, each, -1)
	c.query.Conn = n.net.sendConn()
	if o.Conn > 0 {
		c.query.Conn = o.Conn - 1
	}
	if err := n.begin(c, m); err != nil {
		s.end()
		return nil, err
	}
	n.wake()
	return func() {
		n.mu.Lock()
		s.end()
		n.unlock()
	}, nil
}

// wait is send for those who have the time.
func (n *Node) wait(ctx context.Context, to netip.AddrPort, m *Message, o CallOptions) (*Reply, error) {
	type outcome struct {
		reply *Reply
		err   error
	}
	settled := make(chan outcome, 1)
	stop, err := n.send(to, m, o, func(r *Reply, err error) { settled <- outcome{r, err} })
	if err != nil {
		return nil, err
	}
	select {
	case o := <-settled:
		return o.reply, o.err
	case <-ctx.Done():
		stop()
		return nil, context.Cause(ctx)
	}
}

// Request sends a request and waits for the answer. The error is a *Error if the node answered with one, ErrTimeout if it
// was silent, ErrTooLong, ErrNotIPv4 or one of the socket package if nothing could be sent, or the cause of ctx.
func (n *Node) Request(ctx context.Context, to netip.AddrPort, c Call) (*Reply, error) {
	m := Message{Command: c.Command, Token: c.Token, Value: c.Value}
	if c.Target != nil {
		m.Target = c.Target[:]
	}
	return n.wait(ctx, to, &m, c.CallOptions)
}

// PingOptions say how to ping.
type PingOptions struct {
	Size  int           // bytes of zeros sent along, to see whether a packet of that size arrives
	Delay time.Duration // how long the other node is to wait with its answer
	CallOptions
}

// Ping sees whether a node is there. With a delay it is a DELAYED_PING, which nodes before 6.24 answer with
// CodeUnknownCommand: it shows how long a NAT keeps a way open. ErrDelay: the delay is above Config.MaxPingDelay.
func (n *Node) Ping(ctx context.Context, to netip.AddrPort, o PingOptions) (*Reply, error) {
	m := Message{Internal: true, Command: CommandPing}
	if o.Size > 0 {
		m.Value = make([]byte, o.Size)
	}
	if o.Delay > 0 {
		if o.Delay > n.cfg.MaxPingDelay {
			return nil, ErrDelay
		}
		m.Command, m.Value = CommandDelayedPing, milliseconds(o.Delay)
		if o.Timeout <= 0 {
			o.Timeout = o.Delay + time.Second
		}
	}
	return n.wait(ctx, to, &m, o.CallOptions)
}

// Ask asks one node for the nodes it knows nearest to target.
func (n *Node) Ask(ctx context.Context, to netip.AddrPort, target ID) (*Reply, error) {
	return n.wait(ctx, to, &Message{Internal: true, Command: CommandFindNode, Target: target[:]}, CallOptions{})
}
