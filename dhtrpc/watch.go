package dhtrpc

import (
	"net"
	"slices"
	"strings"
)

// watch notices that the addresses of this machine have changed (dht-rpc 15.2). The zero value watches nothing.
type watch struct {
	list func() []string
	last []string
}

func newWatch() watch {
	w := watch{list: interfaces}
	w.last = w.list()
	return w
}

func (w *watch) poll(n *Node) {
	if w.list == nil {
		return
	}
	now := w.list()
	if slices.Equal(now, w.last) {
		return
	}
	w.last = now
	n.later(n.cfg.On.NetworkChange)
	n.later(n.cfg.On.NetworkUpdate)
}

// interfaces lists the addresses of this machine.
func interfaces() []string {
	addrs, _ := net.InterfaceAddrs()
	list := make([]string, len(addrs))
	for i, a := range addrs {
		list[i] = a.String()
	}
	slices.SortFunc(list, strings.Compare)
	return list
}
