package main

import (
	"net/netip"
	"sync"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/socket"
)

// strangers notes whom our socket has written to, so that who calls on its own can be told.
type strangers struct {
	called chan netip.AddrPort // the first stranger

	mu   sync.Mutex // guards sent
	sent map[netip.AddrPort]struct{}
}

// watchedMax bounds what is remembered of the addresses written to.
const watchedMax = 1 << 16

type watchedConn struct {
	socket.Conn
	*strangers
}

func (w *strangers) conn(c socket.Conn) socket.Conn {
	return watchedConn{c, w}
}

func (c watchedConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.mu.Lock()
	if len(c.sent) < watchedMax {
		c.sent[to] = struct{}{}
	}
	c.mu.Unlock()
	return c.Conn.WriteToUDPAddrPort(b, to)
}

// heard notes a query if its sender was not written to before. Once there are too many to remember nobody is a stranger.
func (w *strangers) heard(q *krpc.Query) {
	w.mu.Lock()
	_, known := w.sent[q.From.Addr]
	full := len(w.sent) >= watchedMax
	w.mu.Unlock()
	if known || full {
		return
	}
	select {
	case w.called <- q.From.Addr:
	default:
	}
}
