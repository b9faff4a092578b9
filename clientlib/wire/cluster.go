package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdCluster tells how the nodes and their lines are; answered by NodeList.
const CmdCluster = "cluster"

// NodeList is a page of nodes.
type NodeList struct {
	Nodes []fax.NodeStatus `msgpack:"i"`
}

// Check implements Message.
func (l *NodeList) Check() error {
	var f fields
	for i := range l.Nodes {
		n := &l.Nodes[i]
		f.node(&n.Node)
		f.count("the used hundredths of a disk", n.Disk, 100)
		f.text("the room on a disk", n.Room, fax.MaxName)
		f.count("the lines of a node", len(n.Lines), MaxLines)
		for k := range n.Lines {
			f.line(&n.Lines[k])
		}
	}
	return f.err
}
