package mainline

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// ItemStore keeps the items that others put. It is called from the read goroutines and must not block. What may replace what
// is decided before: a store keeps what it is given. Items are shared and never changed.
type ItemStore interface {
	// Get returns the item under target, nil if there is none.
	Get(target krpc.ID, now time.Time) *Item
	// Put stores an item in place of any other under target, or refreshes the same item, and reports whether there was
	// room. from is who sent it.
	Put(target krpc.ID, item *Item, from netip.Addr, now time.Time) bool
}

// ItemStoreConfig bounds an ItemStore.
type ItemStoreConfig struct {
	Items     int           // 0 means 2000
	PerSource int           // items of one address (IPv6: /64); 0 means 20, negative no limit
	Lifetime  time.Duration // of an item after it was last put; 0 means 2 h
	Own       krpc.ID       // when items have to go, those far from here go first
	Rand      *rand.Rand    // for the choice of those; nil means randomly seeded
}

func (c ItemStoreConfig) withDefaults() ItemStoreConfig {
	c.Items = cmp.Or(c.Items, 2000)
	c.PerSource = cmp.Or(c.PerSource, 20)
	c.Lifetime = cmp.Or(c.Lifetime, 2*time.Hour)
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return c
}

// NewItemStore returns an ItemStore in memory. Its bounds hold exactly at all times: with the defaults it takes some 3 MB.
func NewItemStore(cfg ItemStoreConfig) *MemoryItems {
	cfg = cfg.withDefaults()
	return &MemoryItems{cfg: cfg, own: cfg.Own.Key(), items: make(map[krpc.ID]*stored), sources: make(map[netip.Addr]int)}
}

// MemoryItems is the ItemStore in memory. It is safe for concurrent use.
type MemoryItems struct {
	cfg ItemStoreConfig

	mu      sync.Mutex // guards what follows
	own     routing.Key
	items   map[krpc.ID]*stored
	targets []krpc.ID // keys of items in no order, for sampling
	sources map[netip.Addr]int
	oldest  *stored // first of the list in the order of the last put, which is that of expiry
	newest  *stored
}

// stored is an item with its place in the store.
type stored struct {
	item       *Item
	target     krpc.ID
	until      time.Time
	source     netip.Addr // of the first put
	at         int        // index in MemoryItems.targets
	prev, next *stored
}

// Get returns the item under target (ItemStore).
func (s *MemoryItems) Get(target krpc.ID, now time.Time) *Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	if e := s.items[target]; e != nil {
		return e.item
	}
	return nil
}

// Put stores or refreshes an item (ItemStore). Beyond PerSource a source has no room; a full store gives up another item.
func (s *MemoryItems) Put(target krpc.ID, item *Item, from netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	if e := s.items[target]; e != nil {
		s.unlink(e)
		e.item, e.until = item, now.Add(s.cfg.Lifetime)
		s.link(e)
		return true
	}
	source := sourceOf(from)
	if s.cfg.PerSource > 0 && s.sources[source] >= s.cfg.PerSource {
		return false
	}
	for len(s.targets) >= s.cfg.Items {
		victim := s.victim()
		if routing.CompareDistance(s.own, target.Key(), victim.target.Key()) > 0 {
			return false
		}
		s.drop(victim)
	}
	e := &stored{item: item, target: target, until: now.Add(s.cfg.Lifetime), source: source, at: len(s.targets)}
	s.items[target], s.targets = e, append(s.targets, target)
	s.sources[source]++
	s.link(e)
	return true
}

// SetOwn tells the store the node's id, when it changes.
func (s *MemoryItems) SetOwn(id krpc.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own = id.Key()
}

// Len returns the number of items held; some may have expired.
func (s *MemoryItems) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.items)
}

// StoredItem is an item with what a store knows of it.
type StoredItem struct {
	Item *Item
	From netip.Addr // who put it first; of IPv6 the /64
	Put  time.Time  // when it was put last
}

// All returns the items that have not expired at now, those put last at the end.
func (s *MemoryItems) All(now time.Time) iter.Seq[StoredItem] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	all := make([]StoredItem, 0, len(s.items))
	for e := s.oldest; e != nil; e = e.next {
		all = append(all, StoredItem{e.item, e.source, e.until.Add(-s.cfg.Lifetime)})
	}
	return slices.Values(all)
}

// sourceOf returns what counts as one source: an address of IPv4, a /64 of IPv6.
func sourceOf(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.Addr()
	}
	return a
}

// victim picks the item to give up: the farthest from us of some.
func (s *MemoryItems) victim() *stored {
	best := s.targets[s.cfg.Rand.IntN(len(s.targets))]
	for range min(victims, len(s.targets)) {
		if c := s.targets[s.cfg.Rand.IntN(len(s.targets))]; routing.CompareDistance(s.own, c.Key(), best.Key()) > 0 {
			best = c
		}
	}
	return s.items[best]
}

func (s *MemoryItems) expire(now time.Time) {
	for s.oldest != nil && !now.Before(s.oldest.until) {
		s.drop(s.oldest)
	}
}

func (s *MemoryItems) drop(e *stored) {
	last := len(s.targets) - 1
	s.targets[e.at] = s.targets[last]
	s.items[s.targets[e.at]].at = e.at
	s.targets = s.targets[:last]
	delete(s.items, e.target)
	s.unlink(e)
	if s.sources[e.source]--; s.sources[e.source] == 0 {
		delete(s.sources, e.source)
	}
}

// link appends e to the list in the order of expiry.
func (s *MemoryItems) link(e *stored) {
	e.prev, e.next = s.newest, nil
	if s.newest == nil {
		s.oldest = e
	} else {
		s.newest.next = e
	}
	s.newest = e
}

func (s *MemoryItems) unlink(e *stored) {
	if e.prev == nil {
		s.oldest = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		s.newest = e.prev
	} else {
		e.next.prev = e.prev
	}
}
