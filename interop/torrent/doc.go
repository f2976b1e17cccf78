// Package torrent holds nothing but tests: two clients of github.com/anacrolix/torrent find each other through nodes of
// package mainline, and download from each other, on loopback. It is a module of its own, so that the many modules the
// client needs are no concern of those who use dhtkit; they are downloaded when the tests run.
//
// The tests are skipped unless the environment has DHTKIT_INTEROP=1. They are run with CGO_ENABLED=0, with which the client
// is pure Go. A change of the requirements of the module above may need a go mod tidy here.
package torrent
