package socket

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// pace is a token bucket without its state: a token every gap, full a time of
// depth before its first token is missing. A gap of 0 does not limit.
type pace struct{ gap, depth moment }

func newPace(perSecond rate.Limit, burst int) pace {
	if perSecond <= 0 || perSecond == rate.Inf {
		return pace{}
	}
	gap := max(1, moment(min(float64(time.Second)/float64(perSecond), float64(time.Hour))))
	return pace{gap, gap * moment(min(max(burst, 1), math.MaxInt32)-1)}
}

// counted is over how many whole seconds requests are counted: any 10 s lie in 11.
const counted = 11

const maxCounted = math.MaxUint16 / (counted + 1)

// source is what is remembered of an address or of a net: 48 bytes.
type source struct {
	full   moment // when its token bucket is full again
	quiet  moment // it is not heard before
	second int64  // number of the second counted in now
	counts [counted]uint16
	sum    uint16 // of counts
}

// take takes a token out of the bucket, if there is one. A bucket that was last
// used by a clock far ahead, which has been set back, is full.
func (s *source) take(p pace, now moment) bool {
	if p.gap == 0 {
		return true
	}
	full := max(now, s.full)
	switch missing := full - now; {
	case missing > p.depth+p.gap:
		full = now
	case missing > p.depth:
		return false
	}
	s.full = full + p.gap
	return true
}

// count counts a request and returns how many there were in the last 10 to 11 s.
func (s *source) count(now moment) int {
	second := int64(now) / int64(time.Second)
	switch ahead := second - s.second; {
	case ahead >= counted || ahead <= -counted:
		s.counts, s.sum, s.second = [counted]uint16{}, 0, max(second, 0)
	default:
		for ; s.second < second; s.second++ {
			next := &s.counts[(s.second+1)%counted]
			s.sum -= *next
			*next = 0
		}
	}
	s.counts[s.second%counted]++
	s.sum++
	return int(s.sum)
}

// silent reports whether the source is not heard now; it is silenced for most at
// a time, also after the clock was set back.
func (s *source) silent(now, most moment) bool {
	s.quiet = min(s.quiet, now+most)
	return now < s.quiet
}

// silence closes the source. What it did before is forgotten with that.
func (s *source) silence(until moment) { *s = source{quiet: until} }

// until returns from when on there is no difference between the source and one
// that is not known.
func (s *source) until() moment {
	until := max(s.full, s.quiet)
	if s.sum > 0 {
		until = max(until, moment(s.second+counted)*moment(time.Second))
	}
	return until
}

// sources is a hash table of bounded size that forgets. A key may be in one of two
// sets of eight, so that the table is nearly full before a source that matters has
// to go for another. It doubles while it is too small, up to its bound.
type sources struct {
	sets []sourceSet // a power of two of them; none before the first source
	most int         // sets at most
	seed uint64      // keeps others from choosing who is in a set with whom
}

const ways = 8

// sourceSet holds the sources of its keys; a key of 0 is free.
type sourceSet struct {
	keys [ways]uint64
	of   [ways]source
}

func newSources(limit int, seed uint64) sources {
	most := 2
	for most*ways < limit && most < 1<<24 {
		most *= 2
	}
	return sources{most: most, seed: seed}
}

// at returns the source of a key, which may be a new one. The pointer is good
// until the next call.
func (t *sources) at(key uint64, now moment) *source {
	if t.sets == nil {
		t.sets = make([]sourceSet, 2)
	}
	for {
		a, b := t.pair(key)
		if s := a.find(key); s != nil {
			return s
		}
		if s := b.find(key); s != nil {
			return s
		}
		set, i, free := place(a, b, now)
		if free || len(t.sets) >= t.most {
			set.keys[i], set.of[i] = key, source{}
			return &set.of[i]
		}
		t.grow(now)
	}
}

// pair returns the two sets a key may be in; they may be one.
func (t *sources) pair(key uint64) (a, b *sourceSet) {
	h := (key ^ t.seed) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	h ^= h >> 32
	mask := uint64(len(t.sets) - 1)
	return &t.sets[h&mask], &t.sets[h>>32&mask]
}

func (s *sourceSet) find(key uint64) *source {
	for i, k := range s.keys {
		if k == key {
			return &s.of[i]
		}
	}
	return nil
}

// place returns where in two sets a new source goes: where nobody is, or somebody
// whom nothing is known of any more, in the emptier set; else free is false, and
// it is where who would be forgotten first is.
func place(a, b *sourceSet, now moment) (set *sourceSet, at int, free bool) {
	atA, freeA, firstA := a.place(now)
	atB, freeB, firstB := b.place(now)
	if freeB > freeA || freeA == 0 && firstB < firstA {
		return b, atB, freeB > 0
	}
	return a, atA, freeA > 0
}

func (s *sourceSet) place(now moment) (at, free int, first moment) {
	first = never
	for i := range s.keys {
		until := moment(math.MinInt64)
		if s.keys[i] != 0 {
			until = s.of[i].until()
		}
		if until <= now {
			free++
		}
		if until < first {
			at, first = i, until
		}
	}
	return at, free, first
}

// grow doubles the table and leaves out whom nothing is known of any more.
func (t *sources) grow(now moment) {
	old := t.sets
	t.sets = make([]sourceSet, 2*len(old))
	for i := range old {
		for j, key := range old[i].keys {
			if s := &old[i].of[j]; key != 0 && s.until() > now {
				a, b := t.pair(key)
				set, at, _ := place(a, b, now)
				set.keys[at], set.of[at] = key, *s
			}
		}
	}
}
