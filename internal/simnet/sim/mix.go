package sim

// Mix hashes two numbers into one. Whatever is random here is Mix of a seed and of what it is about, so that nothing has
// to be stored. The same on every machine and in every release of Go.
func Mix(seed, about uint64) uint64 {
	h := seed ^ (about+1)*0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Unit maps a hash into [0, 1).
func Unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// Below maps a hash into [0, n).
func Below(h uint64, n uint32) uint32 { return uint32((h >> 32) * uint64(n) >> 32) }
