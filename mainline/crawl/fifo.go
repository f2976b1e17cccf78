package crawl

// fifo is a queue of records.
type fifo struct {
	items []uint32
	head  int
}

func (q *fifo) push(i uint32) { q.items = append(q.items, i) }

func (q *fifo) len() int { return len(q.items) - q.head }

func (q *fifo) peek() (uint32, bool) {
	if q.len() == 0 {
		return 0, false
	}
	return q.items[q.head], true
}

func (q *fifo) pop() (uint32, bool) {
	i, ok := q.peek()
	if !ok {
		return 0, false
	}
	q.head++
	if q.head > 1024 && 2*q.head > len(q.items) {
		q.items = append(q.items[:0], q.items[q.head:]...)
		q.head = 0
	}
	return i, true
}
