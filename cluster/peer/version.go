package peer

import (
	"fmt"
	"strconv"
	"strings"
)

// Versions are those of what is spoken on the cluster port that a node
// understands, Min to Max. Raise Max when something changes that older nodes
// would misread, Min when the older way is taken out; never both in the same
// release, so that a cluster can be upgraded one node after another. The two
// ends choose the highest that both know, in the TLS handshake (ALPN, RFC
// 7301): so nothing is said between nodes that have none in common.
type Versions struct{ Min, Max int }

// Spoken are the versions that this program understands.
var Spoken = Versions{Min: 1, Max: 1}

const versionPrefix = "faxmesh/"

func (v Versions) String() string {
	if v.Min == v.Max {
		return strconv.Itoa(v.Min)
	}
	return fmt.Sprintf("%d to %d", v.Min, v.Max)
}

// names are the protocol names for TLS, the best first.
func (v Versions) names() (names []string) {
	for n := v.Max; n >= v.Min; n-- {
		names = append(names, versionPrefix+strconv.Itoa(n))
	}
	return names
}

// versionOf reads a protocol name that was agreed on; 0 if none was.
func versionOf(name string) int {
	text, _ := strings.CutPrefix(name, versionPrefix)
	n, _ := strconv.Atoi(text) // 0 if it is none
	return n
}

// explain says in plain words why a handshake has failed between nodes that
// speak different versions.
func (v Versions) explain(err error) error {
	for _, sign := range []string{"no application protocol", "unsupported application protocols"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Errorf("the two nodes have no version of the cluster protocol in common, this one speaks %v; upgrade the older node (%w)", v, err)
		}
	}
	return err
}
