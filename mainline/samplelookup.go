package mainline

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Sampled is what one node told of the info hashes it stores (BEP 51).
type Sampled struct {
	Node      krpc.Node
	Hashes    []krpc.ID     // a sample, or all: see Num. Any of them may be made up; GetPeers tells
	Num       int64         // how many it says it stores
	Interval  time.Duration // how long it keeps this sample, 0 to 6 h: asking sooner yields nothing new
	Contacts  []krpc.Node   // nodes that it named, nearest to the target first
	Supported bool          // it knows the method; else there are contacts alone
	RTT       time.Duration
}

// sampledOf reads a reply. What a node says of numbers and times is brought into range.
func sampledOf(r *krpc.Reply) Sampled {
	s := Sampled{Node: krpc.Node{ID: krpc.IDOf(r.From.Key), Addr: r.From.Addr}, Supported: r.HasSamples(), RTT: r.RTT}
	for h := range r.Samples {
		s.Hashes = append(s.Hashes, h)
	}
	for c := range r.Message.Contacts(krpc.IDSize) {
		s.Contacts = append(s.Contacts, krpc.Node{ID: krpc.IDOf(c.Key), Addr: c.Addr})
	}
	if !s.Supported {
		return s
	}
	seconds, _ := r.Interval()
	s.Interval = time.Duration(seconds) * time.Second
	s.Num, _ = r.Num()
	s.Num = max(s.Num, int64(len(s.Hashes)))
	return s
}

// SampleAt asks the node at addr for a sample of its info hashes, and for the nodes nearest to target. See krpc.RPC.Query
// for errors.
func (n *Node) SampleAt(ctx context.Context, addr netip.AddrPort, target krpc.ID) (Sampled, error) {
	r, err := n.toward(addr).rpc.Query(ctx, addr, krpc.SampleArgs{Target: target})
	if err != nil {
		return Sampled{}, err
	}
	return sampledOf(r), nil
}

// SampleLookup asks nodes ever nearer to a target for samples (BEP 51). Range over Samples.
type SampleLookup struct{ *Lookup }

// Sample prepares to sample the nodes on the way to target. To go through all nodes, see SampleWalk.
func (n *Node) Sample(target krpc.ID) *SampleLookup {
	return &SampleLookup{n.Walk(target, krpc.SampleArgs{Target: target}, routing.Fast())}
}

// Samples streams what each node says, also of those that do not know the method. An error comes last; see Lookup.Replies.
func (l *SampleLookup) Samples(ctx context.Context) iter.Seq2[Sampled, error] {
	return func(yield func(Sampled, error) bool) {
		for r, err := range l.Replies(ctx) {
			if err != nil {
				yield(Sampled{}, err)
				return
			}
			if !yield(sampledOf(r), nil) {
				return
			}
		}
	}
}
