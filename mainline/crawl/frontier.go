package crawl

import (
	"iter"
	"math/rand/v2"
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// frontier decides whom to ask for what next. It is a plain value: no clock, no socket, no lock.
//
// Every node that answers is asked for the neighbours of its own id, which is how young nodes are found, and some for those
// of a random target. Contacts that two nodes named come first: what only one has ever named may be an invention
// of its, see lone.go. When nothing is left, sweep looks for places that nobody has spoken of.
type frontier struct {
	tries uint8
	more  uint8 // random targets for each node beyond the first
	every bool  // every node is asked for a random target; otherwise every other one
	rng   *rand.Rand

	index map[netip.AddrPort]uint32 // endpoint to record
	nodes []record
	queue fifo   // records that wait for a query
	asked uint64 // queries given out, but for those taken back
	found int    // nodes that answered
	loners
	sweeps
}

// record is one endpoint that somebody named, or that we started from.
type record struct {
	id     krpc.ID // as it said itself, else as others say; zero for a seed
	addr   netip.AddrPort
	by     uint32 // who named it first
	tries  uint8  // queries without an answer so far
	goals  goals  // what is still to be asked
	spare  goals  // what may be asked if inventions make it necessary
	more   uint8  // random targets still to be asked for
	asking goals  // what it is being asked; 0: it is not
	known  uint8  // the first of its buckets of which it named all it knows, unknown if it was not asked
	bucket uint8  // of the goal doubtful
	queued bool   // it waits in frontier.queue
	found  bool   // it has answered
	named  bool   // by two nodes, or by ourselves
	lone   stage  // it was asked although only one node named it
}

// unknown is the known of a record that has not yet answered to its own id.
const unknown = 255

// goals is a set of queries to one node, the first to be asked first.
type goals uint8

const (
	ownID    goals = 1 << iota // find_node of its own id
	random                     // of a random target
	doubtful                   // of the bucket that record.bucket says
	outside                    // of the first bucket of which it named nobody so far
	edge                       // of the bucket of which it named only some so far
)

func newFrontier(tries int, rng *rand.Rand) *frontier {
	return &frontier{
		tries: uint8(min(tries, 255)), rng: rng,
		index: make(map[netip.AddrPort]uint32), sweeps: sweeps{done: make(map[place]bool)},
	}
}

// ourselves is the source of what nobody else named.
const ourselves = 1<<32 - 1

// seed notes an endpoint to start from, and believes it. An id of zero is unknown.
func (f *frontier) seed(addr netip.AddrPort, id krpc.ID) {
	if f.add(addr, id, ourselves) {
		f.believe(f.index[addr])
	}
}

// add notes that the node with the index by named an endpoint, and reports whether that is a new one.
func (f *frontier) add(addr netip.AddrPort, id krpc.ID, by uint32) bool {
	if i, known := f.index[addr]; known {
		if r := &f.nodes[i]; !r.named && r.by != by {
			f.believe(i)
		}
		return false
	}
	i := uint32(len(f.nodes))
	f.index[addr] = i
	r := record{id: id, addr: addr, by: by, goals: ownID | random, spare: outside | edge, more: f.more, known: unknown}
	if !f.every && i%2 == 1 {
		r.goals, r.spare = r.goals&^random, r.spare|random
	}
	f.nodes = append(f.nodes, r)
	f.meet(i)
	return true
}

// believe notes that a contact was named twice.
func (f *frontier) believe(i uint32) {
	r := &f.nodes[i]
	r.named = true
	if r.lone == 0 {
		f.waiters--
	}
	if !r.found && r.asking == 0 && r.tries < f.tries {
		f.wait(i)
	}
}

// next returns whom to ask, and the target. The caller settles it with answered, failed or unasked.
func (f *frontier) next() (n routing.Node, target krpc.ID, ok bool) {
	if f.idle() {
		return routing.Node{}, krpc.ID{}, false
	}
	i, _ := f.queue.pop()
	f.asked++
	r := &f.nodes[i]
	r.queued = false
	r.asking = r.goals & -r.goals
	if r.id == (krpc.ID{}) {
		r.asking = random
	}
	return routing.Node{Key: r.id.Key(), Addr: r.addr}, f.target(r), true
}

// target is what a node is to be asked for.
func (f *frontier) target(r *record) krpc.ID {
	switch r.asking {
	case random:
		return f.randomID()
	case outside:
		return flipped(r.id, int(r.known)-2)
	case edge:
		return flipped(r.id, int(r.known)-1)
	case doubtful:
		return flipped(r.id, int(r.bucket))
	}
	return r.id
}

// flipped returns an id in one of the buckets of id, the one as near to id as can be; id itself if there is no such bucket.
func flipped(id krpc.ID, bucket int) krpc.ID {
	if bucket >= 0 && bucket < 8*krpc.IDSize {
		id[bucket/8] ^= 0x80 >> (bucket % 8)
	}
	return id
}

// idle reports whether nothing is left to ask. As long as something is, there is somebody in the queue.
func (f *frontier) idle() bool {
	return f.queue.len() == 0 && !f.ask(early) && !f.askMore() && (!f.yields[early-1].judged() || !f.ask(last))
}

// unasked puts back what next gave out: it could not be sent now.
func (f *frontier) unasked(addr netip.AddrPort) {
	i := f.index[addr]
	f.asked--
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

// answered notes the answer of a node and whom it names; it reports whether it is the node's first.
func (f *frontier) answered(addr netip.AddrPort, id krpc.ID, contacts iter.Seq[routing.Node]) (first bool) {
	i := f.index[addr]
	r := &f.nodes[i]
	asked := r.asking
	r.goals &^= asked
	if asked == random && r.more > 0 {
		r.more--
		r.goals |= random
	}
	r.asking = 0
	if first = !r.found; first {
		f.found++
		f.askable = append(f.askable, i)
		f.noteLone(r, true)
	}
	r.found, r.id = true, id
	if r.goals != 0 {
		f.wait(i)
	}
	known, named := 8*krpc.IDSize, 0
	for n := range contacts {
		f.add(n.Addr, krpc.IDOf(n.Key), i)
		known = min(known, routing.CommonBits(n.Key, id.Key())+1)
		named++
	}
	if named < fullReply {
		known = 0
	}
	if asked == ownID {
		f.nodes[i].known = uint8(known)
	}
	return first
}

// fullReply is how many nodes an answer names (BEP 5); who names fewer knows nobody else.
const fullReply = 8

// failed notes that a node did not answer. One that never did but was named twice is tried again later, until its tries are
// used up; of one that did nothing more is wanted.
func (f *frontier) failed(addr netip.AddrPort) {
	i := f.index[addr]
	r := &f.nodes[i]
	if r.asking == doubtful {
		f.unsettle(r)
	}
	r.asking = 0
	if r.found {
		r.goals = 0
		return
	}
	f.noteLone(r, false)
	r.tries++
	if r.named && r.tries < f.tries {
		f.wait(i)
	}
}

// waiting returns how many queries wait to be asked.
func (f *frontier) waiting() int {
	if !f.pays(early) {
		return f.queue.len()
	}
	return f.queue.len() + f.waiters
}

// seen returns how many endpoints were named.
func (f *frontier) seen() int { return len(f.nodes) }

func (f *frontier) randomID() (id krpc.ID) {
	for i := range id {
		id[i] = byte(f.rng.Uint32())
	}
	return id
}
