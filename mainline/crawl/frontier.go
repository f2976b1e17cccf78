package crawl

import (
	"math/rand/v2"
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// frontier decides whom to ask for what next. It is a plain value: no clock, no socket, no lock.
//
// Every node that answers is asked twice: for the neighbours of its own id, which is how young nodes are found, and for
// those of one random target. A contact that is silent is tried again at the end of the queue.
type frontier struct {
	tries uint8
	rng   *rand.Rand

	index map[netip.AddrPort]uint32 // endpoint to record
	nodes []record
	queue []uint32 // records that wait for a query, first in first out
	head  int
}

// record is one endpoint that somebody named, or that we started from.
type record struct {
	id     krpc.ID // as it said itself, else as others say; zero for a seed
	addr   netip.AddrPort
	tries  uint8 // queries without an answer so far
	goals  goals // what is still to be asked
	found  bool  // it has answered
	asking goals // what it is being asked
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

// add notes an endpoint and reports whether it is a new one. An id of zero is unknown.
func (f *frontier) add(addr netip.AddrPort, id krpc.ID) bool {
	if _, known := f.index[addr]; known {
		return false
	}
	i := uint32(len(f.nodes))
	f.index[addr] = i
	f.nodes = append(f.nodes, record{id: id, addr: addr, goals: ownID | random})
	f.queue = append(f.queue, i)
	return true
}

// next returns whom to ask, and the target. The caller settles it with answered, failed or unasked.
func (f *frontier) next() (n routing.Node, target krpc.ID, ok bool) {
	if f.head == len(f.queue) {
		return routing.Node{}, krpc.ID{}, false
	}
	r := &f.nodes[f.queue[f.head]]
	f.head++
	if f.head > 1024 && 2*f.head > len(f.queue) {
		f.queue = append(f.queue[:0], f.queue[f.head:]...)
		f.head = 0
	}
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

// unasked puts back what next gave out: it could not be sent now.
func (f *frontier) unasked(addr netip.AddrPort) {
	f.queue = append(f.queue, f.index[addr])
}

// answered notes the answer of a node and reports whether it is its first.
func (f *frontier) answered(addr netip.AddrPort, id krpc.ID) (first bool) {
	i := f.index[addr]
	r := &f.nodes[i]
	r.goals &^= r.asking
	first = !r.found
	r.found, r.id = true, id
	if r.goals != 0 {
		f.queue = append(f.queue, i)
	}
	return first
}

// failed notes that a node did not answer. One that never did is tried again later, until its tries are used up; of one
// that did nothing more is wanted.
func (f *frontier) failed(addr netip.AddrPort) {
	i := f.index[addr]
	r := &f.nodes[i]
	r.tries++
	if !r.found && r.tries < f.tries {
		f.queue = append(f.queue, i)
	}
}

// waiting returns how many queries wait to be asked.
func (f *frontier) waiting() int { return len(f.queue) - f.head }

// seen returns how many endpoints were named.
func (f *frontier) seen() int { return len(f.nodes) }

func (f *frontier) randomID() (id krpc.ID) {
	for i := range id {
		id[i] = byte(f.rng.Uint32())
	}
	return id
}
