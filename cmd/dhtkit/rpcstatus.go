package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

type (
	rpcStatusRecord struct {
		Type       string   `json:"type"`
		Addr       string   `json:"addr"`
		ID         string   `json:"id,omitempty"` // none: the node is ephemeral
		Persistent bool     `json:"persistent"`
		RTT        millis   `json:"rtt_ms"`
		Own        string   `json:"own"`     // our address as the node sees it
		Names      []string `json:"names"`   // nodes it knows nearest to itself
		Delayed    bool     `json:"delayed"` // answers delayed pings: dht-rpc 6.24 or later
		Time       stamp    `json:"time"`
	}

	rpcStatusSummary struct {
		Type string `json:"type"`
		totals
	}
)

func (s *rpcStatusSummary) line() string { return s.tail() }

func (a *app) rpcStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status HOST:PORT [flags]",
		Short:   "Say what a node is",
		Example: `  dhtkit rpc status 127.0.0.1:49737`,
		Long: `Asks one node whether it is there and what it is: persistent, with which id, or ephemeral; how it sees us; which nodes it knows nearest
to itself; whether it knows the command of 6.24.`,
		Args: arguments(1, 1, "the address of a node"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.rpcStatus(cmd.Context(), args[0]) },
	}
}

func (a *app) rpcStatus(ctx context.Context, text string) error {
	targets, err := parseAll([]word{{text: text}})
	if err != nil {
		return err
	}
	p, err := a.flags.rpcPlan(rpcPlan{verb: "status", cfg: dhtrpc.Config{Mode: dhtrpc.Ephemeral}}, true)
	if err != nil {
		return err
	}
	p.cfg.Private = p.cfg.Private && targets[0].reach() < public || a.flags.allowPrivate
	if targets[0].reach() > loopback && len(a.flags.listen) == 0 {
		p.listen = "0.0.0.0:0"
	}
	sum := &rpcStatusSummary{Type: "summary"}
	return a.rpc(ctx, p, sum, func(ctx context.Context, s *session, n *rpcNet) error {
		n.bootstrap = []string{text}
		addr, err := targets[0].resolve(ctx, false)
		if err == nil && !addr.Addr().Is4() {
			return usagef("%s: there is no dht-rpc over IPv6", text)
		}
		if err != nil {
			return &exitError{exitNoAnswer, err.Error()}
		}
		return a.status(ctx, n.node, addr)
	})
}

func (a *app) status(ctx context.Context, node *dhtrpc.Node, addr netip.AddrPort) error {
	pong, err := node.Ping(ctx, addr, dhtrpc.PingOptions{CallOptions: dhtrpc.CallOptions{Retries: a.flags.retries()}})
	if err != nil {
		return err
	}
	rec := &rpcStatusRecord{Type: "status", Addr: addr.String(), RTT: millis(pong.RTT), Own: pong.To.String(), Names: []string{}, Time: now()}
	target := dhtrpc.IDOf(addr)
	if rec.Persistent = pong.From.ID != (dhtrpc.ID{}); rec.Persistent {
		rec.ID = pong.From.ID.String()
	}
	if near, err := node.Ask(ctx, addr, target); err == nil {
		for a := range near.Closer.All() {
			rec.Names = append(rec.Names, a.String())
		}
	}
	_, err = node.Ping(ctx, addr, dhtrpc.PingOptions{Delay: time.Millisecond})
	_, refused := errors.AsType[*dhtrpc.Error](err)
	rec.Delayed = !refused && err == nil
	mode := "ephemeral"
	if rec.Persistent {
		mode = "persistent, id " + rec.ID
	}
	a.console.result(fmt.Sprintf("%v %s\nround trip %s, sees us as %v\nknows %d nodes near itself: %v", addr, mode, rttText(pong.RTT), pong.To, len(rec.Names), rec.Names), rec)
	return outcome(ctx, 1)
}
