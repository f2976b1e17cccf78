package kv

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Errors that a put is answered with (dhtrpc.Error.Code).
const (
	CodeInvalid = 32 // no record, one that does not belong to its target, or a signature that does not fit
	CodeStale   = 33 // the node has a newer version
	CodeTaken   = 34 // somebody else has that name
	CodeFull    = 35 // no room
)

// shelf is the part of the store that one node holds. It is a plain value, stepped with the time.
type shelf struct {
	cfg  Config
	self dhtrpc.ID // when something has to go, what is far from here goes first
	rng  *rand.Rand

	items map[dhtrpc.ID]*item
	keys  []dhtrpc.ID // of items, in no order, for sampling
	bytes int
	hosts map[netip.Prefix]int // records by who put them
}

// item is a record on the shelf.
type item struct {
	rec   *Record
	until time.Time
	again time.Time // when it is put anew, unless somebody else does before
	host  netip.Prefix
	at    int // index in shelf.keys
}

func newShelf(cfg Config, self dhtrpc.ID) *shelf {
	return &shelf{
		cfg: cfg, self: self, rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		items: make(map[dhtrpc.ID]*item), hosts: make(map[netip.Prefix]int),
	}
}

// get returns the record under a target, with the time it has left, nil if there is none.
func (s *shelf) get(target dhtrpc.ID, now time.Time) *Record {
	it := s.items[target]
	if it == nil || !now.Before(it.until) {
		return nil
	}
	r := *it.rec
	r.TTL = max(it.until.Sub(now), time.Second)
	return &r
}

// put takes a record, which may be a view, from somebody, and returns 0 or an error code.
func (s *shelf) put(target dhtrpc.ID, r *Record, from netip.Addr, now time.Time) uint64 {
	if r.target() != target {
		return CodeInvalid
	}
	until := now.Add(min(r.TTL, s.cfg.TTL))
	old := s.items[target]
	if old != nil && !now.Before(old.until) {
		s.drop(target)
		old = nil
	}
	if old == nil {
		return s.add(target, r, hostOf(from), until, now)
	}
	switch {
	case !bytes.Equal(old.rec.Owner, r.Owner):
		return CodeTaken
	case old.rec.same(r):
		if until.After(old.until) {
			old.until = until
		}
	case r.Seq <= old.rec.Seq:
		return CodeStale
	case !r.genuine():
		return CodeInvalid
	default:
		s.bytes += len(r.Value) - len(old.rec.Value)
		old.rec, old.until = r.clone(), until
	}
	old.again = now.Add(s.interval())
	return dhtrpc.CodeOK
}

// interval is how long a record rests: a republish interval, give or take a quarter, so that not all who hold it wake at
// once.
func (s *shelf) interval() time.Duration {
	d := max(s.cfg.Republish, 0)
	return d*3/4 + time.Duration(s.rng.Int64N(int64(d)/2+1))
}

func (s *shelf) add(target dhtrpc.ID, r *Record, host netip.Prefix, until, now time.Time) uint64 {
	if s.cfg.PerHost > 0 && s.hosts[host] >= s.cfg.PerHost || !s.room(target, len(r.Value), now) {
		return CodeFull
	}
	if !r.genuine() {
		return CodeInvalid
	}
	s.items[target] = &item{rec: r.clone(), until: until, again: now.Add(s.interval()), host: host, at: len(s.keys)}
	s.keys = append(s.keys, target)
	s.bytes += len(r.Value)
	s.hosts[host]++
	return dhtrpc.CodeOK
}

// hostOf is who counts as one host: an address, of IPv6 a /64.
func hostOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// samples is how many records are looked at when one has to go: all of them would make a flood of puts dear.
const samples = 16

// room makes room for a value of so many bytes under target, and reports whether it could. What has expired goes first, then
// what is farther from us than target.
func (s *shelf) room(target dhtrpc.ID, size int, now time.Time) bool {
	for len(s.items) >= s.cfg.MaxRecords || s.bytes+size > s.cfg.MaxBytes {
		if len(s.keys) == 0 {
			return false
		}
		victim := s.victim(now)
		if now.Before(s.items[victim].until) && routing.CompareDistance(s.self.Key(), victim.Key(), target.Key()) <= 0 {
			return false
		}
		s.drop(victim)
	}
	return true
}

func (s *shelf) victim(now time.Time) dhtrpc.ID {
	worst := s.keys[s.rng.IntN(len(s.keys))]
	for range min(samples, len(s.keys)) {
		k := s.keys[s.rng.IntN(len(s.keys))]
		if !now.Before(s.items[k].until) {
			return k
		}
		if routing.CompareDistance(s.self.Key(), k.Key(), worst.Key()) > 0 {
			worst = k
		}
	}
	return worst
}

func (s *shelf) drop(target dhtrpc.ID) {
	it := s.items[target]
	if it == nil {
		return
	}
	last := len(s.keys) - 1
	s.keys[it.at] = s.keys[last]
	s.items[s.keys[it.at]].at = it.at
	s.keys = s.keys[:last]
	s.bytes -= len(it.rec.Value)
	if s.hosts[it.host]--; s.hosts[it.host] == 0 {
		delete(s.hosts, it.host)
	}
	delete(s.items, target)
}

// due drops what has expired, and returns the target of a record to be put anew now, or when the next one is.
func (s *shelf) due(now time.Time) (target dhtrpc.ID, ok bool, next time.Time) {
	for _, k := range s.keys {
		it := s.items[k]
		switch {
		case !now.Before(it.until):
			defer s.drop(k)
		case s.cfg.Republish <= 0:
		case !now.Before(it.again):
			it.again = now.Add(s.interval())
			return k, true, now
		case next.IsZero() || it.again.Before(next):
			next = it.again
		}
	}
	return target, false, next
}
