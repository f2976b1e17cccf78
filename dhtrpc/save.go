package dhtrpc

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// maxSaved is how many nodes LoadNodes reads at most, more than a table holds.
const maxSaved = 1 << 14

// SaveNodes writes the addresses of contacts, one a line, in their order.
func SaveNodes(w io.Writer, contacts []Contact) error {
	b := bufio.NewWriter(w)
	for _, c := range contacts {
		fmt.Fprintln(b, c.Addr)
	}
	return b.Flush()
}

// LoadNodes reads what SaveNodes wrote, for Config.Nodes. Empty lines and those that begin with # are left out; any other
// line that is no IPv4 address with a port is an error.
func LoadNodes(r io.Reader) ([]netip.AddrPort, error) {
	var nodes []netip.AddrPort
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan() && len(nodes) < maxSaved; n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := netip.ParseAddrPort(line)
		if err != nil || !a.Addr().Unmap().Is4() || a.Port() == 0 {
			return nil, fmt.Errorf("dhtrpc: line %d of the saved nodes: %q: %w", n, line, ErrNotIPv4)
		}
		nodes = append(nodes, a)
	}
	return nodes, lines.Err()
}
