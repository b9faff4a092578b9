//go:build linux

package main

import (
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// readNews reads what every account was told, in order, from a ledger.
func readNews(l *ledger.Ledger) (map[string][]fax.Event, error) {
	accounts, err := l.Accounts()
	if err != nil {
		return nil, err
	}
	news := map[string][]fax.Event{}
	for _, a := range accounts {
		for after := uint64(0); ; {
			some, err := l.Events(a.Name, after, 0)
			if err != nil {
				return nil, err
			}
			if len(some) == 0 {
				break
			}
			news[a.Name] = append(news[a.Name], some...)
			after = some[len(some)-1].Seq
		}
	}
	return news, nil
}

// checkNews: no number is missing in what an account was told, nothing is told
// twice, and a fax is told to be sent if it is, once.
func checkNews(v *verdict, f facts) {
	for name, n := range f.nodes {
		sent := map[string]int{}
		for account, news := range n.news {
			told := map[fax.Event]bool{}
			for i, e := range news {
				if i > 0 && e.Seq != news[i-1].Seq+1 {
					v.violate("at %s event %d of %s follows %d", name, e.Seq, account, news[i-1].Seq)
				}
				if told[e.Identity()] {
					v.violate("at %s %s is told twice of %s of %s", name, account, e.Kind, e.Fax)
				}
				told[e.Identity()] = true
				if e.Kind == fax.EventSent {
					sent[e.Fax]++
				}
			}
		}
		for _, o := range f.orders {
			if j, ok := n.jobs[o.Job]; ok && (j.State == fax.Done) != (sent[o.Job] == 1) {
				v.violate("at %s job %s is %s and was told to be sent %d times", name, o.Job, j.State, sent[o.Job])
			}
		}
	}
}
