package dhtrpc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func requireNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	require.Zero(t, testing.AllocsPerRun(100, f), what)
}

func TestCodecAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, MaxMessage)
	for _, v := range captured() {
		requireNoAllocs(t, v.Name, func() {
			m, err := Parse(v.Hex)
			if err != nil {
				panic(err)
			}
			m.Sender(v.Src.addr())
			for i := range m.Closer.Len() {
				IDOf(m.Closer.At(i))
			}
			buf = m.Append(buf[:0])
			Parse(v.Hex[:len(v.Hex)/2])
		})
	}
}
