// Package hosts turns the HOST:PORT texts of bootstrap nodes into addresses.
package hosts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Of bootstrap names. Ours.
const (
	resolvedFor   = 10 * time.Minute // what a name stands for is used so long before it is asked for again
	failedFor     = 5 * time.Second  // a resolution that gave nothing is not repeated before
	ResolvingTime = 10 * time.Second // after which a resolver is given up
)

// Lookup returns the addresses of a host name.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// Hosts turns configured HOST:PORT texts into addresses: all names side by side, both families, cached. It is safe for
// concurrent use after Init.
type Hosts struct {
	names  []string
	hosts  []int // indices of the names that need a resolver
	lookup Lookup
	onNews func() // called when a name has got addresses, and when all names were tried

	wg   sync.WaitGroup // the resolving goroutine
	ctx  context.Context
	stop context.CancelFunc

	mu    sync.Mutex         // guards what follows; a leaf
	found [][]netip.AddrPort // by name
	errs  []error            // by name
	until time.Time          // no resolution is due before
	run   chan struct{}      // closed at the end of the resolution in progress; nil: none
}

// Error says what became of each name if none has an address.
type Error struct {
	Names []string // as configured
	Errs  []error  // one per name
}

func (e *Error) Error() string {
	return fmt.Sprintf("no bootstrap address: %v", errors.Join(e.Errs...))
}

// Unwrap returns what became of each name.
func (e *Error) Unwrap() []error { return e.Errs }

// Init reads the names. A nil lookup is the system's resolver. onNews is called when a name has got addresses, and when all
// names were tried.
func (b *Hosts) Init(names []string, lookup Lookup, onNews func()) {
	b.names, b.lookup, b.onNews = names, lookup, onNews
	if b.lookup == nil {
		b.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	b.found, b.errs = make([][]netip.AddrPort, len(b.names)), make([]error, len(b.names))
	for i, name := range b.names {
		if b.found[i], b.errs[i] = literal(name); b.found[i] == nil && b.errs[i] == nil {
			b.hosts = append(b.hosts, i)
		}
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
}

// Close ends a resolution.
func (b *Hosts) Close() {
	b.mu.Lock()
	b.stop()
	b.mu.Unlock()
	b.wg.Wait()
}

// Resolve returns all addresses of all names, and waits until each name has been tried. It fails only if there are names
// and not one has an address.
func (b *Hosts) Resolve(ctx context.Context, now time.Time) ([]netip.AddrPort, error) {
	if run := b.Begin(now); run != nil {
		select {
		case <-run:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	addrs := slices.Concat(b.found...)
	if len(addrs) == 0 && len(b.names) > 0 {
		return nil, &Error{Names: b.names, Errs: slices.Clone(b.errs)}
	}
	return addrs, nil
}

// Static reports whether no name needs a resolver.
func (b *Hosts) Static() bool { return len(b.hosts) == 0 }

// Due reports whether a resolver may know more than Known: a resolution is due, or in progress.
func (b *Hosts) Due(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.hosts) > 0 && (b.run != nil || !now.Before(b.until)) && b.ctx.Err() == nil
}

// Begin starts a resolution if one is due, on a goroutine that ends when all names were tried or with close. It returns
// what to wait for, nil if nothing.
func (b *Hosts) Begin(now time.Time) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.run != nil || len(b.hosts) == 0 || now.Before(b.until) || b.ctx.Err() != nil {
		return b.run
	}
	b.run = make(chan struct{})
	b.wg.Go(func() {
		var names sync.WaitGroup
		for _, i := range b.hosts {
			names.Go(func() { b.resolveHost(i) })
		}
		names.Wait()
		b.ended(now)
		b.onNews()
	})
	return b.run
}

func (b *Hosts) resolveHost(i int) {
	ctx, cancel := context.WithTimeout(b.ctx, ResolvingTime)
	defer cancel()
	host, port, _ := net.SplitHostPort(b.names[i])
	p, _ := strconv.ParseUint(port, 10, 16)
	ips, err := b.lookup(ctx, host)
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(p)))
	}
	b.mu.Lock()
	if err == nil {
		b.found[i], b.errs[i] = addrs, nil
	} else { // what it stood for before may still hold
		b.errs[i] = fmt.Errorf("%q: %w", b.names[i], err)
	}
	b.mu.Unlock()
	if len(addrs) > 0 {
		b.onNews()
	}
}

// ended notes when names are asked for again: soon if none has an address.
func (b *Hosts) ended(began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = began.Add(failedFor)
	for _, i := range b.hosts {
		if b.errs[i] == nil {
			b.until = began.Add(resolvedFor)
		}
	}
	close(b.run)
	b.run = nil
}

// Known returns the addresses that were found so far, without waiting.
func (b *Hosts) Known() []netip.AddrPort {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Concat(b.found...)
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
