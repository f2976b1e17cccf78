package dhtrpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// resolvedFor is how long the addresses of bootstrap names are used before they are asked for again.
const resolvedFor = 10 * time.Minute

// BootstrapError says what became of each bootstrap name that gave no address.
type BootstrapError struct {
	Names []string // as configured
	Errs  []error  // one per name
}

func (e *BootstrapError) Error() string {
	return fmt.Sprintf("dhtrpc: no bootstrap address: %v", errors.Join(e.Errs...))
}

func (e *BootstrapError) Unwrap() []error { return e.Errs }

// bootstrap turns the configured names into addresses: those that are addresses already, hints before their names, and
// what a resolver says, side by side and cached.
type bootstrap struct {
	names []string

	resolving sync.Mutex // so that only one caller asks

	mu    sync.Mutex // guards what follows
	addrs []netip.AddrPort
	until time.Time
	deaf  bool // nobody answered at the addresses we have: names behind hints are resolved, too
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
	b.mu.Lock()
	defer b.mu.Unlock()
	fresh := now.Before(b.until)
	for _, name := range b.names {
		addr, host, _, err := parseName(name)
		if err != nil {
			continue
		}
		if addr.IsValid() {
			addrs = append(addrs, addr)
		}
		asking = asking || host != "" && !fresh && (!addr.IsValid() || b.deaf)
	}
	return append(addrs, b.addrs...), asking
}

// silent tells that nobody answered.
func (b *bootstrap) silent() {
	b.mu.Lock()
	b.deaf = true
	b.mu.Unlock()
}

// resolve asks the resolver for the names that need it. It fails only if there are names and not one has an address.
func (b *bootstrap) resolve(ctx context.Context, now time.Time) error {
	b.resolving.Lock()
	defer b.resolving.Unlock()
	literals, asking := b.known(now)
	if !asking {
		return nil
	}
	found := make([][]netip.AddrPort, len(b.names))
	errs := make([]error, len(b.names))
	var wg sync.WaitGroup
	for i, name := range b.names {
		if _, host, port, _ := parseName(name); host != "" {
			wg.Go(func() { found[i], errs[i] = lookupHost(ctx, host, port) })
		}
	}
	wg.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	var addrs []netip.AddrPort
	for _, f := range found {
		addrs = append(addrs, f...)
	}
	if len(addrs) == 0 {
		if len(literals) > 0 {
			return nil
		}
		return &BootstrapError{Names: b.names, Errs: errs}
	}
	b.addrs, b.until = addrs, now.Add(resolvedFor)
	return nil
}

func lookupHost(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", host, err)
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), port)
	}
	return addrs, nil
}
