package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
)

// rpcClosest is of how many nodes the truth consists: k of dht-rpc.
const rpcClosest = 20

// RPCLookup is what one lookup did.
type RPCLookup struct {
	Target   dhtrpc.ID
	First    time.Duration // until the first answer of one of the 20 closest living nodes; negative: there was none
	Done     time.Duration // until it ended
	Asked    int           // requests
	Answered int           // of them
	Sent     int           // datagrams of these, down hints aside
	Hits     int           // of the 20 closest living nodes, how many are in the result
	Exact    bool          // the result is these 20, in their order
	Err      error         // how it ended, if not well
}

// lookups has every policy look up the same targets, all policies in turns, so that each finds the network in the same state.
func (r *rpcRun) lookups() {
	start, all := r.engine.Now(), r.Lookups*len(r.Policies)
	r.res.Lookups = make([][]RPCLookup, len(r.Policies))
	r.open = all
	for i := range r.Lookups {
		target := r.randomID()
		for p := range r.Policies {
			at := start + r.Within*time.Duration(i*len(r.Policies)+p)/time.Duration(all)
			r.engine.At(at, func() { r.lookup(p, target) })
		}
	}
	if r.engine.RunWhile(start+r.Within+patience, func() bool { return r.open > 0 && !stopped(r.Stop) }) && r.open > 0 {
		r.err = fmt.Errorf("%w: %d are open", errStuck, r.open)
	}
}

// lookup starts one lookup, from a node that is looking up nothing.
func (r *rpcRun) lookup(policy int, target dhtrpc.ID) {
	at := r.alive[sim.Below(r.draw(), uint32(len(r.alive)))]
	for r.fleet.ships[at].busy {
		at = r.alive[sim.Below(r.draw(), uint32(len(r.alive)))]
	}
	out := &RPCLookup{Target: target, First: -1}
	truth, start := r.closest(target, at), r.engine.Now()
	q := r.fleet.Node(at).FindNode(target, r.Policies[policy].Options)
	each := func(rep *dhtrpc.Reply) {
		if out.First < 0 && slices.Contains(truth, rep.From.ID) {
			out.First = r.engine.Now() - start
		}
	}
	done := func(err error) {
		out.Err, out.Done = err, r.engine.Now()-start
		out.judge(q, truth)
		r.fleet.ships[at].busy = false
		r.res.Lookups[policy] = append(r.res.Lookups[policy], *out)
		r.open--
		r.progress(r.Lookups*len(r.Policies) - r.open)
	}
	r.fleet.ships[at].busy = true
	r.fleet.Do(at, func(*dhtrpc.Node) { q.Drive(each, done) })
}

// judge compares what was found with what is there.
func (l *RPCLookup) judge(q *dhtrpc.Query, truth []dhtrpc.ID) {
	stats := q.Stats()
	l.Asked, l.Sent, l.Answered = stats.Asked, stats.Sent, stats.Answered
	var found []dhtrpc.ID
	for _, c := range q.ClosestNodes() {
		found = append(found, c.ID)
		if slices.Contains(truth, c.ID) {
			l.Hits++
		}
	}
	l.Exact = slices.Equal(found, truth)
}

// RPCSummary is the lookups of one policy in a line.
type RPCSummary struct {
	Exact              float64       // share of the lookups that found exactly the 20 closest living nodes
	Recall             float64       // share of these nodes that were found
	FirstP50, FirstP95 time.Duration // first answer of one of them; lookups without are as late as their end
	DoneP50, DoneP95   time.Duration
	AskedP50, AskedP95 int
	SentP50, SentP95   int // datagrams
	Asked, Sent        float64
	Unanswered         float64 // share of the requests
	Failed             int     // lookups that ended with an error
}

// Summary computes the quantiles and shares of a policy.
func (res *RPCResult) Summary(policy int) RPCSummary {
	var s RPCSummary
	var first, done []time.Duration
	var asked, sent []int
	answered, hits, exact := 0, 0, 0
	for _, l := range res.Lookups[policy] {
		if l.First < 0 {
			l.First = l.Done
		}
		if l.Err != nil {
			s.Failed++
		}
		if l.Exact {
			exact++
		}
		first, done = append(first, l.First), append(done, l.Done)
		asked, sent = append(asked, l.Asked), append(sent, l.Sent)
		answered, hits = answered+l.Answered, hits+l.Hits
	}
	n := float64(max(len(asked), 1))
	s.Exact, s.Recall = float64(exact)/n, float64(hits)/n/float64(max(min(res.Living, rpcClosest), 1))
	s.FirstP50, s.FirstP95 = Quantile(first, 0.5), Quantile(first, 0.95)
	s.DoneP50, s.DoneP95 = Quantile(done, 0.5), Quantile(done, 0.95)
	s.AskedP50, s.AskedP95 = Quantile(asked, 0.5), Quantile(asked, 0.95)
	s.SentP50, s.SentP95 = Quantile(sent, 0.5), Quantile(sent, 0.95)
	s.Asked, s.Sent = mean(asked), mean(sent)
	s.Unanswered = 1 - float64(answered)/max(s.Asked*n, 1)
	return s
}

func mean(values []int) float64 {
	sum := 0
	for _, v := range values {
		sum += v
	}
	return float64(sum) / float64(max(len(values), 1))
}

func (s RPCSummary) String() string {
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	return fmt.Sprintf("exact %.1f %%, recall %.4f, first %d/%d ms, done %d/%d ms, asked %d/%d (mean %.1f), datagrams %d/%d (mean %.1f), unanswered %.1f %%, failed %d",
		100*s.Exact, s.Recall, ms(s.FirstP50), ms(s.FirstP95), ms(s.DoneP50), ms(s.DoneP95), s.AskedP50, s.AskedP95, s.Asked,
		s.SentP50, s.SentP95, s.Sent, 100*s.Unanswered, s.Failed)
}
