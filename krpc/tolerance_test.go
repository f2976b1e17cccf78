package krpc

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serverVerdict is what a server makes of a datagram with nothing but the codec: drop, reply, or the code of an error.
func serverVerdict(b []byte) string {
	if kind, _, ok := Classify(b); !ok || kind != KindQuery {
		return "drop"
	}
	m, err := Parse(b)
	if err != nil || m.Kind() != KindQuery || m.TIDState() != Usable {
		return "drop"
	}
	if err = m.CheckQuery(IDSize); err == nil {
		_, err = typedArgs(&m)
	}
	if _, hasTarget := m.Target(IDSize); errors.Is(err, ErrMethodUnknown) && hasTarget {
		return "reply" // BEP 51: as find_node
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return strconv.Itoa(e.Code)
	}
	return "reply"
}

func TestTolerancePackets(t *testing.T) {
	packets := readVectors[bepVectors](t, "bep.json").Tolerance
	require.Len(t, packets, 74)
	for _, p := range packets {
		t.Run(p.Name, func(t *testing.T) {
			require.Contains(t, strings.Split(p.Want, " or "), serverVerdict(p.Hex))
		})
	}
}

// Where the list leaves a choice, ours.
func TestToleranceChoices(t *testing.T) {
	want := map[string]string{
		"tid.len64": "drop", "tid.len128": "drop", "tid.int": "drop", "strlen.leading0": "drop", "int.leading0": "drop",
		"int.minus0": "drop", "deep.nest40": "drop", "deep.nest9": "reply", "tid.len32": "reply",
	}
	for _, p := range readVectors[bepVectors](t, "bep.json").Tolerance {
		if w, ok := want[p.Name]; ok {
			require.Equal(t, w, serverVerdict(p.Hex), p.Name)
			delete(want, p.Name)
		}
	}
	require.Empty(t, want)
}

// No other protocol's datagram is taken for KRPC.
func TestForeignDatagrams(t *testing.T) {
	for _, b := range vectorDatagrams(t) {
		if b[0] == 'd' {
			continue
		}
		_, err := Parse(b)
		require.ErrorIs(t, err, ErrMalformed)
		_, _, ok := Classify(b)
		require.False(t, ok)
	}
}
