package sim

// handle names a pooled buffer: its size class in the low bits.
type handle uint32

// Buffers come in three sizes; a KRPC query takes a small one, an answer a middle one. Chunks of 64 KB or more.
var classes = [...]struct{ size, perChunk int }{{128, 1024}, {512, 256}, {MaxDatagram, 64}}

// MaxDatagram is the longest datagram that is carried, in bytes. Longer ones are dropped.
const MaxDatagram = 2048

const classBits = 2

// buffers is a pool of packet buffers. Those that are free wait in one list a class, last in first out, so that few are
// in use and those are warm.
type buffers struct {
	chunks [len(classes)][][]byte
	free   [len(classes)][]handle
}

// put copies b, of MaxDatagram bytes at most, into a buffer.
func (p *buffers) put(b []byte) handle {
	class := 0
	for classes[class].size < len(b) {
		class++
	}
	if len(p.free[class]) == 0 {
		p.grow(class)
	}
	last := len(p.free[class]) - 1
	h := p.free[class][last]
	p.free[class] = p.free[class][:last]
	copy(p.bytes(h), b)
	return h
}

// bytes returns the whole buffer.
func (p *buffers) bytes(h handle) []byte {
	c := &classes[h&(1<<classBits-1)]
	i := int(h >> classBits)
	off := i % c.perChunk * c.size
	return p.chunks[h&(1<<classBits-1)][i/c.perChunk][off : off+c.size : off+c.size]
}

func (p *buffers) release(h handle) {
	class := h & (1<<classBits - 1)
	p.free[class] = append(p.free[class], h)
}

func (p *buffers) grow(class int) {
	c := &classes[class]
	first := len(p.chunks[class]) * c.perChunk
	p.chunks[class] = append(p.chunks[class], make([]byte, c.size*c.perChunk))
	for i := c.perChunk - 1; i >= 0; i-- {
		p.free[class] = append(p.free[class], handle(first+i)<<classBits|handle(class))
	}
}
