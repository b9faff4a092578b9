// Command faxmeshd is a node of a fax cluster.
package main

import (
	"os"

	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func main() {
	t := terminal.System()
	os.Exit(t.Run(newRoot(t)))
}
