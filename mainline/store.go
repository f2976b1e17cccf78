package mainline

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// PeerStore keeps the peers that others announced. It is called from the read goroutines and must not block.
type PeerStore interface {
	// Announce stores peer under ih, or refreshes it, and reports whether there was room.
	Announce(ih krpc.ID, peer netip.AddrPort, seed bool, now time.Time) bool
	// AppendPeers appends up to n peers of the family asked for, a random sample if there are more.
	AppendPeers(dst []netip.AddrPort, ih krpc.ID, v6 bool, n int, now time.Time) []netip.AddrPort
}

// Admitter is what a PeerStore is besides if it knows beforehand whether it would take a peer, as MemoryStore does: whom it
// would not gets no token, and does not announce in vain (BEP 33).
type Admitter interface {
	Admits(ih krpc.ID, ip netip.Addr, now time.Time) bool
}

// StoreConfig bounds a PeerStore.
type StoreConfig struct {
	PerHash   int           // peers per info hash; 0 means 2000
	Hashes    int           // info hashes; 0 means 4000
	Total     int           // peers over all info hashes; 0 means 200,000
	PerSource int           // entries of one address (IPv6: /64) over all info hashes; 0 means 100, negative no limit
	Lifetime  time.Duration // of a peer after its last announce; 0 means 45 min
	Own       krpc.ID       // when hashes have to go, those far from here go first
	Rand      *rand.Rand    // for samples; nil means randomly seeded
}

func (c StoreConfig) withDefaults() StoreConfig {
	c.PerHash = cmp.Or(c.PerHash, 2000)
	c.Hashes = cmp.Or(c.Hashes, 4000)
	c.Total = cmp.Or(c.Total, 200_000)
	c.PerSource = cmp.Or(c.PerSource, 100)
	c.Lifetime = cmp.Or(c.Lifetime, 45*time.Minute)
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return c
}

// NewPeerStore returns a PeerStore in memory. Its bounds hold exactly at all times.
func NewPeerStore(cfg StoreConfig) *MemoryStore {
	return &MemoryStore{
		cfg: cfg.withDefaults(), own: cfg.Own.Key(),
		swarms: make(map[krpc.ID]*swarm), sources: make(map[uint64]int32),
	}
}

// MemoryStore is the PeerStore in memory. One address has one entry per info hash (BEP 33): a new announce replaces its
// port. It is safe for concurrent use.
type MemoryStore struct {
	cfg StoreConfig

	mu      sync.Mutex // guards what follows
	own     routing.Key
	swarms  map[krpc.ID]*swarm
	hashes  []krpc.ID        // keys of swarms in no order, for sampling
	sources map[uint64]int32 // entries by entry.source
	total   int
	largest krpc.ID   // swarm that was thinned out last
	epoch   time.Time // entry.until counts from here
}

type swarm struct {
	peers  []entry
	at     int    // index in MemoryStore.hashes
	oldest uint32 // no entry's until is before
	newest uint32 // the last until of its entries
}

// find returns the index of an address, or -1.
func (sw *swarm) find(ip *[16]byte) int {
	low := binary.LittleEndian.Uint64(ip[8:])
	for i := range sw.peers {
		if p := &sw.peers[i].ip; binary.LittleEndian.Uint64(p[8:]) == low && *p == *ip {
			return i
		}
	}
	return -1
}

// entry is one peer: 28 bytes, since there are many.
type entry struct {
	ip    [16]byte
	spots spots  // its bits in a filter
	until uint32 // seconds after the store's epoch
	port  uint16
	v6    bool
	seed  bool
}

func (e entry) addr() netip.AddrPort {
	a := netip.AddrFrom16(e.ip)
	if !e.v6 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, e.port)
}

// source returns the number of who sent the entry: an IPv4 address, in multicast space, or an IPv6 /64.
func (e *entry) source() uint64 {
	if e.v6 {
		return binary.BigEndian.Uint64(e.ip[:8])
	}
	return 0xff<<56 | uint64(binary.BigEndian.Uint32(e.ip[12:]))
}

// SetOwn tells the store the node's id, when it changes.
func (s *MemoryStore) SetOwn(id krpc.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own = id.Key()
}

