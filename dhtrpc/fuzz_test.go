package dhtrpc

import (
	"bytes"
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
