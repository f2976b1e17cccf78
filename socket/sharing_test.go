package socket_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// Another protocol on the same port gets what is its own, and answers.
func TestForeignDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: fixed})
		var s *socket.Socket
		var got []string
		s = start(t, net, node(1), socket.Config{Foreign: func(d socket.Datagram) {
			require.Equal(t, node(2), d.From)
			got = append(got, string(d.Payload))
			require.NoError(t, s.SendRaw(d.Conn, d.From, []byte("#back")))
		}})
		deaf := start(t, net, node(2), socket.Config{})
		for _, b := range []string{"#one", "#", "no", "#two"} {
			require.NoError(t, deaf.SendRaw(0, node(1), []byte(b)))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		require.Equal(t, []string{"#one", "#", "#two"}, got)
		require.EqualValues(t, 3, s.Stats().Foreign)
		require.EqualValues(t, 1, s.Stats().Malformed)
		require.EqualValues(t, 3, deaf.Stats().Foreign, "nobody hears them there")
		require.Zero(t, deaf.Stats().Malformed)
	})
}

// Requests and answers that somebody else has read are dealt with like one's own.
func TestFedDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: fixed})
		s := start(t, net, node(1), socket.Config{})
		asker := net.Listen(node(2))
		defer asker.Close()

		request := append(message(nil, '?', []byte("id")), "hello"...)
		require.NoError(t, s.Feed(socket.Datagram{Payload: request, From: node(2)}))
		b := make([]byte, 100)
		n, from, err := asker.ReadFromUDPAddrPort(b)
		require.NoError(t, err)
		require.Equal(t, node(1), from)
		require.Equal(t, answer(request), b[:n])

		g := s.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(2), Tag: 7})
		n, _, err = asker.ReadFromUDPAddrPort(b)
		require.NoError(t, err)
		require.NoError(t, s.Feed(socket.Datagram{Payload: answer(b[:n]), From: node(2)}))
		require.EqualValues(t, 7, next(t, g, socket.Reply).Tag)

		for _, conn := range []int{-1, 1} {
			require.ErrorIs(t, s.Feed(socket.Datagram{Payload: request, From: node(2), Conn: conn}), socket.ErrNoConn)
		}
		require.ErrorIs(t, socket.New(socket.Config{}, new(echo)).Feed(socket.Datagram{}), socket.ErrNoConn, "it is stepped")
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.Feed(socket.Datagram{Payload: request, From: node(2)}), socket.ErrClosed)
	})
}
