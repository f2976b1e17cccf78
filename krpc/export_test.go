package krpc

// Proven returns how many addresses have proven themselves and are remembered.
func (r *RPC) Proven() int { return r.proven.len() }
