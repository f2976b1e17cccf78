package attacks

import (
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// Row 3: one source sends 200,000 queries a second; everybody else is answered, and the node's own lookups go on.
func TestQueryFlood(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true})
	p := s.public(400)
	s.know(p)
	s.play = p.play
	flooder, hash := stranger(1), krpc.ID{9}
	seconds := size(10, 1)
	asked, answered, flooded := 0, 0, 0
	for ms := range 1000 * seconds {
		for range 200 {
			if s.ask(flooder, krpc.ID{1}, krpc.GetPeersArgs{InfoHash: hash}) {
				flooded++
			}
		}
		if ms%100 == 0 {
			for i := range 20 { // twenty others, each once a second
				if i == ms/100%10 || i == 10+ms/100%10 {
					asked++
					if s.ask(stranger(10+i), krpc.ID{2}, krpc.FindNodeArgs{Target: hash}) {
						answered++
					}
				}
			}
		}
		s.pass(time.Millisecond)
	}
	require.Equal(t, asked, answered)
	require.LessOrEqual(t, flooded, 50)
	l, found := s.lookup(s.randomID(), routing.Fast())
	require.Len(t, found, 8)
	require.Zero(t, l.Stats().Failed)
	require.EqualValues(t, 200_000*seconds-flooded, s.sock().Stats().Silenced+s.sock().Stats().OverRate)
}
