package mainline

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"net/netip"
	"os"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

// hexBytes is a byte string written as hex in the vector file.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectors is testdata/bep.json: what the BEPs give as examples, and more of the same kind. Messages and tolerance packets
// are in package krpc and in tolerance.json.
type vectors struct {
	CRC32C []struct {
		Name string
		In   hexBytes
		Sum  hexBytes `json:"crc32c"`
	}
	BEP42 struct {
		Table    []secureRow `json:"spec_table"`
		IPv6     []secureRow
		Prefixes []struct {
			IP       netip.Addr
			Prefix21 []hexBytes
		} `json:"prefix_all_r"`
		Checks []struct {
			IP      netip.Addr
			ID      krpc.ID
			Matches bool
			Why     string
		}
		Exempt []struct {
			IP     netip.Addr
			Exempt bool `json:"exempt_recommended"`
		}
	}
	BEP33 struct {
		M, K    int
		Filters []struct {
			Name     string
			Ranges   []addrRange
			Filter   hexBytes
			Estimate *float64
		}
		Bits []struct {
			IP      netip.Addr
			Indices spots
		}
		Unions []struct{ A, B, Result int }
	}
	BEP44 struct {
		Spec, Own  []itemRow
		MustReject []rejectRow `json:"must_reject"`
	}
	BEP46 []struct {
		K, Salt, Target hexBytes
		Magnet          string
	}
}

// itemRow is an item, with what is signed of it and the key: a seed, or its expanded form.
type itemRow struct {
	Name, Kind           string
	V, K, Salt, Sig      hexBytes
	Seq                  int64
	Seed, Buffer, Target hexBytes
	Expanded             hexBytes `json:"private_expanded"`
}

// rejectRow is a put that is refused: either signed data, or an immutable value, or a salt.
type rejectRow struct {
	Name                    string
	Buffer, Sig, K, V, Salt hexBytes
	Error                   int
}

// put sends it to a node and returns what came of it.
func (x *rejectRow) put(c *checker, n *Node) string {
	args := krpc.PutArgs{V: x.V, K: x.K, Sig: x.Sig, Salt: x.Salt}
	switch {
	case x.Buffer != nil: // a dictionary without its ends
		var signed struct {
			Salt []byte        `bencode:"salt"`
			Seq  int64         `bencode:"seq"`
			V    bencode.Bytes `bencode:"v"`
		}
		require.NoError(c, bencode.Unmarshal([]byte("d"+string(x.Buffer)+"e"), &signed))
		args.Salt, args.Seq, args.V = signed.Salt, signed.Seq, signed.V
	case x.Salt != nil:
		args.K, args.Sig, args.V = make([]byte, 32), make([]byte, 64), []byte("0:")
	}
	item := itemIn(&args)
	return putArgs(c.T, n, args, item.Target())
}

// addrRange is a first address and how many follow one another from it.
type addrRange struct {
	first netip.Addr
	n     int
}

func (r *addrRange) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&r.first, &r.n})
}

// secureRow is an id that BEP 42 derives from an address, with the steps on the way.
type secureRow struct {
	IP       netip.Addr
	Rand     byte
	ID       krpc.ID
	Hashed   hexBytes
	CRC32C   hexBytes
	Prefix21 hexBytes
}

// checker counts the checks that are made.
type checker struct {
	*testing.T
	n int
}

func (c *checker) equal(want, got any, what ...any) {
	c.Helper()
	require.Equal(c, want, got, what...)
	c.n++
}

func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/bep.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(raw, &v))
	total := 0
	for _, section := range []struct {
		name  string
		check func(*checker, *vectors)
		want  int
	}{
		{"crc32c", checkCRC, 6},
		{"bep42", checkSecureIDs, 131},
		{"bep33", checkFilters, 22},
		{"bep44", checkItems, 129},
		{"bep46", checkMagnets, 10},
	} {
		t.Run(section.name, func(t *testing.T) {
			c := &checker{T: t}
			section.check(c, &v)
			require.Equal(t, section.want, c.n, "number of checks")
			total += c.n
		})
	}
	t.Logf("%d checks", total)
}

