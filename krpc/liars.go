package krpc

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// ErrBanned: the node has changed its id too often lately and is not asked.
var ErrBanned = errors.New("krpc: node changes its id, not asked for an hour")

// Ours, after what mldht learnt under attack (mainline digest, section 7.3).
const (
	banFor     = time.Hour
	suspectFor = 2 * time.Hour // at least, twice that at most
	maxLiars   = 2048          // suspects, and as many bans, that are remembered
)

// liars is the oracle for nodes that make up ids. One that answers under another id than it was asked under is a suspect:
// others may have named it wrongly, or it began anew. If it answers under yet another one, it is a liar, and its host is not
// asked for an hour; from then on one more id is enough. So a liar gets two queries before it is known, and one an hour
// after that. Only answers to our own queries count, because anything else can be forged in its name. On a private network,
// where many share an address and are started anew again and again, nobody is suspected.
type liars struct {
	off  bool
	some atomic.Bool // whether there is anybody to look for

	mu       sync.Mutex // a leaf; guards what follows
	suspects fading[netip.AddrPort, routing.Key]
	bans     fading[netip.Addr, time.Time] // until when
	banned   uint64                        // so far
}

func (l *liars) init(off bool) {
	l.off = off
	l.suspects = newFading[netip.AddrPort, routing.Key](suspectFor, maxLiars)
	l.bans = newFading[netip.Addr, time.Time](banFor, maxLiars)
}

// observe notes that the node at addr answered under an id; suspicious: it was known under another one. It reports whether
// that makes it a liar.
func (l *liars) observe(addr netip.AddrPort, id routing.Key, suspicious bool, now time.Time) bool {
	if l.off || !suspicious && !l.some.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.suspects.get(addr, now)
	if known && last == id || !known && !suspicious {
		return false
	}
	l.some.Store(true)
	l.suspects.put(addr, id, now)
	if known {
		l.bans.put(hostOf(addr.Addr()), now.Add(banFor), now)
		l.banned++
	}
	return known
}

// bars reports whether nobody at an address is to be asked.
func (l *liars) bars(ip netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.bans.get(hostOf(ip), now)
	return ok && now.Before(until)
}

// hostOf returns who is banned for what a node does: an IPv4 address, or an IPv6 /64.
func hostOf(ip netip.Addr) netip.Addr {
	if ip = ip.Unmap(); ip.Is4() {
		return ip
	}
	net, _ := ip.WithZone("").Prefix(64) // 64 bits are never too many
	return net.Addr()
}

func (l *liars) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.banned
}

// barred reports whether a node is not to be asked now.
func (r *RPC) barred(a netip.AddrPort, now func() time.Time) bool {
	return r.liars.some.Load() && r.liars.bars(a.Addr(), now())
}

// strangeLocked notes an answer under another id than the node was known by: whatever is known there goes, and the new id
// does not come from the answer that showed it.
func (r *RPC) strangeLocked(asked, from routing.Node, ev socket.Event) {
	r.counts.Mismatches++
	r.table.Remove(asked)
	r.table.Changed(from)
	r.liars.observe(from.Addr, from.Key, true, ev.At)
	r.up.wakeLocked()
}

// onChange is the table's OnChange: a node is known by two ids.
func (r *RPC) onChange(old, now routing.Node, at time.Time) {
	r.liars.observe(now.Addr, now.Key, true, at)
	if hear := r.cfg.Table.OnChange; hear != nil {
		hear(old, now, at)
	}
}
