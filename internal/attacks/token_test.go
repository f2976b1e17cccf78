package attacks

import (
	"bytes"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// Row 13: a token is good for the address and the hash it was given for, and for five to ten minutes: until the second
// change of secrets after it.
func TestTokens(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true, Inbound: socket.Inbound{PerSource: -1}})
	hash, owner := krpc.ID{9}, stranger(1)
	accepted := func(i int, hash krpc.ID, token []byte) bool {
		m := s.reply(stranger(i), krpc.ID{1}, krpc.AnnouncePeerArgs{InfoHash: hash, Port: 1, Token: token})
		return m.Err() == nil
	}
	first := s.token(owner, hash) // here the first secret is made: it changes every five minutes from now on
	require.Len(t, first, 8)
	start := s.now
	for range size(200, 40) {
		asked := s.now
		token := s.token(owner, hash)
		age := asked.Sub(start) % (5 * time.Minute)
		end := asked.Add(10*time.Minute - age)

		require.True(t, accepted(1, hash, token))
		s.until(end.Add(-1))
		require.True(t, accepted(1, hash, token), "%v after it was given", end.Add(-1).Sub(asked))
		s.until(end)
		require.False(t, accepted(1, hash, token), "%v after it was given", end.Sub(asked))
		require.True(t, bytes.Equal(s.token(owner, hash), s.token(owner, hash)))
		s.pass(time.Duration(s.rng.Int64N(int64(7 * time.Minute))))
	}

	token := s.token(owner, hash)
	for i := range size(100_000, 10_000) {
		require.False(t, accepted(2+i, hash, token), "somebody else's")
		other := hash
		other[s.rng.IntN(20)] ^= byte(1 << s.rng.IntN(8))
		require.False(t, accepted(1, other, token), "another hash's")
		forged := bytes.Clone(token)
		forged[s.rng.IntN(8)] ^= byte(1 << s.rng.IntN(8))
		require.False(t, accepted(1, hash, forged), "a flipped bit")
	}
	for n := range 8 {
		require.False(t, accepted(1, hash, token[:n]), "a part of it")
	}
	require.False(t, accepted(1, hash, append(bytes.Clone(token), 0)))
	require.True(t, accepted(1, hash, token))
	other := newStage(t, mainline.Config{NoUpkeep: true, Seed: &[32]byte{8}})
	require.NotEqual(t, other.token(owner, hash), s.token(owner, hash), "every node has its own")
}
