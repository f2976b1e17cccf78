package legacy

// IDSize is the length of an id, a target and a token in bytes.
const IDSize = 32
