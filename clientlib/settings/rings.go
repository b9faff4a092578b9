package settings

import (
	"fmt"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// parseRings reads which number each distinctive ring of a line means, as
// B:5550102,C:5550103. A ring is one letter or digit, as modems name it.
func parseRings(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	rings := map[string]string{}
	for item := range strings.SplitSeq(text, ",") {
		ring, number, found := strings.Cut(strings.TrimSpace(item), ":")
		ring = strings.ToUpper(strings.TrimSpace(ring))
		number = strings.TrimSpace(number)
		if !found || len(ring) != 1 || !(ring >= "A" && ring <= "Z" || ring >= "0" && ring <= "9") {
			return nil, fmt.Errorf("%q is not RING:NUMBER with one letter or digit for the ring, as B:5550102", item)
		}
		if rings[ring] != "" {
			return nil, fmt.Errorf("has the ring %s twice", ring)
		}
		if err := fax.CheckNumber(number); err != nil {
			return nil, fmt.Errorf("has a bad number: %w", err)
		}
		rings[ring] = number
	}
	return rings, nil
}
