package desk

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// TestManyGuesses: passwords tried all at once are no more than those tried one
// after the other, but for those that are looked at already.
func TestManyGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := setUp(t)
		session := login(t, d, "other")
		for what, c := range map[string]struct {
			free  int
			wrong fax.Kind
			guess func(i int) error
		}{
			"an account": {freeOfAccount, fax.BadLogin, func(i int) error {
				remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 1)
				_, err := d.Login(t.Context(), fax.Login{Account: "clerk", Password: "wrong", Remote: remote})
				return err
			}},
			"an address": {freeOfAddress, fax.BadLogin, func(i int) error {
				_, err := d.Login(t.Context(), fax.Login{Account: fmt.Sprint("n", i), Password: "wrong", Remote: netip.MustParseAddrPort("192.0.2.77:1")})
				return err
			}},
			"the old password": {freeOfAccount, fax.NotAllowed, func(int) error {
				return d.SetPassword(t.Context(), session, "other", "wrong", "a new password")
			}},
		} {
			errs := make([]error, c.free+10)
			var guesses sync.WaitGroup
			for i := range errs {
				guesses.Go(func() { errs[i] = c.guess(i) })
			}
			guesses.Wait() // in no time, so that no block has run out
			tried := 0
			for _, err := range errs {
				if fax.KindOf(err) == fax.Busy {
					continue
				}
				wants(t, what, err, c.wrong)
				tried++
			}
			if tried <= c.free || tried > c.free+MaxHashing {
				t.Errorf("%s: %d guesses of %d were tried, %d are free", what, tried, len(errs), c.free)
			}
		}
	})
}
