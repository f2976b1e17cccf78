// Package legacy speaks version 4 of dht-rpc, the protocol of npm dht-rpc@4: protocol buffers in UDP datagrams, 32-byte ids,
// commands with names, queries and updates. Version 6, in package dhtrpc, is another protocol; the two cannot talk to each
// other.
//
// # Codec
//
// [Parse] reads a datagram into a [Message], a view of its bytes, without allocating; [Message.Append] writes one byte for byte
// as npm dht-rpc does.
package legacy
