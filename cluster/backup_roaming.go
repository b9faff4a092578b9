package cluster

import (
	"archive/tar"
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// backUpRoaming writes the profiles and address books as this node has them, a
// page in each entry.
func (c *Cluster) backUpRoaming(w *tar.Writer) error {
	after := ""
	for n := 1; ; n++ {
		p, err := c.roamers.store.Copy(time.Now(), roaming.Want{After: after})
		if err != nil {
			return err
		}
		if err := writeEntry(w, fmt.Sprintf("%s%09d", folderRoaming, n), p.Encode()); err != nil {
			return err
		}
		if !p.More {
			return nil
		}
		after = p.Last
	}
}

// roamingPages are the profiles and address books in a backup, page by page.
type roamingPages struct {
	store *roaming.Store // that takes them; nil if they are only looked at
	begun bool
	over  bool
	after string
	first roaming.Vector
	held  roaming.Vector
}

var errRoaming = errors.New("the pages of profiles and address books do not follow one another")

// take takes the next page.
func (r *roamingPages) take(data []byte) error {
	p, err := roaming.DecodePage(data)
	if err != nil {
		return err
	}
	if r.over || p.More && p.Last <= r.after {
		return errRoaming
	}
	if !r.begun {
		r.begun, r.first, r.held = true, p.Vector, roaming.Vector{}
	}
	if r.store != nil {
		// A clock that is behind the one of the backup holds nothing back.
		m, err := r.store.MergeCopy(max(fax.At(time.Now()), p.Wall).Time(), r.after, p)
		if err != nil {
			return err
		}
		for o, seq := range m.Held {
			if h := r.held[o]; h == 0 || seq < h {
				r.held[o] = seq
			}
		}
	}
	r.after, r.over = p.Last, !p.More
	if r.over && r.store != nil {
		return r.store.EndCopy(r.first, r.held)
	}
	return nil
}

// whole says whether the last page was there, if there was a first.
func (r *roamingPages) whole() error {
	if r.begun && !r.over {
		return errRoaming
	}
	return nil
}