func checkCRC(c *checker, v *vectors) {
	for _, x := range v.CRC32C {
		sum := ^uint32(0)
		for _, b := range x.In {
			sum = crcUpdate(sum, uint64(b)<<56, 1)
		}
		c.equal(x.Sum, hexBytes(binary.BigEndian.AppendUint32(nil, ^sum)), x.Name)
	}
}

func checkSecureIDs(c *checker, v *vectors) {
	for _, x := range append(v.BEP42.Table, v.BEP42.IPv6...) {
		sum := ^uint32(0)
		for _, b := range x.Hashed {
			sum = crcUpdate(sum, uint64(b)<<56, 1)
		}
		c.equal(x.CRC32C, hexBytes(binary.BigEndian.AppendUint32(nil, ^sum)), x.IP)
		c.equal(x.CRC32C, hexBytes(binary.BigEndian.AppendUint32(nil, secureHash(x.IP, x.Rand))), x.IP)
		c.equal(true, Suits(x.ID, x.IP), x.IP)
		c.equal(x.ID, SecureID(x.IP, x.ID), x.IP)
		c.equal(x.Prefix21, prefixOf(SecureID(x.IP, krpc.ID{19: x.Rand})), x.IP)
	}
	for _, x := range v.BEP42.Prefixes {
		for r, prefix := range x.Prefix21 {
			c.equal(prefix, prefixOf(SecureID(x.IP, krpc.ID{19: byte(r)})), x.IP)
		}
	}
	for _, x := range v.BEP42.Checks {
		c.equal(x.Matches, Suits(x.ID, x.IP), x.Why)
	}
	for _, x := range v.BEP42.Exempt {
		c.equal(x.Exempt, exempt(x.IP), x.IP)
		wrong := SecureID(x.IP, krpc.ID{})
		wrong[0] ^= 0x80
		c.equal(x.Exempt, Suits(wrong, x.IP), x.IP)
	}
}

// prefixOf returns the 21 bits of an id that BEP 42 fixes.
func prefixOf(id krpc.ID) hexBytes { return hexBytes{id[0], id[1], id[2] & 0xf8} }

func checkFilters(c *checker, v *vectors) {
	c.equal(v.BEP33.M, filterBits)
	c.equal(v.BEP33.K, len(spots{}))
	for _, x := range v.BEP33.Filters {
		if x.Ranges != nil {
			var f Filter
			for _, r := range x.Ranges {
				for ip, left := r.first, r.n; left > 0; ip, left = ip.Next(), left-1 {
					f.Insert(ip)
				}
			}
			c.equal(x.Filter, hexBytes(f[:]), x.Name)
		}
		f := Filter(x.Filter)
		switch {
		case f.IsZero():
			c.equal(0.0, f.Estimate(), "where the formula gives %v", *x.Estimate)
		case x.Estimate == nil:
			c.equal(math.Inf(1), f.Estimate(), x.Name)
		default:
			c.equal(true, math.Abs(*x.Estimate-f.Estimate()) < 1e-4, x.Name)
		}
	}
	for _, x := range v.BEP33.Bits {
		c.equal(x.Indices, spotsOf(x.IP), x.IP)
		var f Filter
		f.Insert(x.IP)
		c.equal(true, f.Contains(x.IP))
	}
	for _, x := range v.BEP33.Unions {
		f, o := Filter(v.BEP33.Filters[x.A].Filter), Filter(v.BEP33.Filters[x.B].Filter)
		f.Union(&o)
		c.equal(v.BEP33.Filters[x.Result].Filter, hexBytes(f[:]))
	}
}

func checkMagnets(c *checker, v *vectors) {
	for _, x := range v.BEP46 {
		m := MutableTorrent{Key: ed25519.PublicKey(x.K), Salt: x.Salt}
		c.equal(x.Magnet, m.String())
		target := m.Target()
		c.equal(x.Target, hexBytes(target[:]))
		got, err := ParseMagnet(x.Magnet)
		c.equal(nil, err)
		c.equal(x.K, hexBytes(got.Key))
		c.equal(x.Salt, hexBytes(got.Salt))
	}
}