// Announce stores or refreshes a peer.
func (s *MemoryStore) Announce(ih krpc.ID, peer netip.AddrPort, seed bool, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := s.clock(now)
	sw := s.swarms[ih]
	if sw != nil {
		s.expire(ih, sw, clock)
	}
	e := entry{
		ip: peer.Addr().As16(), spots: spotsOf(peer.Addr()), until: clock + uint32(s.cfg.Lifetime/time.Second),
		port: peer.Port(), v6: peer.Addr().Is6(), seed: seed,
	}
	if sw != nil {
		if i := sw.find(&e.ip); i >= 0 {
			sw.peers[i], sw.newest = e, e.until
			return true
		}
	}
	if s.cfg.PerSource > 0 && int(s.sources[e.source()]) >= s.cfg.PerSource || !s.room(ih, clock) {
		return false
	}
	s.insert(ih, e)
	return true
}

// Admits reports whether Announce would take a peer at ip under ih now.
func (s *MemoryStore) Admits(ih krpc.ID, ip netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers, e := s.current(ih, now), entry{ip: ip.As16(), v6: ip.Is6()}
	if sw := s.swarms[ih]; sw != nil && sw.find(&e.ip) >= 0 {
		return true
	}
	return len(peers) < s.cfg.PerHash && (s.cfg.PerSource <= 0 || int(s.sources[e.source()]) < s.cfg.PerSource)
}

// AppendPeers appends a random sample of the peers that have not expired.
func (s *MemoryStore) AppendPeers(dst []netip.AddrPort, ih krpc.ID, v6 bool, n int, now time.Time) []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draw(dst, s.current(ih, now), n, func(e *entry) bool { return e.v6 == v6 })
}

// AppendNoSeeds appends a random sample of the peers that are no seeds, and of seeds if there are too few.
func (s *MemoryStore) AppendNoSeeds(dst []netip.AddrPort, ih krpc.ID, v6 bool, n int, now time.Time) []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers, n := s.current(ih, now), n+len(dst)
	dst = s.draw(dst, peers, n-len(dst), func(e *entry) bool { return e.v6 == v6 && !e.seed })
	return s.draw(dst, peers, n-len(dst), func(e *entry) bool { return e.v6 == v6 && e.seed })
}

// Scrape adds the seeds and the other peers of both families to the filters.
func (s *MemoryStore) Scrape(ih krpc.ID, seeds, peers *Filter, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := s.current(ih, now)
	for i := range entries {
		if e := &entries[i]; e.seed {
			seeds.set(e.spots)
		} else {
			peers.set(e.spots)
		}
	}
	return len(entries) > 0
}

// AppendHashes appends up to n info hashes that have peers, a random sample if there are more.
func (s *MemoryStore) AppendHashes(dst []krpc.ID, n int, now time.Time) (hashes []krpc.ID, stored int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := s.clock(now)
	for i := len(s.hashes) - 1; i >= 0; i-- { // from the end: drop moves the last one
		if ih := s.hashes[i]; s.live(ih, clock) == 0 {
			s.drop(ih, s.swarms[ih])
		}
	}
	stored = len(s.hashes)
	if stored <= n {
		return append(dst, s.hashes...), stored
	}
	base := len(dst)
	for last := stored - n; last < stored; last++ { // Floyd's sample: n draws, none twice
		h := s.hashes[s.cfg.Rand.IntN(last+1)]
		if slices.Contains(dst[base:], h) {
			h = s.hashes[last]
		}
		dst = append(dst, h)
	}
	return dst, stored
}

// current returns the peers under ih that have not expired.
func (s *MemoryStore) current(ih krpc.ID, now time.Time) []entry {
	sw := s.swarms[ih]
	if sw == nil {
		return nil
	}
	s.expire(ih, sw, s.clock(now))
	return sw.peers
}

// draw appends up to n of those peers that pass, at random. It is a partial shuffle: what was drawn stands in front, so a
// peer is drawn once.
func (s *MemoryStore) draw(dst []netip.AddrPort, peers []entry, n int, pass func(*entry) bool) []netip.AddrPort {
	for i := 0; i < len(peers) && n > 0; i++ {
		j := i + s.cfg.Rand.IntN(len(peers)-i)
		peers[i], peers[j] = peers[j], peers[i]
		if pass(&peers[i]) {
			dst = append(dst, peers[i].addr())
			n--
		}
	}
	return dst
}

// Len returns the number of info hashes and of peers held; some may have expired.
func (s *MemoryStore) Len() (hashes, peers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.swarms), s.total
}

