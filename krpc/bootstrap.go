package krpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// resolvedFor is how long the addresses of bootstrap names are used before they are asked for again.
const resolvedFor = 10 * time.Minute

// bootstrap turns the configured HOST:PORT texts into addresses: all names side by side, both families, cached.
type bootstrap struct {
	names []string

	mu    sync.Mutex // guards what follows; held while resolving, so that only one caller asks
	addrs []netip.AddrPort
	until time.Time
}

// BootstrapError says what became of each bootstrap name that gave no address.
type BootstrapError struct {
	Names []string // as configured
	Errs  []error  // one per name
}

func (e *BootstrapError) Error() string {
	return fmt.Sprintf("krpc: no bootstrap address: %v", errors.Join(e.Errs...))
}

func (e *BootstrapError) Unwrap() []error { return e.Errs }

// resolve returns all addresses of all names. It fails only if there are names and not one has an address.
func (b *bootstrap) resolve(ctx context.Context, now time.Time) ([]netip.AddrPort, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.names) == 0 || (len(b.addrs) > 0 && now.Before(b.until)) {
		return b.addrs, nil
	}
	found := make([][]netip.AddrPort, len(b.names))
	errs := make([]error, len(b.names))
	var wg sync.WaitGroup
	for i, name := range b.names {
		if found[i], errs[i] = literal(name); found[i] == nil && errs[i] == nil {
			wg.Go(func() { found[i], errs[i] = lookupHost(ctx, name) })
		}
	}
	wg.Wait()
	return b.keep(found, errs, now)
}

func (b *bootstrap) keep(found [][]netip.AddrPort, errs []error, now time.Time) ([]netip.AddrPort, error) {
	var addrs []netip.AddrPort
	for _, f := range found {
		addrs = append(addrs, f...)
	}
	if len(addrs) == 0 {
		return nil, &BootstrapError{Names: b.names, Errs: errs}
	}
	b.addrs, b.until = addrs, now.Add(resolvedFor)
	return addrs, nil
}

// literals returns the addresses among the names that need no resolver.
func (b *bootstrap) literals() (addrs []netip.AddrPort, all bool) {
	all = true
	for _, name := range b.names {
		found, _ := literal(name)
		addrs = append(addrs, found...)
		all = all && found != nil
	}
	return addrs, all
}

// cached adds to addrs what earlier resolutions found.
func (b *bootstrap) cached(addrs []netip.AddrPort) []netip.AddrPort {
	if !b.mu.TryLock() { // being resolved: the next try will have them
		return addrs
	}
	defer b.mu.Unlock()
	if len(b.addrs) > 0 {
		return b.addrs
	}
	return addrs
}

// literal reads IP:PORT. A name that needs a resolver gives nothing, and no error.
func literal(name string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not HOST:PORT", name)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || p == 0 {
		return nil, fmt.Errorf("%q has no port within 1..65535", name)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil, nil
	}
	return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), uint16(p))}, nil
}

func lookupHost(ctx context.Context, name string) ([]netip.AddrPort, error) {
	host, port, _ := net.SplitHostPort(name)
	p, _ := strconv.ParseUint(port, 10, 16)
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(p)))
	}
	return addrs, nil
}
