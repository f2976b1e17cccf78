package routing

import "fmt"

// Check returns what is wrong inside the table, nil if all is well. Tests run it after every step.
func (t *Table) Check() error {
	if n := len(t.buckets); n < 1 || n > t.cfg.MaxBuckets {
		return fmt.Errorf("routing: %d buckets of at most %d", n, t.cfg.MaxBuckets)
	}
	c := tableCheck{keys: map[Key]bool{}, ends: map[Node]bool{}, ips: map[host]int{}, nets: map[uint64]int{}}
	for depth := range t.buckets {
		if err := c.bucket(t, depth); err != nil {
			return fmt.Errorf("routing: bucket %d: %w", depth, err)
		}
	}
	for h, n := range c.ips {
		if n > t.cfg.PerIP {
			return fmt.Errorf("routing: %d entries of %v", n, h.addr())
		}
	}
	for net, n := range c.nets {
		if n > t.cfg.PerNetTable {
			return fmt.Errorf("routing: %d entries of net %#x", n, net)
		}
	}
	return nil
}

type tableCheck struct {
	keys map[Key]bool
	ends map[Node]bool // endpoints: nodes without their key
	ips  map[host]int
	nets map[uint64]int
}

func (c *tableCheck) bucket(t *Table, depth int) error {
	b := &t.buckets[depth]
	if len(b.live) > t.cfg.capacity(depth) || len(b.cache) > t.cfg.Cache || len(b.heads) != len(b.live) {
		return fmt.Errorf("%d entries, %d heads, %d candidates", len(b.live), len(b.heads), len(b.cache))
	}
	nets := map[uint64]int{}
	for i := range b.live {
		e := &b.live[i]
		switch {
		case !e.verified():
			return fmt.Errorf("%v never answered", e.node())
		case b.heads[i] != e.key.head():
			return fmt.Errorf("head of %v is %x", e.node(), b.heads[i])
		}
		if i > 0 && b.live[i-1].key.Compare(e.key) >= 0 {
			return fmt.Errorf("%v is out of order", e.node())
		}
		c.nets[e.host.net()]++
		if nets[e.host.net()]++; nets[e.host.net()] > t.cfg.PerNetBucket {
			return fmt.Errorf("too many of the net of %v", e.node())
		}
		if err := c.entry(t, e, depth); err != nil {
			return err
		}
	}
	for i := range b.cache {
		if err := c.entry(t, &b.cache[i], depth); err != nil {
			return err
		}
	}
	return nil
}

func (c *tableCheck) entry(t *Table, e *entry, depth int) error {
	n := e.node()
	end := Node{Addr: n.Addr}
	switch {
	case !t.admissible(n):
		return fmt.Errorf("%v does not belong into a table", n)
	case t.depth(&e.key) != depth:
		return fmt.Errorf("%v belongs into bucket %d", n, t.depth(&e.key))
	case c.keys[e.key] || c.ends[end]:
		return fmt.Errorf("%v is there twice", n)
	}
	c.keys[e.key], c.ends[end] = true, true
	c.ips[e.host]++
	return nil
}
