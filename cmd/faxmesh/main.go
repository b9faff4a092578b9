// Command faxmesh is what people type: clerks to send and read faxes,
// administrators to run the system.
package main

import (
	"os"

	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func main() {
	t := terminal.System()
	os.Exit(t.Run(newRoot(t)))
}
