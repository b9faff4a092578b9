package ledger

// Newest is the highest number of a command that this program knows.
const Newest = len(decoders) - 1

// Baseline is the highest number that every program knows which was ever
// released. Commands up to it may be proposed whatever the members are.
const Baseline = 26

// Needs is the highest number of a command among an encoded one and those that
// it holds: who knows fewer must not be given it.
func Needs(data []byte) int {
	n, ok := numberOf(data)
	if !ok {
		return 0
	}
	needs := int(n)
	if n != (Import{}).number() && n != (Once{}).number() {
		return needs
	}
	c, err := decoders[n](data[2:])
	if err != nil {
		return needs
	}
	var held [][]byte
	switch c := c.(type) {
	case Import:
		held = c.Commands
	case Once:
		held = [][]byte{c.Command}
	}
	for _, data := range held {
		needs = max(needs, Needs(data))
	}
	return needs
}
