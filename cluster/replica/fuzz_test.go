package replica

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/faxmesh/faxmesh/cluster/peer"
)

// Whatever another node says, this one answers within bounds, and stores only
// what has the hash announced.
func FuzzServe(f *testing.F) {
	hash := make([]byte, hashLen)
	put := slices.Concat([]byte{0, 0, 0, 41, opPut}, hash, []byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte("x"))
	f.Add(put)
	f.Add(slices.Concat([]byte{0, 0, 0, 33, opGet}, hash))
	f.Add(slices.Concat([]byte{0, 0, 0, 65, opHas}, hash, hash))
	f.Add(slices.Concat([]byte{0, 0, 0, 33, opNamed}, hash))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	empty := []byte("\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55")
	f.Add(slices.Concat([]byte{0, 0, 0, 41, opPut}, empty, make([]byte, 8)))
	w := newTown()
	w.settle(f, 1, "north")
	north := w.nodes["north"]
	f.Fuzz(func(t *testing.T, said []byte) {
		here, there := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			north.serveAll(paced{here}) // whatever it says of it
			here.Close()
		}()
		go func() {
			there.Write(said)
			there.Close()
		}()
		answer, _ := io.ReadAll(there)
		if len(answer) > (1+len(said)/5)*(4+maxAnswer)+1024 {
			t.Fatalf("%d octets in answer", len(answer))
		}
		<-served
		for doc, err := range north.cfg.Store.List() {
			if err != nil {
				t.Fatal(err)
			}
			if err := north.cfg.Store.Verify(doc.Hash, func(int) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Whatever another node answers, nothing is taken in that has not the hash
// asked for, and as many answers come as questions were asked.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 9, codeSend, 0, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{0, 0, 0, 9, codeSend, 0xff, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{0, 0, 0, 3, codeDone, 1, 0})
	f.Add([]byte{0, 0, 0, 1, codeMissing})
	f.Add([]byte{0, 0, 0, 4, codeFailed, 'w', 'h', 'y'})
	f.Add([]byte{0, 0, 0, 0})
	w := newTown()
	w.settle(f, 1, "north")
	north := w.nodes["north"]
	wanted := []string{"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9825"}
	f.Fuzz(func(t *testing.T, answer []byte) {
		north.cfg.Dial = answering(answer)
		err := north.receive(t.Context(), "south", wanted[0])
		if stored := north.cfg.Store.Has(wanted[0]); (err == nil) != stored {
			t.Fatalf("stored: %v, %v", stored, err)
		} else if stored {
			if err := north.cfg.Store.Verify(wanted[0], func(int) error { return nil }); err != nil {
				t.Fatal(err)
			}
			north.cfg.Store.Touched()
			north.cfg.Store.Remove(wanted[0])
		}
		if has, err := north.ask(t.Context(), opHas, "south", wanted); err == nil && len(has) != len(wanted) {
			t.Fatal(has)
		}
	})
}

// answering dials somebody who listens and gives an answer.
func answering(answer []byte) func(context.Context, string) (net.Conn, error) {
	return func(context.Context, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			if _, err := peer.ReadFrame(there, maxOpFrame); err == nil {
				there.Write(answer)
			}
			there.Close()
		}()
		return here, nil
	}
}
