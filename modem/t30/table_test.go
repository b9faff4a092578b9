package t30_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the transcripts in testdata")

func said(from lt.Side, f t30.FCF, which ...int) lt.Match {
	m := lt.Command(from, byte(f))
	if len(which) == 0 {
		return m
	}
	return lt.Nth(m, which...)
}

func sender(f t30.FCF, which ...int) lt.Match   { return said(lt.Caller, f, which...) }
func receiver(f t30.FCF, which ...int) lt.Match { return said(lt.Called, f, which...) }

func answer(f t30.FCF, fif ...byte) lt.Damage {
	return lt.Replace(hdlc.Append(nil, true, byte(f), fif...))
}

// say has a V.21 frame come in place of an image signal.
func say(f t30.FCF, fif ...byte) lt.Damage {
	return func(t *lt.Transmission) {
		t.Signal = line.Signal{Kind: line.Frames, Rate: line.V21, Frames: [][]byte{hdlc.Append(nil, true, byte(f), fif...)}}
	}
}

type row struct {
	name   string
	call   call
	want   want
	golden bool   // keep its transcript in testdata
	says   string // what the sender's transcript must have in it, or the receiver's
}

var plain = without(everything(), dis.ECM, dis.MMR)

func calls() []row {
	all := everything()
	ecm := func(sizes ...int) call { return call{sender: all, receiver: all, pages: pages(sizes...)} }
	non := func(sizes ...int) call { return call{sender: plain, receiver: all, pages: pages(sizes...)} }
	with := func(c call, d ...lt.Damage) call { c.damage = lt.Each(d...); return c }
	disk := func(c call, slow int) call { c.slow = slow; return c }
	ok := func(n int) want { return want{confirmed: n} }
	var (
		blocks = lt.Kind(lt.Caller, line.Block)
		image  = lt.Kind(lt.Caller, line.Page)
		tcf    = lt.Kind(lt.Caller, line.Training)
	)
	poor := call{sender: plain, receiver: all, pages: pages(3000, 3000), quality: []t30.Quality{{Rows: 1000, BadRows: 151}}}
	last := poor
	last.pages = pages(3000)
	rtp := poor
	rtp.quality = []t30.Quality{{Rows: 1000, BadRows: 60}}
	hopeless := poor
	hopeless.quality = []t30.Quality{{Rows: 100, BadRows: 90}, {Rows: 100, BadRows: 90}, {Rows: 100, BadRows: 90}}
	mixed := func(c call) call { c.formats = []dis.Format{standard, fine}; return c }
	noStore := ecm(2000)
	noStore.storeErr = errDisk
	noRecord := ecm(2000, 2000)
	noRecord.confirmErr = errDisk
	deaf := ecm(2000)
	deaf.receiver = without(all, dis.Receive)
	coarse := ecm(2000)
	coarse.receiver = without(all, dis.Fine)
	coarse.formats = []dis.Format{fine}
	resume := ecm(2000, 2000, 2000)
	resume.first = 1
	slow := ecm(4000)
	slow.maxRate = line.V27ter4800
	v29 := ecm(4000)
	v29.receiver[dis.Rate] = dis.V27terV29
	small := ecm(4000)
	small.receiver[dis.Prefer64] = 1
	apart := non(3000, 3000)
	apart.separate = 1
	prefers64 := func(c call) call { c.receiver = without(all); c.receiver[dis.Prefer64] = 1; return c }
	many := ecm(slices.Repeat([]int{30}, 300)...)
	empty := func(c call, times int) call { c.quality = make([]t30.Quality, times); return c }
	rated := func(c call, q ...t30.Quality) call { c.quality = q; return c }
	slowest := func(size int) call { c := ecm(size); c.maxRate = line.V27ter2400; return c }

	return []row{
		{"ecm one page", ecm(20000), ok(1), true, "MMR"},
		{"ecm three pages", ecm(20000, 300, 7000), ok(3), true, "PPS-MPS page 1"},
		{"plain one page", non(20000), ok(1), true, "V.17 14400 short"},
		{"plain three pages", non(20000, 300, 7000), ok(3), false, ""},
		{"two blocks", ecm(70000), ok(1), true, "PPS-NULL page 0 block 0 frames 256"},
		{"exactly one block", ecm(65536), ok(1), false, "PPS-EOP page 0 block 0 frames 256"},
		{"one octet more", ecm(65537), ok(1), false, "PPS-EOP page 0 block 1 frames 1"},
		{"resumed", resume, want{confirmed: 2, stored: []int{1, 2}}, false, "PPS-EOP page 1"},
		{"limited rate", slow, ok(1), false, "V.27ter 4800"},
		{"receiver without V.17", v29, ok(1), false, "V.29 9600"},
		{"octets in frames of 64", small, ok(1), false, "64-octet frames"},
		{"two documents", apart, ok(2), true, "EOM"},
		{"CRP after CFR", with(ecm(2000), lt.When(lt.Nth(blocks, 1), say(t30.CRP))), ok(1), false, "CRP"},
		{"CRP after FTT", with(ecm(2000), lt.When(lt.Nth(tcf, 1), lt.Garble), lt.When(sender(t30.DCS, 2), answer(t30.CRP)), lt.When(lt.Nth(tcf, 2), lt.Lose)), ok(1), false, "CRP"},
		{"ecm change of format", mixed(ecm(2000, 3000)), ok(2), true, "PPS-EOM"},
		{"plain change of format", mixed(non(2000, 3000)), ok(2), false, "EOM"},

		{"ladder", with(ecm(4000), lt.BadTraining(line.V29x9600)), ok(1), true, "fall back from V.17 9600 to V.29 9600"},
		{"ladder to the ground", with(ecm(2000), lt.BadTraining(line.V27ter2400)), ok(1), false, "V.27ter 2400"},
		{"no training", with(ecm(2000), lt.BadTraining(line.V21)), want{sent: status.TrainingFailed, received: status.SenderLeft, stored: []int{}}, true, ""},
		{"training unheard", with(ecm(2000), lt.When(lt.Nth(tcf, 1), lt.Lose)), ok(1), false, "FTT"},
		{"training garbled", with(ecm(2000), lt.When(lt.Nth(tcf, 1), lt.Garble)), ok(1), false, "FTT"},

		{"DIS lost", with(ecm(2000), lt.When(receiver(t30.DIS, 1, 2), lt.Lose)), ok(1), false, ""},
		{"DIS bad", with(ecm(2000), lt.When(receiver(t30.DIS, 1), lt.BadFrames())), ok(1), false, ""},
		{"DCS lost", with(ecm(2000), lt.When(sender(t30.DCS, 1), lt.Lose)), ok(1), true, ""},
		{"DCS bad", with(ecm(2000), lt.When(sender(t30.DCS, 1, 2), lt.BadFrames())), ok(1), false, ""},
		{"CFR lost", with(ecm(2000), lt.When(receiver(t30.CFR, 1), lt.Lose)), ok(1), true, ""},
		{"FTT lost", with(ecm(2000), lt.When(lt.Nth(tcf, 1), lt.Garble), lt.When(receiver(t30.FTT, 1), lt.Lose)), ok(1), false, ""},

		{"plain MCF lost", with(non(6000, 6000), lt.When(receiver(t30.MCF, 1), lt.Lose)), ok(2), true, ""},
		{"plain last MCF lost twice", with(non(6000), lt.When(receiver(t30.MCF, 1, 2), lt.Lose)), ok(1), false, ""},
		{"plain MCF bad", with(non(6000, 6000), lt.When(receiver(t30.MCF, 1), lt.BadFrames())), ok(2), false, ""},
		{"plain MPS lost", with(non(6000, 6000), lt.When(sender(t30.MPS, 1), lt.Lose)), ok(2), false, ""},
		{"plain EOP bad", with(non(6000), lt.When(sender(t30.EOP, 1), lt.BadFrames())), ok(1), false, ""},
		{"plain CRP", with(non(6000), lt.When(receiver(t30.MCF, 1), answer(t30.CRP))), ok(1), false, "CRP"},
		{"plain CRP as often as allowed", with(non(6000), lt.When(receiver(t30.MCF, 1, 2), answer(t30.CRP))), ok(1), false, "CRP"},
		{"plain CRP for ever", with(non(6000), lt.When(receiver(t30.MCF), answer(t30.CRP))), want{sent: status.NoResponse}, false, "CRP"},
		{"plain unknown answer", with(non(6000), lt.When(receiver(t30.MCF), answer(t30.NULL))), want{sent: status.BadResponse}, false, "out of place"},
		{"plain PIP", with(non(6000), lt.When(receiver(t30.MCF, 1), answer(t30.PIP))), ok(1), false, "PIP"},
		{"plain page garbled", with(non(6000), lt.When(image, lt.Garble)), want{sent: status.PageRejected, received: status.SenderLeft, stored: []int{}}, true, "no page before"},
		{"plain second page garbled", with(non(6000, 6000), lt.When(lt.Nth(image, 2), lt.Garble)), want{sent: status.PageRejected, received: status.SenderLeft, confirmed: 1, stored: []int{0}}, false, "no page before"},
		{"plain second page unheard", with(non(6000, 6000), lt.When(lt.Nth(image, 2), lt.Lose)), want{sent: status.PageRejected, received: status.SenderLeft, confirmed: 1, stored: []int{0}}, false, ""},
		{"plain short page garbled", with(non(6000, 300, 300), lt.When(lt.Nth(image, 2), lt.Garble)), ok(3), false, "no page before"},
		{"plain middle page unheard", with(non(6000, 6000, 6000), lt.When(lt.Nth(image, 2), lt.Lose)), ok(3), false, "no page before"},
		{"plain training missed", with(non(20000, 20000, 6000), lt.When(lt.Nth(image, 2), lt.Untrain)), ok(3), true, "whose training was missed"},
		{"plain training missed twice", with(non(20000, 6000), lt.When(lt.Nth(image, 1, 2), lt.Untrain)), ok(2), false, "V.17 9600"},
		{"plain training always missed", with(non(20000, 6000), lt.When(image, lt.Untrain)), want{sent: status.Disconnected, received: status.Fruitless, stored: []int{}}, false, "> RTN"},
		{"plain training missed before EOM", mixed(with(non(20000, 6000), lt.When(lt.Nth(image, 1), lt.Untrain))), ok(2), false, "> RTN"},
		{"plain short page untrained", with(non(300, 300, 300), lt.When(lt.Nth(image, 2), lt.Untrain)), ok(3), false, "no page before"},
		{"plain carrier lost", rated(with(non(40000, 6000), lt.When(lt.Nth(image, 1), lt.Break(4*time.Second))), t30.Quality{Rows: 300, Cut: true}), ok(2), true, "> RTN"},
		{"plain nothing in the page", empty(non(6000, 6000), 1), want{sent: status.Disconnected, received: status.NotStored, stored: []int{}}, false, ""},
		{"plain RTN", poor, ok(2), true, "send page 0 again at V.17 12000"},
		{"plain RTP", rtp, ok(2), true, ""},
		{"plain RTN at the end", last, want{sent: status.PageRejected, received: status.SenderLeft, stored: []int{}}, false, ""},
		{"plain RTN before another document", mixed(poor), ok(2), false, "send page 0 again"},
		{"plain always RTN", hopeless, want{sent: status.PageRejected, received: status.SenderLeft, stored: []int{}}, false, ""},

		{"ecm PPR", with(ecm(20000), lt.When(lt.Nth(blocks, 1), lt.BadFrames(3, 4, 5, 78))), ok(1), true, "PPR 3-5 78"},
		{"ecm two PPR", with(ecm(20000), lt.When(lt.Nth(blocks, 1), lt.BadFrames(0, 3)), lt.When(lt.Nth(blocks, 2), lt.BadFrames(1))), ok(1), false, "PPR 3"},
		{"ecm training missed", with(ecm(30000), lt.When(lt.Nth(blocks, 1), lt.Untrain)), ok(1), true, "PPR 0-255"},
		{"ecm training missed four times", with(ecm(30000), lt.When(lt.Nth(blocks, 1, 2, 3, 4), lt.Untrain)), ok(1), false, "CTC V.17 12000"},
		{"ecm training of a middle block missed", with(ecm(150000, 2000), lt.When(lt.Nth(blocks, 2), lt.Untrain)), ok(2), false, "PPR 0-255"},
		{"ecm training missed at 2400 bit/s", with(slowest(60000), lt.When(lt.Nth(blocks, 1), lt.Untrain)), ok(1), false, "PPR 0-255"},
		{"ecm carrier lost", with(ecm(60000), lt.When(lt.Nth(blocks, 1), lt.Break(4*time.Second))), ok(1), true, "PPR 25-255"},
		{"ecm carrier lost at 2400 bit/s", with(slowest(65536), lt.When(lt.Nth(blocks, 1), lt.Break(4*time.Second))), ok(1), false, "PPR 3-255"},
		{"ecm block lost", with(ecm(2000), lt.When(lt.Nth(blocks, 1), lt.Lose)), ok(1), false, "PPR 0-255"},
		{"ecm block garbled", with(ecm(70000), lt.When(lt.Nth(blocks, 2), lt.Garble)), ok(1), false, "PPR 0-255"},
		{"ecm middle block garbled", with(ecm(150000), lt.When(lt.Nth(blocks, 2), lt.Garble)), ok(1), false, "PPR 0-255"},
		{"ecm middle page garbled", with(ecm(2000, 3000, 4000), lt.When(lt.Nth(blocks, 2), lt.Garble)), ok(3), false, "PPR 0-255"},
		{"ecm RCP lost", with(ecm(200), lt.When(lt.Nth(blocks, 1), lt.BadFrames(1, 2, 3))), ok(1), false, ""},
		{"ecm PPS lost", with(ecm(20000, 2000), lt.When(sender(t30.PPS, 1), lt.Lose)), ok(2), true, ""},
		{"ecm PPS bad", with(ecm(20000, 2000), lt.When(sender(t30.PPS, 1, 3), lt.BadFrames())), ok(2), false, ""},
		{"ecm MCF lost", with(ecm(20000, 2000), lt.When(receiver(t30.MCF, 1), lt.Lose)), ok(2), true, ""},
		{"ecm last MCF lost twice", with(ecm(2000), lt.When(receiver(t30.MCF, 1, 2), lt.Lose)), ok(1), false, ""},
		{"ecm NULL MCF lost", with(ecm(70000), lt.When(receiver(t30.MCF, 1), lt.Lose)), ok(1), false, ""},
		{"ecm PPR lost", with(ecm(20000), lt.When(lt.Nth(blocks, 1), lt.BadFrames(7)), lt.When(receiver(t30.PPR, 1), lt.Lose)), ok(1), false, ""},
		{"ecm fourth PPR", with(ecm(20000), lt.When(lt.Nth(blocks, 1, 2, 3, 4), lt.BadFrames(0, 1, 2))), ok(1), true, "CTC V.17 14400"},
		{"ecm slower by CTC", with(ecm(2000), lt.When(lt.Nth(blocks, 1, 2, 3, 4), lt.BadFrames())), ok(1), true, "CTC V.17 12000"},
		{"ecm CTR lost", with(ecm(2000), lt.When(lt.Nth(blocks, 1, 2, 3, 4), lt.BadFrames()), lt.When(receiver(t30.CTR, 1), lt.Lose)), ok(1), false, ""},
		{"ecm beyond correction", with(ecm(2000), lt.When(blocks, lt.BadFrames())), want{sent: status.ECMFailed, received: status.PageAbandoned, stored: []int{}}, false, "EOR-EOP"},
		{"ecm RNR", with(ecm(2000), lt.When(receiver(t30.MCF, 1, 2), answer(t30.RNR))), ok(1), true, "RR"},
		{"ecm RNR for ever", with(ecm(2000), lt.When(receiver(t30.MCF), answer(t30.RNR))), want{sent: status.RemoteBusy}, false, "RR"},
		{"ecm empty PPR", with(ecm(2000), lt.When(receiver(t30.MCF, 1), answer(t30.PPR, make([]byte, 32)...))), ok(1), false, "PPR none"},
		{"ecm short PPR", with(ecm(2000), lt.When(receiver(t30.MCF, 1), answer(t30.PPR, 1))), want{sent: status.BadResponse}, false, ""},
		{"ecm slow disk", disk(ecm(2000, 3000), 3), ok(2), true, "RNR"},
		{"ecm slow disk, RNR lost", with(disk(ecm(2000), 3), lt.When(receiver(t30.RNR, 1), lt.Lose)), ok(1), false, "RNR"},
		{"ecm dead disk", disk(ecm(2000), 1000), want{sent: status.Disconnected, received: status.NotStored, stored: []int{}}, false, "RNR"},
		{"plain slow disk", disk(non(2000, 3000), 3), ok(2), false, ""},
		{"plain dead disk", disk(non(2000), 1000), want{sent: status.Disconnected, received: status.NotStored, stored: []int{}}, false, ""},
		{"three hundred blocks of 64-octet frames", prefers64(ecm(300*16384, 100)), ok(2), false, "PPS-NULL page 0 block 255"},
		{"three hundred pages", many, ok(300), false, "page 255"},
		{"plain PIN", with(non(6000, 2000), lt.When(receiver(t30.MCF, 1), answer(t30.PIN)), lt.When(receiver(t30.MCF, 2), lt.Lose)), want{sent: status.OK, stored: []int{0, 0, 1}, confirmed: 2}, false, "PIN"},
		{"CRP for PPS", with(ecm(2000), lt.When(sender(t30.PPS, 1), answer(t30.CRP))), ok(1), false, "CRP"},
		{"ecm EOR", with(ecm(2000), lt.When(sender(t30.PPS), answer(t30.EOR, byte(t30.EOP)))), want{sent: status.BadResponse, received: status.PageAbandoned, stored: []int{}}, false, "ERR"},

		{"echo of EOP", with(non(6000), lt.When(receiver(t30.MCF, 1), answer(t30.EOP|1))), ok(1), false, "echo"},
		{"odd answers", with(non(6000), lt.When(receiver(t30.MCF), answer(t30.CFR))), want{sent: status.BadResponse, received: status.OK, stored: []int{0}}, false, "does not answer"},
		{"DCN for DIS", with(ecm(2000), lt.When(receiver(t30.DIS), answer(t30.DCN))), want{sent: status.Disconnected, received: status.LineDropped, stored: []int{}}, false, ""},
		{"DCN for CFR", with(ecm(2000), lt.When(receiver(t30.CFR), answer(t30.DCN))), want{sent: status.Disconnected, received: status.LineDropped, stored: []int{}}, false, ""},
		{"DCN for last MCF", with(non(6000), lt.When(receiver(t30.MCF), answer(t30.DCN))), want{sent: status.Disconnected}, false, ""},
		{"DCN lost", with(ecm(2000), lt.When(sender(t30.DCN), lt.Lose)), ok(1), false, ""},
		{"no answer to DCS", with(ecm(2000), lt.When(sender(t30.DCS), lt.Lose), lt.When(tcf, lt.Lose)), want{sent: status.NoTrainResponse, received: status.SenderLeft, stored: []int{}}, false, ""},
		{"block lost for longer than T2", with(ecm(20000), lt.When(lt.Nth(blocks, 1), lt.Lose)), want{sent: status.LineDropped, received: status.NoCommand, stored: []int{}}, false, ""},
		{"no fax machine", with(ecm(2000), lt.When(receiver(t30.DIS), lt.Lose)), want{sent: status.NoIdentification, received: status.LineDropped, tie: status.NoCommand, stored: []int{}}, false, ""},

		{"cannot receive", deaf, want{sent: status.CannotReceive, received: status.SenderLeft, stored: []int{}}, false, ""},
		{"too fine", coarse, ok(1), false, "DCS receive, V.17 14400, 215 mm"},
		{"not stored", noStore, want{sent: status.Disconnected, received: status.NotStored, stored: []int{}}, true, ""},
		{"not recorded", noRecord, want{sent: status.NotRecorded, received: status.SenderLeft, stored: []int{0}}, false, ""},
		{"nothing in the page", empty(ecm(2000), 1), want{sent: status.Disconnected, received: status.NotStored, stored: []int{}}, false, ""},
		{"MMR without ECM", with(ecm(2000), lt.When(sender(t30.DCS), answer(t30.DCS, 0, 0x02|0x0C, 0x70, 0x40))), want{sent: status.Disconnected, received: status.RecvBadFormat, stored: []int{}}, false, ""},

		{"hang up at DIS", with(ecm(2000), lt.When(receiver(t30.DIS), lt.HangUp)), want{sent: status.LineDropped, received: status.LineDropped, stored: []int{}}, false, ""},
		{"hang up at TCF", with(ecm(2000), lt.When(tcf, lt.HangUp)), want{sent: status.LineDropped, received: status.LineDropped, stored: []int{}}, false, ""},
		{"hang up at CFR", with(ecm(2000), lt.When(receiver(t30.CFR), lt.HangUp)), want{sent: status.LineDropped, received: status.LineDropped, stored: []int{}}, false, ""},
		{"hang up at the second page", with(ecm(2000, 2000), lt.When(lt.Nth(blocks, 2), lt.HangUp)), want{sent: status.LineDropped, received: status.LineDropped, confirmed: 1, stored: []int{0}}, false, ""},
		{"hang up at EOP", with(non(2000), lt.When(sender(t30.EOP), lt.HangUp)), want{sent: status.LineDropped, received: status.LineDropped, stored: []int{}}, false, ""},
		{"hang up at MCF", with(non(2000), lt.When(receiver(t30.MCF), lt.HangUp)), want{sent: status.LineDropped, received: status.LineDropped}, false, ""},
		{"hang up at DCN", with(non(2000), lt.When(sender(t30.DCN), lt.HangUp)), ok(1), false, ""},
	}
}

