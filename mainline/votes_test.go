package mainline

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	home     = netip.MustParseAddrPort("203.0.114.7:6881")
	elseHome = netip.MustParseAddrPort("203.0.115.8:6881")
)

// ballot casts votes from random sources, a second apart.
type ballot struct {
	votes
	rng *rand.Rand
	now time.Time
}

func newBallot() *ballot {
	return &ballot{rng: rand.New(rand.NewPCG(1, 2)), now: testStart}
}

func (b *ballot) vote(seen netip.AddrPort) bool {
	b.now = b.now.Add(time.Second)
	return b.cast(seen, randomAddr4(b.rng), b.now)
}

// settled returns a ballot that has agreed on home.
func settled(t *testing.T) *ballot {
	b := newBallot()
	for range firstRound {
		b.vote(home)
	}
	require.Equal(t, home, b.agreed)
	return b
}

func TestAddressIsAgreedOnAfterTheFirstRound(t *testing.T) {
	b := newBallot()
	_, agreed := b.external()
	require.False(t, agreed)
	for i := range firstRound {
		require.Equal(t, i == firstRound-1, b.vote(home), "vote %d", i)
		got, agreed := b.external()
		require.Equal(t, home, got)
		require.Equal(t, i == firstRound-1, agreed, "before that a claim")
	}
}

func TestRandomVotesChangeNothing(t *testing.T) {
	for name, b := range map[string]*ballot{"none yet": newBallot(), "settled": settled(t)} {
		before := b.agreed
		for range 1000 {
			require.False(t, b.vote(netip.AddrPortFrom(randomAddr4(b.rng), 1)), name)
		}
		require.Equal(t, before, b.agreed, name)
		require.LessOrEqual(t, len(b.claims), maxClaims)
		require.LessOrEqual(t, len(b.sources), laterRound)
	}
}

func TestEqualHalvesChangeNothing(t *testing.T) {
	for name, b := range map[string]*ballot{"none yet": newBallot(), "settled": settled(t)} {
		before := b.agreed
		for i := range 1000 {
			seen := netip.MustParseAddrPort("203.0.116.1:1")
			if i%2 == 0 {
				seen = elseHome
			}
			require.False(t, b.vote(seen), name)
		}
		require.Equal(t, before, b.agreed, name)
	}
}

func TestOneLoudLiarChangesNothing(t *testing.T) {
	for name, b := range map[string]*ballot{"none yet": newBallot(), "settled": settled(t)} {
		before := b.agreed
		for i := range 1000 {
			liar := netip.AddrFrom4([4]byte{66, 66, 66, byte(i)}) // with a whole /24
			b.now = b.now.Add(10 * time.Second)
			require.False(t, b.cast(elseHome, liar, b.now), name)
		}
		require.Equal(t, before, b.agreed, name)
	}
}

func TestClearLeaderWinsWithin30Rounds(t *testing.T) {
	b := newBallot()
	won := false
	for range 30 {
		won = b.vote(home) || won
		b.vote(netip.AddrPortFrom(randomAddr4(b.rng), 1))
	}
	require.True(t, won)
	require.Equal(t, home, b.agreed)
}

func TestMovingHouseIsNoticed(t *testing.T) {
	b := settled(t)
	for i := range laterRound {
		require.Equal(t, i == laterRound-1, b.vote(elseHome))
	}
	require.Equal(t, elseHome, b.agreed)

	// An idle node counts what it has after five minutes: five votes are enough to move, four are not.
	for _, few := range []int{votesChange - 1, votesChange} {
		b := settled(t)
		for range few {
			b.vote(elseHome)
		}
		b.now = b.now.Add(roundTime)
		require.Equal(t, few == votesChange, b.vote(elseHome))
	}
}

func TestVoidVotes(t *testing.T) {
	source4, source6 := netip.MustParseAddr("45.67.8.9"), netip.MustParseAddr("2a01:4f8::1")
	for _, c := range []struct {
		name, seen string
		source     netip.Addr
	}{
		{"unspecified", "0.0.0.0:1", source4},
		{"multicast", "224.0.0.1:1", source4},
		{"private", "10.0.0.1:1", source4},
		{"public, from a private source", "203.0.114.7:1", netip.MustParseAddr("10.0.0.1")},
		{"the other family", "[2a01:4f8::2]:1", source4},
		{"the other family", "203.0.114.7:1", source6},
	} {
		var v votes
		v.cast(netip.MustParseAddrPort(c.seen), c.source, testStart)
		_, agreed := v.external()
		require.False(t, agreed)
		require.Empty(t, v.sources, c.name)
	}
	var v votes
	v.cast(netip.AddrPort{}, source4, testStart)
	v.cast(netip.MustParseAddrPort("[2a01:4f8:1::2]:7"), source6, testStart)
	v.cast(netip.MustParseAddrPort("[2a01:4f8:9::9]:7"), netip.MustParseAddr("2a01:4f8::5"), testStart)
	got, _ := v.external()
	require.Equal(t, "[2a01:4f8:1::2]:7", got.String(), "one vote for a /64")
	require.Len(t, v.sources, 1)
}

func TestPortThatDiffersIsNone(t *testing.T) {
	b := newBallot()
	for i := range firstRound {
		b.vote(netip.AddrPortFrom(home.Addr(), uint16(1000+i)))
	}
	require.Equal(t, netip.AddrPortFrom(home.Addr(), 0), b.agreed)
	require.Zero(t, portOf(1, 2), "a NAT with a port for every destination")
	require.EqualValues(t, 5, portOf(5, 5, 9, 5))
}

func portOf(ports ...uint16) uint16 {
	var v votes
	for i, p := range ports {
		v.cast(netip.AddrPortFrom(home.Addr(), p), netip.AddrFrom4([4]byte{45, 1, byte(i), 1}), testStart)
	}
	got, _ := v.external()
	return got.Port()
}
