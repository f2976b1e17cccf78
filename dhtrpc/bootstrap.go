package dhtrpc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/internal/hosts"
)

// BootstrapError says what became of each bootstrap name, when none of them has an address.
type BootstrapError = hosts.Error

// bootstrap turns the configured names into addresses: hints before their names, those that are addresses already, and what a
// resolver says.
type bootstrap struct {
	hints  []netip.AddrPort
	plain  hosts.Hosts // names without a hint
	behind hosts.Hosts // names with one, resolved if nobody answers at the addresses we have
	deaf   atomic.Bool // nobody did
}

func (b *bootstrap) init(names []string) {
	var plain, behind []string
	for _, name := range names {
		if _, host, hinted := strings.Cut(name, "@"); hinted {
			addr, _, _, _ := parseName(name) // checked before
			b.hints = append(b.hints, addr)
			behind = append(behind, host)
		} else {
			plain = append(plain, name)
		}
	}
	nobody := func() {} // there is always somebody who waits for Resolve
	b.plain.Init(plain, lookupIPv4, nobody)
	b.behind.Init(behind, lookupIPv4, nobody)
}

func (b *bootstrap) close() {
	b.plain.Close()
	b.behind.Close()
}

// parseName reads HOST:PORT or IP@HOST:PORT. addr is the literal address or the hint, not valid if there is neither.
func parseName(s string) (addr netip.AddrPort, host string, port uint16, err error) {
	hint, name, hinted := strings.Cut(s, "@")
	if !hinted {
		name = s
	}
	host, digits, err := net.SplitHostPort(name)
	if err != nil {
		return addr, "", 0, fmt.Errorf("dhtrpc: bootstrap %q is not HOST:PORT", s)
	}
	p, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || p == 0 {
		return addr, "", 0, fmt.Errorf("dhtrpc: bootstrap %q has no port within 1..65535", s)
	}
	if !hinted {
		hint = host
	}
	ip, err := netip.ParseAddr(hint)
	switch {
	case err == nil && !ip.Unmap().Is4():
		return addr, "", 0, fmt.Errorf("dhtrpc: bootstrap %q: %w", s, ErrNotIPv4)
	case err == nil:
		addr = netip.AddrPortFrom(ip.Unmap(), uint16(p))
	case hinted:
		return addr, "", 0, fmt.Errorf("dhtrpc: bootstrap %q has no address before the @", s)
	}
	if !hinted && addr.IsValid() {
		host = ""
	}
	return addr, host, uint16(p), nil
}

func checkName(s string) error {
	_, _, _, err := parseName(s)
	return err
}

// known returns the addresses there are without asking anybody; asking reports whether a resolver may know more.
func (b *bootstrap) known(now time.Time) (addrs []netip.AddrPort, asking bool) {
	asking = b.plain.Due(now) || b.deaf.Load() && b.behind.Due(now)
	return slices.Concat(b.hints, b.plain.Known(), b.behind.Known()), asking
}

// silent tells that nobody answered.
func (b *bootstrap) silent() { b.deaf.Store(true) }

// resolve asks the resolver for the names that need it. It fails only if there are names and not one has an address.
func (b *bootstrap) resolve(ctx context.Context, now time.Time) error {
	_, err := b.plain.Resolve(ctx, now)
	if b.deaf.Load() {
		b.behind.Resolve(ctx, now)
	}
	if len(b.hints) > 0 {
		return nil
	}
	return err
}

func lookupIPv4(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
}
