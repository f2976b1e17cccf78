package dhtrpc_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
)

func TestTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type point struct{ X, Y int }
		mirror := dhtrpc.Command[point, point]{Number: 5, In: dhtrpc.JSON[point](), Out: dhtrpc.JSON[point]()}
		l := newLab(t, simnet.Config{})
		l.grow(10)
		for i, n := range l.nodes {
			mirror.Handle(n, func(q *dhtrpc.Request, p point) (point, error) {
				switch {
				case p.X < 0:
					return point{}, &dhtrpc.Error{Code: 40}
				case p.Y < 0:
					return point{}, errors.New("below")
				case i == 4:
					return point{}, q.Reply([]byte("no json"))
				}
				return point{p.Y, p.X}, nil
			})
		}
		a, err := mirror.Request(t.Context(), l.nodes[0], at(1), point{1, 2})
		require.NoError(t, err)
		require.Equal(t, point{2, 1}, a.Out)
		for p, code := range map[point]uint64{{-1, 0}: 40, {0, -1}: dhtrpc.CodeBadValue} {
			_, err = mirror.Request(t.Context(), l.nodes[0], at(1), p)
			e, _ := errors.AsType[*dhtrpc.Error](err)
			require.Equal(t, code, e.Code)
		}
		_, err = l.nodes[0].Request(t.Context(), at(1), dhtrpc.Call{Command: 5, Value: []byte("{")})
		e, _ := errors.AsType[*dhtrpc.Error](err)
		require.EqualValues(t, dhtrpc.CodeBadValue, e.Code)

		q, err := mirror.Query(l.nodes[0], dhtrpc.ID{}, point{3, 4}, dhtrpc.QueryOptions{})
		require.NoError(t, err)
		answers := 0
		for a, err := range mirror.Answers(t.Context(), q) {
			require.NoError(t, err)
			require.Equal(t, point{4, 3}, a.Out)
			answers++
		}
		require.Equal(t, 8, answers, "not ourselves, and not the one that does not answer in JSON")
	})
}
