// Package interop holds nothing but tests: they let the dhtkit command and real nodes that others
// wrote (the npm packages bittorrent-dht and k-rpc, in interop/js) find and serve each other on loopback.
//
// The tests need node, the packages of interop/js (npm install there) and a loopback network on which
// every 127.x.y.z is an address of the machine. Where one of them is missing the tests are skipped,
// unless the environment has DHTKIT_INTEROP=1: then it is a failure.
package interop
