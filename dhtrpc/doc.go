// Package dhtrpc speaks dht-rpc, the protocol of the DHT under Hyperswarm: a binary wire over UDP, 32-byte ids made from
// addresses, any command an application defines. It is compatible with npm dht-rpc 6.
//
// Parse and Message.Append are the codec; both do without allocation.
package dhtrpc
