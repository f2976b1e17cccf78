package routing

// enter puts e into a bucket that has room.
func (t *Table) enter(b *bucket, e entry) {
	b.add(e)
	t.member(&e, true)
}

// leave takes entry i out of a bucket.
func (t *Table) leave(b *bucket, i int) entry {
	e := b.remove(i)
	t.member(&e, false)
	return e
}

func (t *Table) member(e *entry, in bool) {
	if t.cfg.OnMember != nil {
		t.cfg.OnMember(e.node(), in)
	}
}

// tellLost tells which of those that were in buckets are in none any more.
func (t *Table) tellLost(before []entry) {
	if t.cfg.OnMember == nil {
		return
	}
	for i := range before {
		if e := &before[i]; t.buckets[t.depth(&e.key)].find(&e.key) < 0 {
			t.member(e, false)
		}
	}
}
