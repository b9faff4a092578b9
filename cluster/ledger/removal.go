package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// MaxRemoved is how many removed nodes are remembered; a further one pushes the
// one out that was removed first.
const MaxRemoved = 10_000

// Removed is a node that is no member any more. Its certificate is revoked: it
// opens nothing, and no node joins with it again.
type Removed struct {
	Name        string     `msgpack:"n" json:"name"`
	Fingerprint string     `msgpack:"f" json:"fingerprint"`
	PeerAddr    string     `msgpack:"p" json:"peer_addr"` // where it was last
	At          fax.Millis `msgpack:"t" json:"at"`
	By          string     `msgpack:"b" json:"by"`
	// Era is that of the cluster without it: how many times the cluster has been
	// recovered from a lost majority.
	Era uint64 `msgpack:"e" json:"era"`
}

func (c DropNode) apply(d *draft) (*fax.Job, error) {
	old := load[fax.Node](d, inNodes, c.Name)
	if old == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no node %q", c.Name)
	}
	if len(all[fax.Node](d, inNodes)) == 1 {
		return nil, fax.Errorf(fax.Conflict, "%q is the last node of the cluster and cannot be removed", c.Name)
	}
	rules := d.dropNode(*old, c.By, c.At, d.number(inMeta, keyEra))
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Name), Node: c.Name, What: "drop-node", Object: c.Name,
		Detail: fmt.Sprintf("%d dial rules with it", rules)})
	return nil, nil
}

func (c Recover) apply(d *draft) (*fax.Job, error) {
	if load[fax.Node](d, inNodes, c.Survivor) == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no node %q that could have survived", c.Survivor)
	}
	era := d.number(inMeta, keyEra) + 1
	d.put(inMeta, keyEra, []byte(number64(era)))
	var gone []string
	for _, n := range all[fax.Node](d, inNodes) {
		if n.Name != c.Survivor {
			d.dropNode(n, c.Survivor, c.At, era)
			gone = append(gone, n.Name)
		}
	}
	d.record(fax.Activity{At: c.At, Who: c.Survivor, Node: c.Survivor, What: "recover", Object: c.Survivor,
		Detail: fmt.Sprintf("the majority was lost; recovery %d goes on without %s", era, list(gone))})
	return nil, nil
}

// dropNode takes a member out and revokes its certificate. Numbers must not be
// given to a node that is gone, so the dial rules that name it go too; jobs that
// it alone might dial are free for all.
func (d *draft) dropNode(n fax.Node, by string, at fax.Millis, era uint64) (rules int) {
	return d.revoke(n, by, at, era, true)
}

// revoke is dropNode; the dial rules stay if another node takes the name.
func (d *draft) revoke(n fax.Node, by string, at fax.Millis, era uint64, withRules bool) (rules int) {
	for _, rule := range all[fax.DialRule](d, inRules) {
		if withRules && rule.Node == n.Name {
			d.delete(inRules, ruleKey(rule.Prefix))
			rules++
		}
	}
	d.release(n.Name, 0)
	d.delete(inNodes, n.Name)
	d.askTurn()
	r := Removed{Name: n.Name, PeerAddr: n.PeerAddr, At: at, By: by, Era: era}
	revoked := []Removed{}
	for _, fingerprint := range []string{n.Fingerprint, n.Next, n.Was} {
		if r.Fingerprint = fingerprint; fingerprint == n.Was {
			r.PeerAddr = "" // it is not met by that one any more
		}
		if fingerprint != "" {
			revoked = append(revoked, r)
		}
	}
	removed := all[Removed](d, inRemoved)
	slices.SortStableFunc(removed, func(a, b Removed) int { return cmp.Compare(a.At, b.At) })
	for _, first := range removed[:max(0, len(removed)+len(revoked)-MaxRemoved)] {
		d.delete(inRemoved, first.Fingerprint)
	}
	for _, r := range revoked {
		d.store(inRemoved, r.Fingerprint, r)
	}
	return rules
}

// Removed returns the nodes that have been removed, in no order that means
// anything.
func (l *Ledger) Removed() ([]Removed, error) { return readAll[Removed](l, inRemoved) }

// Revoked reports whether a certificate is one of a removed node.
func (l *Ledger) Revoked(fingerprint string) (bool, error) {
	_, err := read[Removed](l, inRemoved, fingerprint, "removed node", fingerprint)
	if fax.KindOf(err) == fax.NotFound && err != nil {
		return false, nil
	}
	return err == nil, err
}