func TestCalls(t *testing.T) {
	for _, r := range calls() {
		t.Run(r.name, func(t *testing.T) {
			out := r.call.run(t)
			if tied := r.want.tie != status.OK && out.received.Status == r.want.tie; out.sent.Status != r.want.sent || out.received.Status != r.want.received && !tied {
				t.Errorf("ended %v and %v, want %v and %v", out.sent.Status, out.received.Status, r.want.sent, r.want.received)
			}
			if len(out.confirmed) != r.want.confirmed && r.want.sent != status.NotRecorded {
				t.Errorf("pages %v confirmed, want %d", out.confirmed, r.want.confirmed)
			}
			if out.sent.Status == status.OK && len(out.confirmed) != len(r.call.pages)-r.call.first {
				t.Errorf("success with pages %v confirmed", out.confirmed)
			}
			want := r.call.pages
			if r.want.stored != nil {
				want = nil
				for _, i := range r.want.stored {
					want = append(want, r.call.pages[i])
				}
			}
			same(t, out.stored, want)
			text := "sender\n" + out.sent.Transcript + "receiver\n" + out.received.Transcript
			if !strings.Contains(text, r.says) {
				t.Errorf("transcript lacks %q", r.says)
			}
			if r.golden {
				golden(t, r.name, text)
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// golden compares text with a file in testdata. Only commit a rewritten file if
// you understand what changed it.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
	if *rewrite {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (make it with -rewrite)", err)
	}
	if string(want) != text {
		t.Errorf("transcript differs from %s:\n%s", file, text)
	}
}
