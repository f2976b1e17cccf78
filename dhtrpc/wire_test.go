package dhtrpc

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/socket"
)

// The datagrams of a network with a name, as docs/dht-rpc-protocol.md shows them.
func TestNamedFraming(t *testing.T) {
	red, blue, plain := framingOf("red"), framingOf("blue"), framingOf("")
	m := Message{Internal: true, Command: CommandPing, TID: 258, To: netip.MustParseAddrPort("127.0.0.1:43111")}
	for kind, want := range map[Kind]string{
		KindRequest:  "236cf5d7cc97e95ee8040201" + "7f00000167a8" + "00",
		KindResponse: "336cf5d7cc97e95ee8000201" + "7f00000167a8",
	} {
		m.Kind = kind
		b := red.append(nil, &m)
		require.Equal(t, want, hex.EncodeToString(b))
		require.Equal(t, "0201", hex.EncodeToString(b[red.tidAt():][:2]))
		got, err := red.parse(b)
		require.NoError(t, err)
		require.Equal(t, m.TID, got.TID)
		require.Equal(t, m.To, got.To)
		_, err = Parse(b)
		require.ErrorIs(t, err, ErrForeign)
		for _, f := range []framing{blue, plain} {
			class, _ := f.classify(b)
			require.Equal(t, socket.Drop, class)
		}
		for i := range 10 {
			_, err = red.parse(b[:i])
			require.Error(t, err)
		}
		class, _ := red.classify(plain.append(nil, &m))
		require.Equal(t, socket.Drop, class)
	}
}
