package dhtrpc

import (
	"errors"
	"net/netip"

	"github.com/dhtkit/dhtkit/socket"
)

// ErrCannotResume: a node that did not open its sockets itself cannot open them again; see ResumeOn.
var ErrCannotResume = errors.New("dhtrpc: the node's sockets were given to it: use ResumeOn")

// Suspend ends everything in progress with ErrSuspended and closes the sockets, as a phone does to a program in the
// background. The table and what else the node knows stay. It must not be called from a handler or an event.
func (n *Node) Suspend() error {
	n.running.Lock()
	defer n.running.Unlock()
	n.mu.Lock()
	if n.closed || n.asleep {
		n.mu.Unlock()
		return nil
	}
	n.asleep = true
	sock := n.sock
	n.out.failAll(ErrSuspended)
	n.delayed.clear()
	n.net.checking = nil
	n.later(n.cfg.On.Suspend)
	n.unlock()
	return sock.Close()
}

// Resume opens the sockets again, at the same ports if they are free, and looks around: it is a wakeup, too.
func (n *Node) Resume() error {
	if n.open == nil {
		return ErrCannotResume
	}
	n.running.Lock()
	defer n.running.Unlock()
	var before []netip.AddrPort
	sock := n.Socket()
	for i := range n.net.conns {
		before = append(before, sock.Addr(i))
	}
	if !n.suspended() {
		return nil
	}
	conns, err := n.open(before)
	if err != nil {
		return err
	}
	n.resume(conns)
	return nil
}

// ResumeOn is Resume for a node whose sockets were given to it.
func (n *Node) ResumeOn(conns ...socket.Conn) error {
	n.running.Lock()
	defer n.running.Unlock()
	if n.suspended() {
		n.resume(conns)
	}
	return nil
}

func (n *Node) suspended() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asleep && !n.closed
}

func (n *Node) resume(conns []socket.Conn) {
	n.mu.Lock()
	n.wakeup()
	n.unlock()
	n.start(conns)
	n.mu.Lock()
	n.later(n.cfg.On.Resume)
	n.unlock()
}
