package routing

import (
	"errors"
	"fmt"
	"net/netip"
)

// survey is what a lookup's candidates amount to. Only those nearer than the K-th that answered are looked at, or than the
// last of the Extra ones behind it; the others cannot change the result.
type survey struct {
	next        int  // slab index of the nearest one to ask, -1 if none
	answered    int  // at most K + Extra
	outstanding int  // asked, not late
	ahead       int  // those of them nearer than next
	late        int  //
	sound       int  // slab index of the nearest of the K to ask for its own neighbours, -1 if none or not yet
	sounding    int  // such queries that are waited for
	held        bool // one cannot be asked before another of its address, net or key is settled
	seed        int  // the seed to ask if there is nothing better, -1 if none or not needed
}

// survey returns the current survey; it looks at the candidates only if something has changed.
func (l *Lookup) survey() survey {
	if !l.stale {
		return l.seen
	}
	v := survey{next: -1, sound: -1, seed: -1}
	for i := 0; i < len(l.order) && v.answered < l.cfg.K+l.cfg.Extra; i++ {
		switch c := l.at(i); c.state {
		case answered:
			if !c.guest {
				v.answered++
			}
			if c.sound == sounded {
				v.sounding++
			}
			if l.cfg.Sound > 0 && c.sound == unsounded && v.sound < 0 && v.answered <= l.cfg.K && !c.guest {
				v.sound = int(l.order[i])
			}
		case asked:
			v.outstanding++
		case late:
			v.late++
		case unasked:
			if v.next >= 0 && (!l.cfg.Stack || int(l.order[i]) < v.next) {
				continue
			}
			r := l.rivals(c, int(l.order[i]))
			switch {
			case r.answered || r.failed >= 2:
				c.state = barred
			case r.asked || r.late && l.cfg.WaitLate:
				v.held = true
			case !r.late && !r.preferred:
				v.next = int(l.order[i])
				v.ahead = v.outstanding
			}
		}
	}
	if v.answered < l.cfg.K || v.outstanding > 0 || v.next >= 0 {
		v.sound = -1
	}
	if v.answered < l.cfg.K {
		v.seed = l.nextSeed()
	}
	l.seen, l.stale = v, false
	return v
}

// nextSeed returns the first seed that was not asked, under a key or without.
func (l *Lookup) nextSeed() int {
	for i := range l.seeds {
		s := &l.seeds[i]
		if s.state == unasked && l.endpointAsked(s.addr) {
			s.state = barred
		}
		if s.state == unasked {
			return i
		}
	}
	return -1
}

// windowOpen reports whether another query may go out.
func (l *Lookup) windowOpen(v survey) bool {
	switch {
	case l.cfg.PerReply > 0 || l.cfg.PerTimeout > 0:
		return l.credit > 0 || l.flying == 0
	case l.cfg.CountAll:
		return l.flying < l.cfg.Alpha
	case v.next >= 0:
		return v.ahead < l.cfg.Alpha
	}
	v.outstanding += v.sounding
	for _, s := range l.seeds {
		if s.state == asked {
			v.outstanding++
		}
	}
	return v.outstanding < l.cfg.Alpha
}

// rivals tells what became of those that share a candidate's endpoint, key or, unless nets are shared, net.
type rivals struct {
	asked, late, answered bool
	failed                int  // of the same endpoint or net
	preferred             bool // an unasked one claims the endpoint and was named more often
}

// rivals looks for those of c, which is at slab index self or nowhere (-1).
func (l *Lookup) rivals(c *candidate, self int) rivals {
	var r rivals
	for i := range l.slab {
		o := &l.slab[i]
		if o.state == barred || i == self {
			continue
		}
		sameKey := o.node.Key == c.node.Key
		sameEnd := o.net == c.net && o.node.Addr == c.node.Addr
		if !sameKey && !sameEnd && (l.cfg.ShareNets || o.net != c.net) {
			continue
		}
		switch o.state {
		case unasked:
			r.preferred = r.preferred || sameEnd && o.votes > c.votes
		case failed:
			if !sameKey {
				r.failed++
			}
		default:
			r.note(o.state)
		}
	}
	for _, s := range l.seeds {
		if s.state.open() && s.addr == c.node.Addr {
			r.note(s.state)
		}
	}
	return r
}

func (r *rivals) note(s state) {
	r.asked = r.asked || s == asked
	r.late = r.late || s == late
	r.answered = r.answered || s == answered
}

// endpointAsked reports whether a candidate at addr has been asked, under whatever key.
func (l *Lookup) endpointAsked(addr netip.AddrPort) bool {
	for i := range l.slab {
		if c := &l.slab[i]; c.node.Addr == addr && (c.state.open() || c.state == answered) {
			return true
		}
	}
	return false
}

// errStuck is what Check reports when nothing could move a lookup on although it is not done.
var errStuck = errors.New("routing: lookup can neither go on nor end")

// Check returns what is wrong inside the lookup, nil if all is well. Tests run it after every step.
func (l *Lookup) Check() error {
	if len(l.order) != len(l.slab) || len(l.slab) > l.max {
		return fmt.Errorf("routing: %d places for %d of %d candidates", len(l.order), len(l.slab), l.max)
	}
	flying, open := 0, 0
	count := func(s state) {
		if s.open() {
			open++
		}
		if s == asked {
			flying++
		}
	}
	for i := range l.slab {
		if l.slab[i].sound == sounded {
			flying++
			open++
		}
	}
	for i := range l.order {
		count(l.at(i).state)
		if i > 0 && compareDistance(&l.target, &l.at(i-1).node.Key, &l.at(i).node.Key) > 0 {
			return fmt.Errorf("routing: candidates %d and %d are out of order", i-1, i)
		}
		if err := l.checkRivals(i); err != nil {
			return err
		}
	}
	for _, s := range l.seeds {
		count(s.state)
	}
	if flying != l.flying {
		return fmt.Errorf("routing: %d queries out, counted %d", flying, l.flying)
	}
	if l.Done() || open > 0 {
		return nil
	}
	trace := l.cfg.Trace
	l.cfg.Trace = nil
	n, ok := l.Next()
	l.Forget(n)
	l.cfg.Trace = trace
	if !ok {
		return errStuck
	}
	return nil
}

// checkRivals makes sure that of the open or answered candidates no two share what must not be shared.
func (l *Lookup) checkRivals(place int) error {
	c := l.at(place)
	if !c.state.open() && c.state != answered {
		return nil
	}
	for i := range l.slab {
		o := &l.slab[i]
		if o == c || !o.state.open() && o.state != answered {
			continue
		}
		if o.node.Key == c.node.Key || o.node.Addr == c.node.Addr || o.net == c.net && !l.cfg.ShareNets {
			return fmt.Errorf("routing: %v and %v were both asked", c.node, o.node)
		}
	}
	return nil
}
