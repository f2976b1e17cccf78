package lab

import (
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

// Profile is a way to look up, by name.
type Profile struct {
	Name   string
	About  string
	Config routing.LookupConfig
}

// Profiles are our own ways to look up, and the shapes of others: configurations of routing.Lookup, all over the same table.
var Profiles = []Profile{
	{"fast", "8 that can matter in flight, adaptive soft deadline", routing.Fast()},
	{"thorough", "a growing window that waits for late nodes, asks once more, and asks the closest for their own neighbours", routing.Thorough()},
	{"economy", "4 in flight, adaptive soft deadline", routing.Economy()},
	{"alpha3", "3 in flight, 2 s", fixed(3, 2*time.Second)},
	{"alpha16", "16 in flight, 2 s, as k-rpc", fixed(16, 2*time.Second)},
	{"libtorrent", "5 in flight, 1 s soft, 15 s hard", libtorrent()},
	{"dht-rpc", "10 in flight for the 20 closest, 1 s soft, 6 s hard, asked again after 1 s", dhtRPC()},
}

func fixed(alpha int, timeout time.Duration) routing.LookupConfig {
	return routing.LookupConfig{Alpha: alpha, CountAll: true, Soft: timeout, Hard: timeout}
}

func libtorrent() routing.LookupConfig {
	c := fixed(5, time.Second)
	c.Hard = 15 * time.Second
	return c
}

// dhtRPC asks a second time, where dht-rpc does so up to six times.
func dhtRPC() routing.LookupConfig {
	c := fixed(10, time.Second)
	c.K, c.Hard, c.ResendAfter = 20, 6*time.Second, time.Second
	return c
}

// ProfileNamed returns a profile; false if there is none of that name.
func ProfileNamed(name string) (Profile, bool) {
	for _, p := range Profiles {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}
