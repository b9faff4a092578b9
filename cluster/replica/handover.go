package replica

import (
	"context"
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// HandOver gives other nodes copies of the documents that records name and this
// node has, as many as there should be without this node, and counts those
// that no other node has at the end.
func (r *Replica) HandOver(ctx context.Context) (alone int, err error) {
	others := r.cfg.Others()
	err = r.survey(ctx, others, r.cfg.Store.Has, func(hash string, holders []string) {
		want := min(r.cfg.Copies, len(others)) - len(holders)
		if want <= 0 {
			return
		}
		size, err := r.cfg.Store.Size(hash)
		if err != nil {
			return // set aside meanwhile: it is no good to anyone
		}
		lacking := slices.DeleteFunc(slices.Clone(others), func(n string) bool { return slices.Contains(holders, n) })
		if r.spread(ctx, fax.Document{Hash: hash, Size: size}, want, lacking, nil)+len(holders) == 0 {
			alone++
		}
	})
	return alone, err
}

// Lost counts the documents that records name and that no live node but the
// one named has.
func (r *Replica) Lost(ctx context.Context, without string) (lost int, err error) {
	others := slices.DeleteFunc(r.cfg.Others(), func(n string) bool { return n == without })
	missing := func(hash string) bool { return !r.cfg.Store.Has(hash) }
	err = r.survey(ctx, others, missing, func(_ string, holders []string) {
		if len(holders) == 0 {
			lost++
		}
	})
	return lost, err
}

// survey asks nodes for the documents that records name and that are wanted,
// and tells who has each. A node that does not answer ends it.
func (r *Replica) survey(ctx context.Context, nodes []string, wanted func(hash string) bool, see func(hash string, holders []string)) error {
	part := make([]string, 0, maxAsk)
	ask := func() error {
		holders := make([][]string, len(part))
		for _, node := range nodes {
			has, err := r.ask(ctx, opHas, node, part)
			if err != nil {
				return fmt.Errorf("ask %s which documents it has: %w", node, err)
			}
			for i := range part {
				if has[i] {
					holders[i] = append(holders[i], node)
				}
			}
		}
		for i, hash := range part {
			see(hash, holders[i])
		}
		part = part[:0]
		return ctx.Err()
	}
	for hash, err := range r.cfg.Records.Needed() {
		if err != nil {
			return fmt.Errorf("list the documents that records name: %w", err)
		}
		if !wanted(hash) {
			continue
		}
		if part = append(part, hash); len(part) == maxAsk {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	if len(part) == 0 {
		return nil
	}
	return ask()
}
