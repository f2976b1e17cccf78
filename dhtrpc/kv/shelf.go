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
	plan
	cfg   Config
	self  dhtrpc.ID // when something has to go, what is far from here goes first
	rng   *rand.Rand
	bytes int                  // of the values
	hosts map[netip.Prefix]int // records by who put them
}

func newShelf(cfg Config) *shelf {
	return &shelf{
		plan: newPlan(), cfg: cfg, rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		hosts: make(map[netip.Prefix]int),
	}
}

// get returns the record under a target, with the time it has left, nil if there is none.
func (s *shelf) get(target dhtrpc.ID, now time.Time) *Record {
	it := s.items[target]
	if it == nil || !now.Before(it.until) {
		return nil
	}
	r := *it.rec
	r.TTL = it.until.Sub(now)
	return &r
}

// put takes a record, which may be a view, from somebody (not valid: from ourselves), and returns 0 or an error code.
func (s *shelf) put(target dhtrpc.ID, r *Record, from netip.Addr, now time.Time) uint64 {
	if r.target() != target {
		return CodeInvalid
	}
	old := s.items[target]
	if old != nil && !now.Before(old.until) {
		s.drop(old)
		old = nil
	}
	it := old
	switch {
	case old == nil:
		host, counted := s.hostOf(from)
		if counted && s.hosts[host] >= s.perHost() {
			return CodeFull
		}
		if code := s.admit(target, r, 1, len(r.Value), now); code != dhtrpc.CodeOK {
			return code
		}
		it = &item{target: target, rec: r.clone(), host: host}
		s.add(it)
		s.bytes += len(r.Value)
		if counted {
			s.hosts[host]++
		}
	case !bytes.Equal(old.rec.Owner, r.Owner):
		return CodeTaken
	case old.rec.same(r):
	case !r.newer(old.rec):
		return CodeStale
	default:
		more := len(r.Value) - len(old.rec.Value)
		if code := s.admit(target, r, 0, more, now); code != dhtrpc.CodeOK {
			return code
		}
		s.bytes += more
		it.rec, it.until = r.clone(), time.Time{}
	}
	if until := now.Add(min(r.TTL, s.cfg.TTL)); until.After(it.until) {
		it.until = until
	}
	if s.cfg.Republish > 0 {
		it.again = now.Add(interval(s.rng, s.cfg.Republish))
	}
	s.moved(it)
	return dhtrpc.CodeOK
}

// admit checks a record that is not known, and makes room for it: nothing has to go for one that is forged.
func (s *shelf) admit(target dhtrpc.ID, r *Record, records, bytes int, now time.Time) uint64 {
	if !r.genuine() {
		return CodeInvalid
	}
	if !s.room(target, records, bytes, now) {
		return CodeFull
	}
	return dhtrpc.CodeOK
}

// interval is how long a record rests: d, give or take a quarter, so that not all who hold it wake at once.
func interval(rng *rand.Rand, d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rng.Int64N(int64(d)/2+1))
}

// perHostDefault is for addresses of the Internet only: on private networks many nodes may share one.
const perHostDefault = 1000

func (s *shelf) perHost() int {
	if s.cfg.PerHost == 0 {
		return perHostDefault
	}
	return s.cfg.PerHost
}

// hostOf is who counts as one host: an address, of IPv6 a /64. Without a limit nobody is counted.
func (s *shelf) hostOf(a netip.Addr) (host netip.Prefix, counted bool) {
	private := a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
	if !a.IsValid() || s.cfg.PerHost < 0 || s.cfg.PerHost == 0 && private {
		return host, false
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	host, _ = a.Prefix(bits)
	return host, true
}

// samples is how many records are looked at when one has to go: all of them would make a flood of puts dear.
const samples = 16

// room makes room under target for so many more records and bytes, and reports whether it could. What has expired goes
// first, then what is farther from us than target.
func (s *shelf) room(target dhtrpc.ID, records, bytes int, now time.Time) bool {
	if bytes > s.cfg.MaxBytes || records > s.cfg.MaxRecords {
		return false
	}
	for len(s.items)+records > s.cfg.MaxRecords || s.bytes+bytes > s.cfg.MaxBytes {
		victim := s.victim(now)
		if now.Before(victim.until) && routing.CompareDistance(s.self.Key(), victim.target.Key(), target.Key()) <= 0 {
			return false
		}
		s.drop(victim)
	}
	return true
}

// victim is the record to go first among some of those there are, of which there is one.
func (s *shelf) victim(now time.Time) (worst *item) {
	if due, _ := s.first(now); due != nil && !now.Before(due.until) {
		return due
	}
	start := s.rng.IntN(len(s.queue))
	for i := range min(samples, len(s.queue)) {
		it := s.queue[(start+i)%len(s.queue)]
		if !now.Before(it.until) {
			return it
		}
		if worst == nil || routing.CompareDistance(s.self.Key(), it.target.Key(), worst.target.Key()) > 0 {
			worst = it
		}
	}
	return worst
}

func (s *shelf) drop(it *item) {
	s.remove(it)
	s.bytes -= len(it.rec.Value)
	if !it.host.IsValid() {
		return
	}
	if s.hosts[it.host]--; s.hosts[it.host] == 0 {
		delete(s.hosts, it.host)
	}
}

// due drops what has expired, and returns a record to be put anew now, or when the next is; zero: there is none.
func (s *shelf) due(now time.Time) (held item, ok bool, next time.Time) {
	for {
		it, next := s.first(now)
		switch {
		case it == nil:
			return held, false, next
		case !now.Before(it.until):
			s.drop(it)
		default:
			it.again = now.Add(interval(s.rng, s.cfg.Republish))
			s.moved(it)
			return *it, true, now
		}
	}
}
