package attacks

import (
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// Row 17: the own link is down for an hour, and the program goes on looking things up meanwhile. An idle node is in
// internal/simnet/lab, TestAnHourWithoutLink.
func TestOwnLinkDown(t *testing.T) {
	s := newStage(t, mainline.Config{})
	p := s.public(400)
	s.know(p)
	s.play = p.play
	s.pass(10 * time.Minute)
	before := s.table()
	require.Greater(t, len(before), 100)
	s.play = nil
	for end := s.now.Add(time.Hour); s.now.Before(end); {
		l := s.node.FindNodeWith(s.randomID(), routing.Thorough())
		l.Drive(func(*krpc.Reply) {}, func(error) {})
		s.pass(30 * time.Second)
	}
	still := map[krpc.Node]bool{}
	for _, n := range s.node.Nodes() {
		still[n] = true
	}
	kept := distinct(before, func(n krpc.Node) bool { return still[n] })
	t.Logf("%d of %d nodes kept", kept, len(before))
	require.GreaterOrEqual(t, float64(kept), 0.95*float64(len(before)))

	s.play = p.play
	s.pass(5 * time.Minute)
	_, found := s.lookup(s.randomID(), routing.Fast())
	require.Len(t, found, 8)
	require.GreaterOrEqual(t, float64(len(s.table())), 0.95*float64(len(before)))
}
