package legacy

import (
	"net/netip"
	"slices"

	"github.com/dhtkit/dhtkit/routing"
)

// From dht-rpc 4: how many nodes have a say, and how many agreeing ones make our address known, unless as many disagree.
const (
	sightingsKept = 10
	agreeing      = 3
)

// sightings is what the nodes that answered last say our address is.
type sightings struct {
	list []sighting // oldest first
}

type sighting struct {
	by   routing.Node
	addr netip.AddrPort
}

// note takes the word of a node; only its last one counts.
func (s *sightings) note(by routing.Node, addr netip.AddrPort) {
	if !addr.IsValid() {
		return
	}
	s.list = slices.DeleteFunc(s.list, func(o sighting) bool { return o.by == by })
	if len(s.list) == sightingsKept {
		s.list = slices.Delete(s.list, 0, 1)
	}
	s.list = append(s.list, sighting{by, addr})
}

// agreed returns what most say, if enough say the same and few something else. of is what is compared.
func (s *sightings) agreed(of func(netip.AddrPort) netip.AddrPort) (netip.AddrPort, bool) {
	var best netip.AddrPort
	most := 0
	for _, a := range s.list {
		same := 0
		for _, b := range s.list {
			if of(a.addr) == of(b.addr) {
				same++
			}
		}
		if same > most {
			best, most = of(a.addr), same
		}
	}
	return best, most >= agreeing && len(s.list)-most < agreeing
}

func whole(a netip.AddrPort) netip.AddrPort { return a }

func withoutPort(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 0) }

// RemoteAddr returns our address as others see it: with port 0 if they agree on the host alone, false if not even on that.
func (n *Node) RemoteAddr() (netip.AddrPort, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.seen.agreed(whole); ok {
		return a, true
	}
	return n.seen.agreed(withoutPort)
}

// Holepunchable reports whether all see us under the same address and port: then whoever is helped by a referrer reaches us.
func (n *Node) Holepunchable() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.seen.agreed(whole)
	return ok
}
