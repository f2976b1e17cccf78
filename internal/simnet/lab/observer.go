package lab

import (
	"fmt"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// World is a swarm with an observer in it: a full node, well connected, in Europe.
type World struct {
	Engine   *sim.Engine
	Links    *sim.Links
	Swarm    *swarm.Swarm
	Fleet    *Fleet   // of one: the observer's place
	Observer sim.Node // its number

	seed  uint64
	draws uint64
}

// NewWorld puts the observer's place into a network. links of the zero value means sim.SwarmA of the swarm's seed.
func NewWorld(s *swarm.Swarm, seed uint64, links sim.LinkConfig) *World {
	if links == (sim.LinkConfig{}) {
		links = sim.SwarmA(seed)
	}
	w := &World{Links: sim.NewLinks(links), Swarm: s, Observer: sim.Node(s.Len()), seed: seed}
	w.Engine = sim.New(sim.Config{Seed: seed, Link: w.Links})
	s.Attach(w.Engine)
	w.Fleet = NewFleet(w.Engine, w.Observer, 1)
	w.Links.Pin(w.Observer, sim.Profile{Region: sim.Europe})
	return w
}

// draw returns a random number, another one each time.
func (w *World) draw() uint64 {
	w.draws++
	return sim.Mix(w.seed^0x0b5e, w.draws)
}

// randomID returns a random id.
func (w *World) randomID() (id krpc.ID) {
	for i := range id {
		id[i] = byte(w.draw())
	}
	return id
}

// node returns a random node of the swarm that is alive, or one that is not; any where there are hardly any of these.
func (w *World) node(alive bool) (n sim.Node) {
	const tries = 1000
	for range tries {
		n = sim.Node(sim.Below(w.draw(), uint32(w.Swarm.Len())))
		if w.Swarm.Alive(n) == alive {
			break
		}
	}
	return n
}

// Memory is what an observer knows when it comes: the nodes it met in an earlier life.
type Memory struct {
	Met   int     // nodes all over the key space; 0 means 1000
	Stale float64 // share of the nodes met that have gone since; 0 means 0.05, negative none
}

func (m Memory) withDefaults() Memory {
	if m.Met == 0 {
		m.Met = 1000
	}
	switch {
	case m.Stale == 0:
		m.Stale = 0.05
	case m.Stale < 0:
		m.Stale = 0
	}
	return m
}

// Observe starts a new observer in place of the one before, under a random id, with a table of what it remembers. It has
// no rate limit and does no upkeep, unless cfg says otherwise.
func (w *World) Observe(m Memory, cfg mainline.Config) (*mainline.Node, error) {
	m = m.withDefaults()
	if cfg.ID == (krpc.ID{}) {
		cfg.ID = w.randomID()
	}
	if cfg.Rate == 0 {
		cfg.Rate = -1
	}
	node, err := w.Fleet.Start(w.Observer, cfg)
	if err != nil {
		return nil, fmt.Errorf("lab: observer: %w", err)
	}
	w.remember(node, m)
	return node, nil
}

// remember fills the table: nodes from everywhere, of which the table keeps what it likes, and some from ever nearer to the
// own id.
func (w *World) remember(node *mainline.Node, m Memory) {
	now := w.Fleet.Time(w.Observer)
	stale := func() bool { return sim.Unit(w.draw()) < m.Stale }
	for range min(m.Met, w.Swarm.Len()) {
		w.met(node, w.node(!stale()), now)
	}
	const perBucket = 16
	for bits := 1; bits < 64; bits++ {
		lo, hi := w.Swarm.Around(node.ID(), bits)
		if lo == hi {
			return
		}
		if int(hi-lo)*m.Met > w.Swarm.Len()*perBucket && hi-lo > perBucket {
			continue // the table has met enough of these
		}
		for i := range uint32(perBucket) {
			n := lo + sim.Node(sim.Below(w.draw(), uint32(hi-lo)))
			if hi-lo <= perBucket {
				n = lo + sim.Node(i)
			}
			if n < hi && (w.Swarm.Alive(n) || stale()) {
				w.met(node, n, now)
			}
		}
	}
}

func (w *World) met(node *mainline.Node, n sim.Node, now time.Time) {
	contact := routing.Node{Key: w.Swarm.ID(n).Key(), Addr: sim.Addr(n)}
	node.RPC().AddAnswered(contact, w.Links.RTT(w.Observer, n), now)
}
