package lab

import (
	"github.com/dhtkit/dhtkit/dhtrpc"
)

// RPCPolicy is a way to look up in a dht-rpc network, by name.
type RPCPolicy struct {
	Name    string
	About   string
	Options dhtrpc.QueryOptions
}

// RPCPolicies are our ways, and that of npm's dht-rpc.
var RPCPolicies = []RPCPolicy{
	{"fast", "10 that can matter in flight, adaptive soft deadline", dhtrpc.QueryOptions{}},
	{"thorough", "the same, waits for slow nodes, and asks some of the closest for their own neighbours", dhtrpc.QueryOptions{Thorough: true}},
	{"original", "10 in flight, the last named first, lists read up to the first that is no nearer, 6 attempts of 1 s", dhtrpc.QueryOptions{Original: true}},
}

// RPCPolicyNamed returns a policy; false if there is none of that name.
func RPCPolicyNamed(name string) (RPCPolicy, bool) {
	for _, p := range RPCPolicies {
		if p.Name == name {
			return p, true
		}
	}
	return RPCPolicy{}, false
}
