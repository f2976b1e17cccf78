// Package interop holds nothing but tests: they let the dhtkit command, and nodes of package mainline, meet real nodes
// that others wrote on loopback. These are the npm packages bittorrent-dht and k-rpc (scripts in interop/js), libtorrent
// (a script in interop/py), aria2 and Transmission. Nodes of dhtrpc meet those of npm dht-rpc 6 and hyperdht, nodes of
// dhtrpc/legacy those of npm dht-rpc 4. Where one of them is not as the texts say, the test says how.
//
// The tests need node, the packages of interop/js (npm install there), Debian's packages python3-libtorrent, aria2,
// transmission-daemon and iproute2, the right to make a network namespace, and a loopback network on which every
// 127.x.y.z is an address of the machine. Where one of them is missing the tests are skipped, unless the environment has
// DHTKIT_INTEROP=1: then it is a failure. .ci/run installs what it needs. No packet leaves the machine.
package interop
