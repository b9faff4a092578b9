package gossip

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// Keys are changed in three steps while nodes gossip; who has the old one alone
// is not heard any more, until he gets the new one.
func TestKeysAreChanged(t *testing.T) {
	first, second := newKey(), newKey()
	w := &town{nodes: map[string]*node{}}
	members := []string{"north", "south", "west"}
	north, south := w.settle(t, "north", first, members...), w.settle(t, "south", first, members...)
	for _, keys := range [][][]byte{{first, second}, {second, first}, {second}} {
		for _, n := range []*node{north, south} {
			if err := n.SetKeys(keys); err != nil {
				t.Fatal(err)
			}
		}
		if got := north.ring.GetKeys(); len(got) != len(keys) || string(got[0]) != string(keys[0]) {
			t.Fatalf("%d keys are on the ring, want %d", len(got), len(keys))
		}
	}
	if err := north.SetKeys(nil); err == nil {
		t.Error("gossip goes on without a key")
	}
	waitFor(t, "they see each other", func() bool { return north.sees("south") && south.sees("north") })
	if err := north.Broadcast("news", []byte("news")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "news is heard", func() bool { return south.hasHeard("news") })

	west := w.settle(t, "west", first, members...)
	west.call() // over streams, which are encrypted as well
	if north.sees("west") || west.sees("north") {
		t.Error("the old key is still understood")
	}
	if err := west.SetKeys([][]byte{second}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the new key is understood", func() bool { return north.sees("west") && west.sees("south") })
}

// Whatever comes to the UDP port from one without the key, no octet goes back.
func TestNoAnswerWithoutTheKey(t *testing.T) {
	w := &town{nodes: map[string]*node{}}
	north := w.settle(t, "north", newKey(), "north", "south")
	stranger, err := net.Dial("udp", north.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	// memberlist's ping in the clear, alone and with its label.
	from := stranger.LocalAddr().(*net.UDPAddr)
	ping := append([]byte{0}, "\x85\xa5SeqNo\x01\xa4Node\xa5north\xaaSourceNode\xa5south\xaaSourceAddr\xa4"...)
	ping = append(ping, from.IP.To4()...)
	ping = append(ping, "\xaaSourcePort\xcd"...)
	ping = binary.BigEndian.AppendUint16(ping, uint16(from.Port))
	labelled, err := memberlist.AddLabelHeaderToPacket(ping, "test")
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 1400)
	rand.Read(noise)
	for _, packet := range [][]byte{{}, {0}, ping, labelled, noise, noise[:44], append([]byte{1}, noise...)} {
		for range 3 {
			if _, err := stranger.Write(packet); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := w.settle(t, "south", north.ring.GetKeys()[0], "north", "south")
	waitFor(t, "it answers a member, who has asked later", func() bool { return north.sees("south") && other.sees("north") })
	stranger.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := stranger.Read(make([]byte, maxPacket)); err == nil {
		t.Errorf("a stranger gets %d octets", n)
	}
}
