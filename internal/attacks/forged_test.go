package attacks

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// Row 4: forged replies, with the transaction id of an open query from elsewhere, or with any other from where it is
// waited for.
func TestForgedReplies(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true, Rate: -1})
	p := s.public(200)
	s.know(p)
	open := make(map[netip.AddrPort][]byte) // transaction ids
	s.play = func(to netip.AddrPort, q *krpc.Message) []byte {
		open[to] = slices.Clone(q.TID())
		return nil
	}
	for range 40 { // so that a hundred queries are open
		l := s.node.FindNodeWith(s.randomID(), routing.LookupConfig{Hard: time.Hour})
		l.Drive(func(*krpc.Reply) { t.Fatal("a forged reply is taken for one") }, func(error) {})
	}
	s.sock().Advance(s.now, s.out)
	require.Greater(t, len(open), 80)
	table := func() []routing.Node { return slices.Clone(s.node.RPC().Nearest(krpc.ID{}.Key(), 1000)) }
	before, contacts, stats := table(), s.node.RPC().Contacts(), s.sock().Stats()
	victims := slices.SortedFunc(maps.Keys(open), netip.AddrPort.Compare)

	var b []byte
	evil := krpc.PingResults{}
	total := size(1_000_000, 100_000)
	for i := range total {
		to := victims[i%len(victims)]
		id, tid, from := p.at[to], open[to], to
		switch i % 4 {
		case 0: // the id of somebody else's query
			tid = open[victims[(i+1)%len(victims)]]
		case 1: // a guess
			tid = binary.BigEndian.AppendUint32(nil, s.rng.Uint32())
		case 2: // from another port
			from = netip.AddrPortFrom(to.Addr(), uint16(1+i%6880))
		case 3: // from elsewhere
			from = stranger(i)
		}
		if i%3 == 0 {
			b = krpc.AppendError(b[:0], tid, krpc.ErrServer, krpc.Header{})
		} else {
			b = krpc.AppendResponse(b[:0], tid, id[:], evil, krpc.Header{IP: stranger(1)})
		}
		s.receive(from, b)
	}
	after := s.sock().Stats()
	require.EqualValues(t, total, after.Unmatched+after.WrongSource)
	require.Equal(t, stats.Replies, after.Replies, "none accepted")
	require.Equal(t, stats.Sent, after.Sent, "none answered")
	require.Equal(t, before, table(), "no change of the table")
	require.Equal(t, contacts, s.node.RPC().Contacts())
	require.Zero(t, s.node.RPC().Counts().Mismatches+s.node.RPC().Counts().Banned, "nobody is accused")
	require.NotZero(t, after.WrongSource)
}

// Transaction ids are drawn from 2^32, so that a blind guess is worth open/2^32, and no two open queries have the same.
func TestTransactionIDsCannotBeGuessed(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true, Rate: -1})
	p := s.public(500)
	s.know(p)
	var ids []uint32
	s.spy = func(_ netip.AddrPort, b []byte) {
		m, err := krpc.Parse(b)
		require.NoError(t, err)
		require.Len(t, m.TID(), 4)
		ids = append(ids, binary.BigEndian.Uint32(m.TID()))
	}
	for range 100 {
		l := s.node.FindNode(s.randomID())
		l.Drive(func(*krpc.Reply) {}, func(error) {})
	}
	s.sock().Advance(s.now, s.out)
	require.Greater(t, len(ids), 500)
	ones := [32]int{}
	seen := make(map[uint32]bool)
	steps := make(map[uint32]int)
	for i, id := range ids {
		require.False(t, seen[id])
		seen[id] = true
		if i > 0 {
			steps[id-ids[i-1]]++
		}
		for bit := range ones {
			ones[bit] += int(id >> bit & 1)
		}
	}
	for bit, n := range ones {
		require.InDelta(t, 0.5, float64(n)/float64(len(ids)), 0.1, "bit %d", bit)
	}
	require.Greater(t, len(steps), len(ids)-3, "no counter")
}
