// Package krpc speaks KRPC, the RPC protocol of the BitTorrent DHT (BEP 5).
package krpc
