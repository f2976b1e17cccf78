package routing

// tally counts who shares an address, an endpoint or a network with one entry.
type tally struct {
	ips       int // entries and candidates of the same address
	endpoints int // of the same address and port, under whatever id
	liveIPs   int // entries of the same address
	table     int // entries of the same net
	bucket    int // entries of the same net in one bucket
	cache     int // candidates of the same net beside that bucket
}

func (t *Table) tally(e *entry, depth int) tally {
	var n tally
	for i := range t.buckets {
		b := &t.buckets[i]
		for j := range b.live {
			o := &b.live[j]
			if !o.host.sameNet(&e.host) {
				continue
			}
			n.table++
			if i == depth {
				n.bucket++
			}
			if o.host == e.host {
				n.ips++
				n.liveIPs++
				n.endpoints += equal(o.port, e.port)
			}
		}
		for j := range b.cache {
			o := &b.cache[j]
			if !o.host.sameNet(&e.host) {
				continue
			}
			if i == depth {
				n.cache++
			}
			if o.host == e.host {
				n.ips++
				n.endpoints += equal(o.port, e.port)
			}
		}
	}
	return n
}

func equal(a, b uint16) int {
	if a == b {
		return 1
	}
	return 0
}

// mayLive reports whether a verified node, which is in no bucket, may be in the one at depth. Candidates do not stand
// against it.
func (t *Table) mayLive(e *entry, depth int) bool {
	n := t.tally(e, depth)
	return n.liveIPs < t.cfg.PerIP && n.table < t.cfg.PerNetTable && n.bucket < t.cfg.PerNetBucket
}

// mayWait reports whether a new candidate may wait beside the bucket at depth: its address is new, and it would not be
// refused a place later for its net.
func (t *Table) mayWait(e *entry, depth int) bool {
	n := t.tally(e, depth)
	return n.endpoints == 0 && n.ips < t.cfg.PerIP && n.table < t.cfg.PerNetTable &&
		n.bucket+n.cache < t.cfg.PerNetBucket
}

// evictSameEndpoint removes what is known under e's address and port with another id, since e's id is proven now, and
// candidates that would leave e's address over its limit. It reports whether e may come in its place: not
// if the old one had answered us, for a node that changes its id is not to be trusted at once.
func (t *Table) evictSameEndpoint(e *entry) bool {
	ips := t.tally(e, 0).ips
	if ips == 0 {
		return true
	}
	trusted := true
	for i := range t.buckets {
		b := &t.buckets[i]
		for j := len(b.live) - 1; j >= 0; j-- {
			if b.live[j].at(e) && b.live[j].key != e.key {
				t.changed(t.leave(b, j), e)
				trusted = false
			}
		}
		for j := len(b.cache) - 1; j >= 0; j-- {
			c := &b.cache[j]
			if c.key == e.key || c.host != e.host {
				continue
			}
			if c.at(e) && c.verified() {
				t.changed(*c, e)
				trusted = false
			}
			if c.at(e) || ips >= t.cfg.PerIP {
				b.uncache(j)
				ips--
			}
		}
	}
	if !trusted {
		t.wakeBy(0)
	}
	return trusted
}

func (t *Table) changed(old entry, now *entry) {
	if t.cfg.OnChange != nil {
		t.cfg.OnChange(old.node(), now.node(), t.epoch.Add(t.latest))
	}
}
