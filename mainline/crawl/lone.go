package crawl

// loners are the contacts that one node named and nobody else: in a network full of inventions nearly all of them are none.
//
// While many of them answer they are asked as soon as there is nothing better to do. When few do, every node that answered is
// asked for more buckets of its own instead: who is there is named again by then, and inventions are not. What is
// left of the loners after that is asked as long as it pays.
type loners struct {
	once    fifo     // records that one node named; those named again or asked meanwhile are in it, too
	waiters int      // records in it that were neither
	yields  [2]yield // of each stage
	asked   uint64   // of them
	askable []uint32 // nodes that answered and have goals to spare, roughly
	at      int      // the first of them that was not looked at
}

// stage is when a loner is asked.
type stage uint8

const (
	early stage = 1 + iota // before nodes that answered are asked for more
	last                   // after that
)

// yield is what asking loners has brought.
type yield struct {
	asked, answered float64 // of the last few thousand
	out             int     // queries whose outcome is not known
}

// Ours: so many are asked before they are judged.
const yieldAfter = 500

// Ours: what share of the loners has to answer. At first, a tenth: the rest may be named again soon. At last, a node
// is not worth more than what ten cost that are no loners.
const (
	earlyYield = 0.1
	lastPrice  = 10
)

func (y *yield) note(answered bool) {
	const forget = 1 - 1.0/4096
	y.asked, y.answered = y.asked*forget+1, y.answered*forget
	if answered {
		y.answered++
	}
}

// judged reports whether enough answers and failures are known to tell whether it pays.
func (y *yield) judged() bool { return y.asked >= yieldAfter }

// meet notes a new contact.
func (f *frontier) meet(i uint32) {
	f.once.push(i)
	f.waiters++
}

// pays reports whether asking loners is worth it.
func (f *frontier) pays(s stage) bool {
	y := &f.yields[s-1]
	if !y.judged() {
		return y.asked+float64(y.out) < yieldAfter
	}
	least := earlyYield
	if s == last {
		least = float64(max(f.found, 1)) / float64(lastPrice*(f.asked-f.loners.asked+1))
	}
	return y.answered >= least*y.asked
}

// ask queues the loner that has waited longest, if that pays.
func (f *frontier) ask(s stage) bool {
	for f.pays(s) {
		i, ok := f.once.pop()
		if !ok {
			return false
		}
		if r := &f.nodes[i]; !r.named && r.lone == 0 {
			r.lone = s
			f.yields[s-1].out++
			f.loners.asked++
			f.waiters--
			f.wait(i)
			return true
		}
	}
	return false
}

// noteLone notes what became of the first query to a contact, if it was a loner.
func (f *frontier) noteLone(r *record, answered bool) {
	if r.lone != 0 && r.tries == 0 {
		y := &f.yields[r.lone-1]
		y.note(answered)
		y.out--
	}
}

// askMore queues a node that answered for one more goal, if loners are more than a few. All nodes are asked for a first one
// before any is for a second.
func (f *frontier) askMore() bool {
	for f.yields[early-1].judged() && f.waiters > f.found/fewLoners && f.at < len(f.askable) {
		i := f.askable[f.at]
		f.at++
		r := &f.nodes[i]
		if r.known == unknown || r.spare == 0 {
			continue
		}
		goal := r.nextSpare()
		r.spare &^= goal
		r.goals |= goal
		f.askable = append(f.askable, i)
		if r.asking == 0 { // otherwise it waits when its answer is here
			f.wait(i)
			return true
		}
	}
	return false
}

// Ours: with one loner to so many nodes found, or less, it is not worth looking for a second witness.
const fewLoners = 5

// nextSpare is the goal to spare that finds most: who lies outside of all that the node has named, then a target anywhere,
// then what it has half told.
func (r *record) nextSpare() goals {
	for _, g := range [...]goals{outside, random, edge} {
		if r.spare&g != 0 {
			return g
		}
	}
	return 0
}
