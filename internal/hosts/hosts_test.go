package hosts_test

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/hosts"
)

var errNoHost = errors.New("no such host")

// resolver knows one.example, and forgets it if told so.
type resolver struct {
	asked int
	gone  bool
}

func (r *resolver) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	r.asked++
	if host != "one.example" || r.gone {
		return nil, errNoHost
	}
	return []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, nil
}

func start(t *testing.T, r *resolver, names ...string) (h *hosts.Hosts, news *atomic.Int32) {
	h, news = new(hosts.Hosts), new(atomic.Int32)
	h.Init(names, r.lookup, func() { news.Add(1) })
	t.Cleanup(h.Close)
	return h, news
}

func TestLiterals(t *testing.T) {
	r := new(resolver)
	h, _ := start(t, r, "192.0.2.7:1", "[2001:db8::7]:2", "[::ffff:192.0.2.8]:3")
	require.True(t, h.Static())
	require.Nil(t, h.Begin(time.Now()))
	addrs, err := h.Resolve(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("[2001:db8::7]:2"), netip.MustParseAddrPort("192.0.2.8:3"),
	}, addrs)
	require.Equal(t, addrs, h.Known())
	require.Zero(t, r.asked)
}

func TestWhatIsNoAddress(t *testing.T) {
	names := []string{"192.0.2.7", "192.0.2.7:0", "192.0.2.7:65536", "nobody.example:1"}
	h, _ := start(t, new(resolver), names...)
	_, err := h.Resolve(t.Context(), time.Now())
	e, ok := errors.AsType[*hosts.Error](err)
	require.True(t, ok)
	require.Equal(t, names, e.Names)
	require.Len(t, e.Errs, len(names))
	require.ErrorIs(t, err, errNoHost)
	require.ErrorContains(t, err, "no bootstrap address")
}

func TestNamesAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(resolver)
		h, news := start(t, r, "one.example:5")
		require.False(t, h.Static())
		require.True(t, h.Due(time.Now()))
		want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5"), netip.MustParseAddrPort("[2001:db8::1]:5")}
		for range 3 {
			addrs, err := h.Resolve(t.Context(), time.Now())
			require.NoError(t, err)
			require.Equal(t, want, addrs)
		}
		synctest.Wait()
		require.Equal(t, 1, r.asked, "the answer is kept")
		require.False(t, h.Due(time.Now()))
		require.EqualValues(t, 2, news.Load())

		time.Sleep(10 * time.Minute)
		r.gone = true
		addrs, err := h.Resolve(t.Context(), time.Now())
		require.NoError(t, err)
		require.Equal(t, want, addrs, "an old answer is better than none")
		require.Equal(t, 2, r.asked)
		time.Sleep(5 * time.Second)
		h.Resolve(t.Context(), time.Now())
		require.Equal(t, 3, r.asked, "soon again after a failure")
	})
}

func TestCloseEndsTheResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(hosts.Hosts)
		h.Init([]string{"slow.example:1"}, func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, func() {})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := h.Resolve(ctx, time.Now())
		require.ErrorIs(t, err, context.DeadlineExceeded, "the caller's patience")
		h.Close()
		require.Nil(t, h.Begin(time.Now()))
	})
}
