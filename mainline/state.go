package mainline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
)

// State is what a node takes from one run to the next: who it is and whom it knows. Saved as JSON it reads
//
//	{"format": "dhtkit mainline node", "version": 1, "saved": "2026-01-02T15:04:05Z",
//	 "endpoints": [{"family": "ipv4", "id": "40 hex digits", "external": "203.0.113.7:6881",
//	   "nodes": [{"id": "40 hex digits", "addr": "198.51.100.1:6881"}]}],
//	 "parts": {}}
//
// in which external is left out while it is not agreed on, and parts holds what the stores keep. Readers ignore what they do
// not know, and refuse a version above their own.
type State struct {
	Saved     time.Time
	Endpoints []EndpointState
	Parts     map[string]json.RawMessage // what else a node keeps, by name
}

// EndpointState is what State holds of one endpoint. With several of one family their order counts.
type EndpointState struct {
	IPv6     bool
	ID       krpc.ID
	External netip.AddrPort // our address as others saw it; not valid if they did not agree
	Nodes    []krpc.Node    // its table
}

// ErrState reports a file that is no saved state, or one of a later version.
var ErrState = errors.New("mainline: not a saved node state")

// Of the format above; stateLimit is ours.
const (
	stateFormat  = "dhtkit mainline node"
	stateVersion = 1
	stateLimit   = 256 << 20 // bytes that are read at most
	maxSaved     = 4096      // nodes of an endpoint that are read at most
)

type stateJSON struct {
	Format    string                     `json:"format"`
	Version   int                        `json:"version"`
	Saved     time.Time                  `json:"saved"`
	Endpoints []endpointJSON             `json:"endpoints"`
	Parts     map[string]json.RawMessage `json:"parts,omitempty"`
}

type endpointJSON struct {
	Family   string          `json:"family"`
	ID       krpc.ID         `json:"id"`
	External *netip.AddrPort `json:"external,omitempty"`
	Nodes    []nodeJSON      `json:"nodes"`
}

type nodeJSON struct {
	ID   krpc.ID        `json:"id"`
	Addr netip.AddrPort `json:"addr"`
}

// statePart is how something else than the tables gets into a State: save is called by Save and returns what to keep, nil for
// nothing; load is called by New with what an earlier save returned.
type statePart struct {
	save func(n *Node, now time.Time) (json.RawMessage, error)
	load func(n *Node, saved json.RawMessage, now time.Time) error
}

// stateParts are the parts by name.
var stateParts = map[string]statePart{
	"items": {saveItems, loadItems},
}

// State returns what the node knows now.
func (n *Node) State() (*State, error) {
	now := time.Now()
	s := &State{Saved: now.UTC().Truncate(time.Second)}
	for _, e := range n.ends {
		es := EndpointState{IPv6: e.IPv6(), ID: e.ID(), Nodes: e.Nodes()}
		if addr, agreed := e.External(); agreed {
			es.External = addr
		}
		s.Endpoints = append(s.Endpoints, es)
	}
	for name, part := range stateParts {
		saved, err := part.save(n, now)
		if err != nil {
			return nil, fmt.Errorf("mainline: saving %s: %w", name, err)
		}
		if saved != nil {
			if s.Parts == nil {
				s.Parts = make(map[string]json.RawMessage)
			}
			s.Parts[name] = saved
		}
	}
	return s, nil
}

// Save writes the State of the node. A caller that writes a file writes another one first and renames it, so that a crash
// leaves the one before.
func (n *Node) Save(w io.Writer) error {
	s, err := n.State()
	if err != nil {
		return err
	}
	return s.Write(w)
}

// Write writes the state as JSON.
func (s *State) Write(w io.Writer) error {
	out := stateJSON{Format: stateFormat, Version: stateVersion, Saved: s.Saved, Parts: s.Parts}
	for _, e := range s.Endpoints {
		ej := endpointJSON{Family: family(e.IPv6), ID: e.ID, Nodes: make([]nodeJSON, len(e.Nodes))}
		if e.External.IsValid() {
			ej.External = &e.External
		}
		for i, n := range e.Nodes {
			ej.Nodes[i] = nodeJSON(n)
		}
		out.Endpoints = append(out.Endpoints, ej)
	}
	return json.NewEncoder(w).Encode(out)
}

func family(v6 bool) string {
	if v6 {
		return "ipv6"
	}
	return "ipv4"
}

// LoadState reads what Save wrote, for Config.State. The error is ErrState, wrapped, or that of r.
func LoadState(r io.Reader) (*State, error) {
	text, err := io.ReadAll(io.LimitReader(r, stateLimit))
	if err != nil {
		return nil, err
	}
	var in stateJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if in.Format != stateFormat || in.Version < 1 || in.Version > stateVersion {
		return nil, fmt.Errorf("%w: format %q, version %d", ErrState, in.Format, in.Version)
	}
	s := &State{Saved: in.Saved, Parts: in.Parts}
	for _, ej := range in.Endpoints {
		if ej.ID.IsZero() || ej.Family != family(false) && ej.Family != family(true) {
			return nil, fmt.Errorf("%w: endpoint of family %q with id %v", ErrState, ej.Family, ej.ID)
		}
		e := EndpointState{IPv6: ej.Family == family(true), ID: ej.ID}
		if ej.External != nil {
			e.External = *ej.External
		}
		for _, n := range ej.Nodes[:min(len(ej.Nodes), maxSaved)] {
			e.Nodes = append(e.Nodes, krpc.Node(n))
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s, nil
}

// endpoint returns what was saved of the i-th endpoint of a family, nil if nothing was.
func (s *State) endpoint(v6 bool, i int) *EndpointState {
	if s == nil {
		return nil
	}
	for j := range s.Endpoints {
		if s.Endpoints[j].IPv6 != v6 {
			continue
		}
		if i--; i < 0 {
			return &s.Endpoints[j]
		}
	}
	return nil
}

// restore hands the parts of a state to their owners. A part that does not know its name is left out.
func (n *Node) restore(s *State, now time.Time) error {
	if s == nil {
		return nil
	}
	for name, saved := range s.Parts {
		part, known := stateParts[name]
		if !known {
			continue
		}
		if err := part.load(n, saved, now); err != nil {
			return fmt.Errorf("%w: part %q: %w", ErrState, name, err)
		}
	}
	return nil
}
