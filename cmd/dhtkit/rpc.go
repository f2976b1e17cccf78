package main

import (
	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// rpcCommand holds the verbs for networks of dht-rpc.
func (a *app) rpcCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rpc VERB [flags] [arguments]",
		Short: "Work with private networks of dht-rpc (the DHT under Hyperswarm)",
		Example: `  dhtkit rpc testnet 20                                         # a whole network in one process
  dhtkit rpc bootstrap --listen 127.0.0.1:49737                 # or node by node: the first one,
  dhtkit rpc node --listen 127.0.0.1:0 --bootstrap 127.0.0.1:49737  # and each further one`,
		Long: `Networks of dht-rpc, as npm dht-rpc 6 makes them, whose nodes and these are in one network. Without --bootstrap, call,
lookup, set and get work on a test network of their own (--local N).`,
		RunE: a.noVerb,
	}
	cmd.AddCommand(a.rpcBootstrapCommand(), a.rpcNodeCommand(), a.rpcTestnetCommand(), a.rpcCallCommand(), a.rpcLookupCommand(),
		a.rpcSetCommand(), a.rpcGetCommand(), a.rpcStatusCommand())
	return cmd
}

// Records of the rpc verbs.
type (
	rpcNodeRecord struct {
		Type string    `json:"type"`
		ID   dhtrpc.ID `json:"id"`
		Addr string    `json:"addr"`
		RTT  millis    `json:"rtt_ms"`
		Time stamp     `json:"time"`
	}

	rpcReplyRecord struct {
		Type  string `json:"type"`
		From  string `json:"from"`
		ID    string `json:"id,omitempty"` // none of an ephemeral node
		Value string `json:"value"`        // hex
		Error uint64 `json:"error"`
		RTT   millis `json:"rtt_ms"`
		Time  stamp  `json:"time"`
	}
)

// parseTarget reads a target of 32 bytes.
func parseTarget(text string) (dhtrpc.ID, error) {
	id, err := dhtrpc.ParseID(text)
	if err != nil {
		return id, usagef("%q is not a target: 64 hex digits", text)
	}
	return id, nil
}
