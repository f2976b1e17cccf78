package routing

import (
	"math/bits"
	"net/netip"
	"slices"
	"time"
)

// entry is a contact without pointers, so that a hundred thousand tables cost the garbage collector nothing. Times are
// counted from the table's first event.
type entry struct {
	key   Key
	seen  time.Duration // last answer, or last query from it
	asked time.Duration // when Due handed it out, or its last query failed; before that, when it was first heard
	host  host
	rtt   uint32 // microseconds; 0: not known
	port  uint16
	fails uint8
	flags uint8
}

const (
	verified  uint8 = 1 << iota // it has answered a query of ours
	pinged                      // Due has handed it out and nothing is settled yet
	preferred                   // Config.Prefer says so
)

func newEntry(n Node, seen time.Duration) entry {
	return entry{key: n.Key, host: hostOf(n.Addr.Addr()), port: n.Addr.Port(), seen: seen, asked: seen}
}

func (e *entry) node() Node {
	return Node{Key: e.key, Addr: netip.AddrPortFrom(e.host.addr(), e.port)}
}

func (e *entry) at(o *entry) bool { return e.port == o.port && e.host == o.host }

func (e *entry) verified() bool { return e.flags&verified != 0 }

func (e *entry) preferred() bool { return e.flags&preferred != 0 }

// badness orders entries: preferred ones first, then by round trip, unknown ones last.
func (e *entry) badness() uint64 {
	bad := uint64(e.rtt - 1)
	if !e.preferred() {
		bad |= 1 << 32
	}
	return bad
}

// answered notes a reply: the entry is alive, its round trip moves a quarter of the way.
func (e *entry) answered(rtt, at time.Duration) {
	e.seen, e.fails = at, 0
	e.flags = e.flags&preferred | verified
	switch {
	case rtt <= 0:
	case e.rtt == 0:
		e.rtt = micros(rtt)
	default:
		e.rtt = uint32((3*uint64(e.rtt) + uint64(micros(rtt))) / 4)
	}
}

// bucket holds the nodes of one depth: the verified ones in live, sorted by key, those that wait for a place in cache.
type bucket struct {
	heads   []uint64 // first 64 bits of each live key, parallel to live: what is searched
	live    []entry
	cache   []entry
	haste   uint8         // its refresh comes early, see RefreshAll
	held    int           // nodes it had at the last refresh
	touched time.Duration // a node was added or replaced, or one answered a query that was no ping of ours
}

// place returns where k is in live, or belongs.
func (b *bucket) place(k *Key) int {
	i, _ := slices.BinarySearch(b.heads, k.head())
	for i < len(b.live) && b.live[i].key.Compare(*k) < 0 {
		i++
	}
	return i
}

func (b *bucket) find(k *Key) int {
	if i := b.place(k); i < len(b.live) && b.live[i].key == *k {
		return i
	}
	return -1
}

func (b *bucket) findCached(k *Key) int {
	return slices.IndexFunc(b.cache, func(e entry) bool { return e.key == *k })
}

func (b *bucket) add(e entry) {
	i := b.place(&e.key)
	b.heads = slices.Insert(b.heads, i, e.key.head())
	b.live = slices.Insert(b.live, i, e)
}

func (b *bucket) remove(i int) entry {
	e := b.live[i]
	b.heads = slices.Delete(b.heads, i, i+1)
	b.live = slices.Delete(b.live, i, i+1)
	return e
}

func (b *bucket) uncache(i int) entry {
	e := b.cache[i]
	b.cache = slices.Delete(b.cache, i, i+1)
	return e
}

// worst returns the entry with the most failures, the worst of those otherwise, if it has at least fails of them; else -1.
func (b *bucket) worst(fails uint8) int {
	at := -1
	for i := range b.live {
		e := &b.live[i]
		if e.fails < fails {
			continue
		}
		if at < 0 || e.fails > b.live[at].fails || e.fails == b.live[at].fails && e.badness() > b.live[at].badness() {
			at = i
		}
	}
	return at
}

// unpreferred returns the slowest entry that is not preferred, or -1.
func (b *bucket) unpreferred() int {
	at := -1
	for i := range b.live {
		if e := &b.live[i]; !e.preferred() && (at < 0 || e.badness() > b.live[at].badness()) {
			at = i
		}
	}
	return at
}

// slots divides the keys of a wide bucket by the bits that follow its depth, so that its entries spread over the range.
type slots struct{ from, bits int }

const maxSlotBits = 8

func slotsOf(from, capacity int) slots {
	return slots{from, min(bits.Len(uint(capacity))-1, maxSlotBits)}
}

func (s slots) of(k *Key) int { return k.window(s.from, s.bits) }

// displaced returns which entry of a full wide bucket makes way for a newcomer, or -1: the worst of the most crowded slot if
// the newcomer's own is empty, else the worst of its own slot if the newcomer is better.
func (b *bucket) displaced(newcomer *entry, s slots) int {
	var count [1 << maxSlotBits]uint16
	for i := range b.live {
		count[s.of(&b.live[i].key)]++
	}
	slot := s.of(&newcomer.key)
	if count[slot] == 0 {
		for i, n := range count[:1<<s.bits] {
			if n > count[slot] {
				slot = i
			}
		}
		return b.worstOf(s, slot)
	}
	if at := b.worstOf(s, slot); b.live[at].badness() > newcomer.badness() {
		return at
	}
	return -1
}

// worstOf returns the worst entry of a slot: one that is not preferred, or the slowest.
func (b *bucket) worstOf(s slots, slot int) int {
	at := -1
	for i := range b.live {
		e := &b.live[i]
		if s.of(&e.key) == slot && (at < 0 || e.badness() > b.live[at].badness()) {
			at = i
		}
	}
	return at
}

// alike reports whether all entries and k share equally many bits with the table's own key: no split separates them.
func (b *bucket) alike(self, k *Key) bool {
	bits := CommonBits(*self, *k)
	for i := range b.live {
		if CommonBits(*self, b.live[i].key) != bits {
			return false
		}
	}
	return true
}
