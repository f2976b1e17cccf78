package crawl

import (
	"math/rand/v2"
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// frontier decides whom to ask for what next. It is a plain value: no clock, no socket, no lock.
//
// Every node that answers is asked for the neighbours of its own id, which is how young nodes are found, and for those of
// one random target, or more. Contacts that two nodes named come first: what only one has ever named may be an invention
// of its, and in a network full of inventions nearly all of those are. They are asked when nothing else is left,
// for as long as it pays.
type frontier struct {
	tries uint8
	more  uint8 // random targets for each node beyond the first
	rng   *rand.Rand

	index  map[netip.AddrPort]uint32 // endpoint to record
	nodes  []record
	queue  fifo // records that wait for a query
	once   fifo // records that one node named; those named again meanwhile are in queue, too
	single yield
}

// record is one endpoint that somebody named, or that we started from.
type record struct {
	id     krpc.ID // as it said itself, else as others say; zero for a seed
	addr   netip.AddrPort
	by     uint32 // who named it first
	tries  uint8  // queries without an answer so far
	goals  goals  // what is still to be asked
	more   uint8  // random targets still to be asked for after that
	asking goals  // what it is being asked; 0: it is not
	queued bool   // it waits in frontier.queue
	found  bool   // it has answered
	named  bool   // by two nodes, or by ourselves
	lone   bool   // it was asked although only one node named it
}

// goals is a set of queries to one node.
type goals uint8

const (
	ownID  goals = 1 << iota // find_node of its own id
	random                   // find_node of a random target
)

func newFrontier(tries int, rng *rand.Rand) *frontier {
	return &frontier{tries: uint8(min(tries, 255)), rng: rng, index: make(map[netip.AddrPort]uint32)}
}

// ourselves is the source of what nobody else named.
const ourselves = 1<<32 - 1

// seed notes an endpoint to start from, and believes it. An id of zero is unknown.
func (f *frontier) seed(addr netip.AddrPort, id krpc.ID) {
	if f.add(addr, id, ourselves) {
		i := f.index[addr]
		f.nodes[i].named = true
		f.wait(i)
	}
}

// add notes that the node with the index by named an endpoint, and reports whether that is a new one.
func (f *frontier) add(addr netip.AddrPort, id krpc.ID, by uint32) bool {
	if i, known := f.index[addr]; known {
		if r := &f.nodes[i]; !r.named && r.by != by {
			r.named = true
			if !r.found && r.asking == 0 && r.tries < f.tries {
				f.wait(i)
			}
		}
		return false
	}
	i := uint32(len(f.nodes))
	f.index[addr] = i
	f.nodes = append(f.nodes, record{id: id, addr: addr, by: by, goals: ownID | random, more: f.more})
	f.once.push(i)
	return true
}

// next returns whom to ask, and the target. The caller settles it with answered, failed or unasked.
func (f *frontier) next() (n routing.Node, target krpc.ID, ok bool) {
	i, ok := f.take()
	if !ok {
		return routing.Node{}, krpc.ID{}, false
	}
	r := &f.nodes[i]
	r.asking = r.goals & ownID
	if r.asking == 0 || r.id == (krpc.ID{}) {
		r.asking = random
	}
	target = r.id
	if r.asking == random {
		target = f.randomID()
	}
	return routing.Node{Key: r.id.Key(), Addr: r.addr}, target, true
}

// take removes the next record from the queues.
func (f *frontier) take() (uint32, bool) {
	if i, ok := f.queue.pop(); ok {
		f.nodes[i].queued = false
		return i, true
	}
	for f.single.pays() {
		i, ok := f.once.pop()
		if !ok {
			break
		}
		if r := &f.nodes[i]; !r.named {
			r.lone = true
			return i, true
		}
	}
	return 0, false
}

// unasked puts back what next gave out: it could not be sent now.
func (f *frontier) unasked(addr netip.AddrPort) {
	i := f.index[addr]
	f.nodes[i].asking = 0
	f.wait(i)
}

// wait queues a record, once.
func (f *frontier) wait(i uint32) {
	if r := &f.nodes[i]; !r.queued {
		r.queued = true
		f.queue.push(i)
	}
}

// answered notes the answer of a node; it returns the node's index and whether the answer is its first.
func (f *frontier) answered(addr netip.AddrPort, id krpc.ID) (i uint32, first bool) {
	i = f.index[addr]
	r := &f.nodes[i]
	r.goals &^= r.asking
	if r.asking == random && r.more > 0 {
		r.more--
		r.goals |= random
	}
	r.asking = 0
	first = !r.found
	if first && r.lone {
		f.single.note(true)
	}
	r.found, r.id = true, id
	if r.goals != 0 {
		f.wait(i)
	}
	return i, first
}

// failed notes that a node did not answer. One that never did but was named twice is tried again later, until its tries are
// used up; of one that did nothing more is wanted.
func (f *frontier) failed(addr netip.AddrPort) {
	i := f.index[addr]
	r := &f.nodes[i]
	r.asking = 0
	r.tries++
	if !r.found && r.lone {
		f.single.note(false)
	}
	if !r.found && r.named && r.tries < f.tries {
		f.wait(i)
	}
}

// waiting returns how many queries wait to be asked.
func (f *frontier) waiting() int {
	if !f.single.pays() {
		return f.queue.len()
	}
	return f.queue.len() + f.once.len()
}

// idle reports whether nothing is left to ask.
func (f *frontier) idle() bool {
	if f.queue.len() > 0 {
		return false
	}
	for f.single.pays() {
		i, ok := f.once.peek()
		if !ok {
			return true
		}
		if !f.nodes[i].named {
			return false
		}
		f.once.pop()
	}
	return true
}

// seen returns how many endpoints were named.
func (f *frontier) seen() int { return len(f.nodes) }

func (f *frontier) randomID() (id krpc.ID) {
	for i := range id {
		id[i] = byte(f.rng.Uint32())
	}
	return id
}

// yield is what asking contacts that were named once has brought.
type yield struct {
	asked, answered float64 // of the last few thousand
}

// Ours: after so many lone contacts without more than this share of answers, the others are left alone.
const (
	yieldAfter = 500
	yieldLeast = 0.001
)

func (y *yield) note(answered bool) {
	const forget = 1 - 1.0/4096
	y.asked, y.answered = y.asked*forget+1, y.answered*forget
	if answered {
		y.answered++
	}
}

func (y *yield) pays() bool { return y.asked < yieldAfter || y.answered >= yieldLeast*y.asked }

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
