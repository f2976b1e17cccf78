package dhtrpc

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// What can be parsed can be written, and reads the same again.
func FuzzParse(f *testing.F) {
	for _, v := range captured() {
		f.Add([]byte(v.Hex))
	}
	for _, v := range vectors().Datagrams {
		f.Add([]byte(v.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		for a := range m.Closer.All() {
			IDOf(a)
		}
		again := m.Append(nil)
		require.LessOrEqual(t, len(again), len(b))
		n, err := Parse(again)
		require.NoError(t, err)
		require.True(t, bytes.Equal(again, n.Append(nil)))
		require.Equal(t, m.TID, n.TID)
		require.Equal(t, m.To, n.To)
		require.Equal(t, m.Command, n.Command)
		require.Equal(t, m.Error, n.Error)
		require.Equal(t, m.Value == nil, n.Value == nil)
	})
}

// Whatever comes in, from whomever: the node answers or keeps silent, sends no more than it must, and its table stays whole.
func FuzzServe(f *testing.F) {
	for _, v := range captured() {
		f.Add([]byte(v.Hex), v.Src.Port)
	}
	for _, v := range vectors().Datagrams {
		f.Add([]byte(v.Hex), v.Src.Port)
	}
	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		s := persistentP1(t)
		s.HandleRest(func(q *Request) { q.Reply(q.Value) })
		for i := range 30 {
			s.table.Answered(nodeAt(peer(i)), 1, s.now)
		}
		s.FindNode(Hash(nil), QueryOptions{}).Drive(func(*Reply) {}, func(error) {})
		s.pass(0)
		for _, o := range s.take() { // an answer to a question, with the rest of the datagram as it is
			if len(b) > 4 && b[0] == firstResponse {
				q, _ := Parse(o.b)
				b[2], b[3] = byte(q.TID), byte(q.TID>>8)
				s.receive(0, o.to, b)
				break
			}
		}
		sent := s.receive(0, netip.AddrPortFrom(loopback, port), b)
		require.LessOrEqual(t, len(sent), 1+nodesPerBucket)
		for _, o := range sent {
			require.LessOrEqual(t, len(o.b), len(b)+195)
			_, err := Parse(o.b)
			require.NoError(t, err)
		}
		require.NoError(t, s.table.Check())
	})
}
