package attacks

import (
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// orders is the number of random events: DHTKIT_ORDERS=1 makes it the ten million of the attack list.
func orders() int {
	if os.Getenv("DHTKIT_ORDERS") == "1" {
		return 10_000_000
	}
	return size(300_000, 30_000)
}

// Row 19: late, duplicated and reordered packets, lookups ended at any time, queries and nonsense between them. Whatever the
// order, nothing panics, every query ends once, and nothing is left.
func TestAnyOrderOfEvents(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newStage(t, mainline.Config{Rate: -1, Inbound: socket.Inbound{PerSource: -1}})
	p := s.public(100)
	s.know(p)
	type stray struct {
		from netip.AddrPort
		b    []byte
	}
	var strays [256]stray // answers and queries of before, to come at any time, as often as it happens
	s.play = func(to netip.AddrPort, q *krpc.Message) []byte {
		if b := p.play(to, q); b != nil {
			strays[s.rng.IntN(len(strays))] = stray{to, b}
		}
		return nil
	}
	var running []func()
	ended, begun, stopped := 0, 0, 0
	each := func(*krpc.Reply) {
		if s.rng.IntN(50) == 0 && len(running) > 0 { // a callback that ends some lookup, perhaps its own
			i := s.rng.IntN(len(running))
			running[i]()
		}
	}
	lookup := func() {
		begun++
		over := false
		done := func(error) {
			require.False(t, over, "a lookup ends once")
			over = true
			ended++
		}
		target := s.id(s.node.ID(), s.rng.IntN(30))
		var stop func()
		switch s.rng.IntN(4) {
		case 0:
			stop = s.node.GetPeersWith(target, routing.Thorough()).Drive(each, done)
		case 1:
			stop = s.node.FindNodeWith(target, routing.Economy()).Drive(each, done)
		default:
			stop = s.node.FindNode(target).Drive(each, done)
		}
		running = append(running, func() {
			if !over {
				over = true
				stopped++
				stop()
			}
		})
		if len(running) > 20 {
			running[0]()
			running = slices.Delete(running, 0, 1)
		}
	}
	hash := krpc.ID{9}
	event := func() {
		switch n := s.rng.IntN(100); {
		case n < 45:
			x := &strays[s.rng.IntN(len(strays))]
			from := x.from
			if s.rng.IntN(30) == 0 {
				from = stranger(s.rng.IntN(1000))
			}
			if x.b != nil {
				s.receive(from, x.b)
			}
		case n < 50:
			if x := &strays[s.rng.IntN(len(strays))]; x.b != nil { // damaged
				b := slices.Clone(x.b)
				b[s.rng.IntN(len(b))] ^= 1 << s.rng.IntN(8)
				s.receive(x.from, b)
			}
		case n < 65:
			all := wants(hash)
			i := s.rng.IntN(len(all))
			for _, args := range all {
				if i--; i < 0 {
					s.ask(stranger(s.rng.IntN(3000)), s.randomID(), args)
					break
				}
			}
		case n < 67:
			lookup()
		case n < 68 && len(running) > 0:
			running[s.rng.IntN(len(running))]()
		case n < 69:
			n := p.nodesAt(s.rng.IntN(len(p.nodes)))
			if s.rng.IntN(3) == 0 {
				s.node.RPC().Remove(n)
			} else {
				s.node.RPC().AddAnswered(n, roundTrip, s.now)
			}
		case n < 70 && s.rng.IntN(100) == 0:
			s.now = s.now.Add(time.Duration(s.rng.Int64N(int64(20 * time.Minute)))) // asleep
			s.sock().Advance(s.now, s.out)
		default:
			s.now = s.now.Add(time.Duration(s.rng.Int64N(int64(40 * time.Millisecond))))
			s.sock().Advance(s.now, s.out)
		}
	}
	total := orders()
	for range total {
		event()
	}
	for _, stop := range running {
		stop()
	}
	s.play = nil
	s.pass(time.Hour)
	t.Logf("%d events, %d lookups, %d of them to their end, %d queries, %d answered", total, begun, ended, s.asked, s.sock().Stats().Replies)
	require.Equal(t, begun, ended+stopped)
	require.Positive(t, ended)
	require.Positive(t, s.sock().Stats().LateReplies)
	require.Positive(t, s.sock().Stats().WrongSource+s.sock().Stats().Unmatched)
	require.LessOrEqual(t, s.sock().InFlight(), 10, "but for the upkeep's pings nothing is left")
	require.NoError(t, s.node.Close())
	require.Zero(t, s.sock().InFlight())
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func (p *public) nodesAt(i int) routing.Node {
	return routing.Node{Key: p.nodes[i].ID.Key(), Addr: p.nodes[i].Addr}
}
