// Package dialplan gives telephone numbers to nodes by the longest prefix.
//
// A rule for +49 sends calls to Germany out at the site in Germany: the cluster
// carries the document, the telephone network only the last mile.
package dialplan

import (
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Node is the node that the rules give number to. It reports false if no rule
// fits: then every node may dial. Separators in numbers and prefixes do not
// count. Of two rules with the same prefix the first wins.
func Node(rules []fax.DialRule, number string) (node string, ok bool) {
	digits, longest := fax.Digits(number), -1
	for _, r := range rules {
		prefix := fax.Digits(r.Prefix)
		if len(prefix) > longest && strings.HasPrefix(digits, prefix) {
			node, ok, longest = r.Node, true, len(prefix)
		}
	}
	return node, ok
}
