package cluster

import (
	"path/filepath"

	"github.com/faxmesh/faxmesh/cluster/blob"
)

// openDocuments opens the store of this node's documents. Its key lies beside
// it: a disk that is thrown away with the key on it is as good as plain, but a
// backup of the documents alone tells nothing.
func (c *Cluster) openDocuments(dir string) (*blob.Store, error) {
	store := filepath.Join(dir, blobDir)
	key, err := blob.LoadKey(filepath.Join(dir, blobKey), store, !c.opt.Plain)
	if err != nil {
		return nil, err
	}
	return blob.Open(blob.Config{Dir: store, Key: key, Seal: !c.opt.Plain, Logger: c.opt.Logger})
}
