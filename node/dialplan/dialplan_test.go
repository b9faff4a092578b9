package dialplan

import (
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestNode(t *testing.T) {
	rules := []fax.DialRule{
		{Prefix: "+49", Node: "south"},
		{Prefix: "+49 (30)", Node: "berlin"},
		{Prefix: "+49-30-1", Node: "mitte"},
		{Prefix: "+49301", Node: "second"},
		{Prefix: "*", Node: "star"},
	}
	everything := append([]fax.DialRule{{Node: "rest"}}, rules...)
	for _, c := range []struct {
		rules  []fax.DialRule
		number string
		node   string
		ok     bool
	}{
		{rules, "+49 89 123", "south", true},
		{rules, "+49 30 55", "berlin", true},
		{rules, "+49 (30) 155", "mitte", true},
		{rules, "+493", "south", true},
		{rules, "+4", "", false},
		{rules, "49301", "", false},
		{rules, "*21#", "star", true},
		{rules, "+44", "", false},
		{nil, "1", "", false},
		{everything, "+44", "rest", true},
		{everything, "+49 30", "berlin", true},
	} {
		node, ok := Node(c.rules, c.number)
		if node != c.node || ok != c.ok {
			t.Errorf("Node(%q) = %q, %v; want %q, %v", c.number, node, ok, c.node, c.ok)
		}
	}
}
