package torrentdht

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
)

// FuzzMsg: no datagram makes a conversion panic, and what one says once it says again.
func FuzzMsg(f *testing.F) {
	for _, datagram := range roundTrips {
		f.Add([]byte(datagram))
	}
	for _, s := range samples(f) {
		f.Add(s.b)
	}
	var bep struct{ Tolerance []struct{ Hex hexBytes } }
	readJSON(f, "../../krpc/testdata/bep.json", &bep)
	for _, v := range bep.Tolerance {
		f.Add([]byte(v.Hex))
	}
	f.Add([]byte("d1:rd2:id20:" + testID + "1:vd1:bi1e1:ai1eee1:t2:aa1:y1:re"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := krpc.Parse(b)
		if err != nil {
			return
		}
		msg, err := ToMsg(&m)
		if err != nil {
			return
		}
		once, err := FromMsg(&msg)
		if err != nil {
			// Canonical bytes may be more than sloppy ones, and a value of an item is written canonical or not at all.
			require.True(t, errors.Is(err, krpc.ErrTooLong) || errors.Is(err, ErrConvert), "%v", err)
			return
		}
		msg, err = ToMsg(&once)
		require.NoError(t, err)
		again, err := FromMsg(&msg)
		require.NoError(t, err)
		require.Equal(t, string(once.Raw()), string(again.Raw()))
	})
}
