package station_test

import (
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/station"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// A station hangs up when it hears V.17. The next call begins below that; in
// two days V.17 is tried again.
func Example() {
	var known station.Known
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	known = known.Learn(status.Disconnected, t30.Seen{
		Can:     dis.Capabilities{dis.Receive: 1, dis.Rate: dis.V27terV29V17},
		Began:   line.V17x14400,
		Waiting: line.V17x14400,
	}, now)
	fmt.Printf("%q\n", known.Advise(now.Add(5*time.Minute)))
	fmt.Printf("%q\n", known.Advise(now.Add(48*time.Hour)))
	// Output:
	// "V.29 9600 at most"
	// ""
}
