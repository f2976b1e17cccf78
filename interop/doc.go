// Package interop holds nothing but tests: they let the dhtkit command, and nodes of package mainline, meet real nodes
// that others wrote on loopback. These are the npm packages bittorrent-dht and k-rpc (scripts in interop/js) and
// libtorrent (a script in interop/py). Nodes of dhtrpc/legacy meet those of npm dht-rpc 4.
//
// The tests need node, the packages of interop/js (npm install there), Debian's python3-libtorrent, and a loopback
// network on which every 127.x.y.z is an address of the machine. Where one of them is missing the tests are skipped,
// unless the environment has DHTKIT_INTEROP=1: then it is a failure. .ci/run installs what Debian has.
package interop
