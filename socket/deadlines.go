package socket

// deadlines is a binary heap of queries, the one to be looked at first in
// front. Each query knows its index, so that it can be moved and removed.
type deadlines []*query

// next returns when the first is due, never if there is none.
func (d deadlines) next() moment {
	if len(d) == 0 {
		return never
	}
	return d[0].at
}

func (d *deadlines) add(x *query) {
	x.heap = len(*d)
	*d = append(*d, x)
	d.up(x.heap)
}

func (d *deadlines) remove(x *query) {
	h, i, last := *d, x.heap, len(*d)-1
	h.swap(i, last)
	h[last] = nil
	*d = h[:last]
	if i < last {
		d.fix(h[i])
	}
}

// fix puts x where it belongs after its time changed.
func (d deadlines) fix(x *query) {
	if !d.down(x.heap) {
		d.up(x.heap)
	}
}

func (d deadlines) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if d[parent].at <= d[i].at {
			return
		}
		d.swap(i, parent)
		i = parent
	}
}

func (d deadlines) down(i int) (moved bool) {
	for {
		child := 2*i + 1
		if child >= len(d) {
			return moved
		}
		if r := child + 1; r < len(d) && d[r].at < d[child].at {
			child = r
		}
		if d[i].at <= d[child].at {
			return moved
		}
		d.swap(i, child)
		i, moved = child, true
	}
}

func (d deadlines) swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heap, d[j].heap = i, j
}