func (s *MemoryStore) clock(now time.Time) uint32 {
	if s.epoch.IsZero() {
		s.epoch = now
	}
	return uint32(max(0, now.Sub(s.epoch)) / time.Second)
}

// expire drops the entries of a swarm whose time is over, and the swarm with its last one. It looks at them once a second at
// most.
func (s *MemoryStore) expire(ih krpc.ID, sw *swarm, clock uint32) {
	if sw.oldest > clock {
		return
	}
	sw.oldest = math.MaxUint32
	sw.peers = slices.DeleteFunc(sw.peers, func(e entry) bool {
		if e.until > clock {
			sw.oldest = min(sw.oldest, e.until)
			return false
		}
		s.forget(&e)
		return true
	})
	if len(sw.peers) == 0 {
		s.drop(ih, sw)
	}
}

func (s *MemoryStore) drop(ih krpc.ID, sw *swarm) {
	last := len(s.hashes) - 1
	s.hashes[sw.at] = s.hashes[last]
	s.swarms[s.hashes[sw.at]].at = sw.at
	s.hashes = s.hashes[:last]
	for i := range sw.peers {
		s.forget(&sw.peers[i])
	}
	delete(s.swarms, ih)
}

// forget takes an entry that goes off the counts.
func (s *MemoryStore) forget(e *entry) {
	s.total--
	source := e.source()
	if s.sources[source]--; s.sources[source] == 0 {
		delete(s.sources, source)
	}
}

func (s *MemoryStore) insert(ih krpc.ID, e entry) {
	sw := s.swarms[ih]
	if sw == nil {
		sw = &swarm{at: len(s.hashes), oldest: e.until}
		s.hashes = append(s.hashes, ih)
		s.swarms[ih] = sw
	}
	sw.peers, sw.oldest, sw.newest = append(sw.peers, e), min(sw.oldest, e.until), e.until
	s.total++
	s.sources[e.source()]++
}

// room makes sure that one more peer fits under ih. A full swarm refuses newcomers, and when there are too many peers a large
// one does; a small one gets a place of the largest. For a new hash the least important swarm goes.
func (s *MemoryStore) room(ih krpc.ID, clock uint32) bool {
	sw := s.swarms[ih]
	if sw != nil && len(sw.peers) >= s.cfg.PerHash || s.total >= s.cfg.Total && sw != nil && len(sw.peers) >= s.share() {
		return false
	}
	if sw == nil && len(s.hashes) >= s.cfg.Hashes {
		victim := s.victim(clock)
		s.drop(victim, s.swarms[victim])
	}
	if s.total >= s.cfg.Total {
		s.thin()
	}
	return true
}

// share is how many peers each swarm could have at the same time: in a full store nobody loses a place for those that have
// more.
func (s *MemoryStore) share() int { return max(1, s.cfg.Total/s.cfg.Hashes) }

// thin takes a random peer of the largest swarm, and of that one as long as it has more than its share.
func (s *MemoryStore) thin() {
	sw := s.swarms[s.largest]
	if sw == nil || len(sw.peers) <= s.share() {
		s.largest = slices.MaxFunc(s.hashes, func(a, b krpc.ID) int {
			return cmp.Compare(len(s.swarms[a].peers), len(s.swarms[b].peers))
		})
		sw = s.swarms[s.largest]
	}
	i, last := s.cfg.Rand.IntN(len(sw.peers)), len(sw.peers)-1
	s.forget(&sw.peers[i])
	sw.peers[i] = sw.peers[last]
	if sw.peers = sw.peers[:last]; last == 0 {
		s.drop(s.largest, sw)
	}
}

// victims is how many random swarms are compared when one has to go: all of them would make a flood of announces dear.
const victims = 16

// victim picks the swarm to give up: an expired one, else the one with fewest peers, else the farthest from us.
func (s *MemoryStore) victim(clock uint32) krpc.ID {
	best := s.hashes[s.cfg.Rand.IntN(len(s.hashes))]
	for range min(victims, len(s.hashes)) {
		c := s.hashes[s.cfg.Rand.IntN(len(s.hashes))]
		bp, cp := s.live(best, clock), s.live(c, clock)
		if cp < bp || (cp == bp && routing.CompareDistance(s.own, c.Key(), best.Key()) > 0) {
			best = c
		}
	}
	return best
}

func (s *MemoryStore) live(ih krpc.ID, clock uint32) int {
	sw := s.swarms[ih]
	if sw.newest <= clock {
		return 0
	}
	return len(sw.peers)
}
