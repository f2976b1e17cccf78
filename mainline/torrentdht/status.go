package torrentdht

import (
	"fmt"
	"io"
	"sync/atomic"
)

// Stats is what a Server has done and is doing.
type Stats struct {
	Nodes     int    // in the node's tables
	Announces int    // in progress
	Lookups   int    // of these, at work now; the others wait for their turn or their time
	Looked    uint64 // lookups begun so far
	Peers     uint64 // handed to the client
	Stored    uint64 // announcements that other nodes took
	Pings     uint64 // sent for AddNode and Ping
	Pongs     uint64 // of these, answered
	Dropped   uint64 // addresses of Ping that came too fast, or are none
}

// counters is Stats while it is counted.
type counters struct {
	announces, lookups                           atomic.Int64
	looked, peers, stored, pings, pongs, dropped atomic.Uint64
}

// Stats returns a Stats; the client dumps it on its status page.
func (s *Server) Stats() any { return s.stats() }

func (s *Server) stats() Stats {
	c := &s.count
	return Stats{
		Nodes:     s.node.Len(),
		Announces: int(c.announces.Load()),
		Lookups:   int(c.lookups.Load()),
		Looked:    c.looked.Load(),
		Peers:     c.peers.Load(),
		Stored:    c.stored.Load(),
		Pings:     c.pings.Load(),
		Pongs:     c.pongs.Load(),
		Dropped:   c.dropped.Load(),
	}
}

// WriteStatus writes Stats, the node's endpoints and the nodes in their tables as text.
func (s *Server) WriteStatus(w io.Writer) {
	st := s.stats()
	fmt.Fprintf(w, "announcements in progress: %d, lookups at work: %d, begun: %d\n", st.Announces, st.Lookups, st.Looked)
	fmt.Fprintf(w, "peers found: %d, announcements stored: %d\n", st.Peers, st.Stored)
	fmt.Fprintf(w, "pings: %d, answered: %d, dropped: %d\n", st.Pings, st.Pongs, st.Dropped)
	for _, e := range s.node.Endpoints() {
		nodes := e.Nodes()
		fmt.Fprintf(w, "endpoint %v at %v, nodes: %d\n", e.ID(), e.Addr(), len(nodes))
		for _, n := range nodes {
			fmt.Fprintf(w, "  %v %v\n", n.ID, n.Addr)
		}
	}
}
