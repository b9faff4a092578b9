//go:build linux

package scenario

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// fairConversion is what a node may need, in MiB, while it refuses documents.
const fairConversion = 256

// badDocuments: each is refused with a reason, and costs the node neither
// memory nor disk.
func badDocuments(t *testing.T, n *node) {
	before := documentsOf(t, n)
	n.proc.bounded(t, fairConversion, func() {
		for name, c := range map[string]struct {
			content []byte
			kind    fax.Kind
			words   []string
		}{
			"beyond.tif":    {[]byte("II*\x00\xf0\xff\xff\xff"), fax.Invalid, []string{"document is damaged", "it points outside the file"}},
			"header.tif":    {[]byte("MM\x00*"), fax.Invalid, []string{"document is damaged"}},
			"no pages.tif":  {[]byte("II*\x00\x00\x00\x00\x00"), fax.Invalid, []string{"it has no pages"}},
			"fields.tif":    {[]byte("II*\x00\x08\x00\x00\x00\xff\xff"), fax.TooLarge, []string{"it has 65535 fields"}},
			"itself.tif":    {directories(8, 8), fax.Invalid, []string{"leads back to an earlier one"}},
			"cycle.tif":     {directories(8, 26, 44, 26), fax.Invalid, []string{"leads back to an earlier one"}},
			"bomb.png":      {pngHeader(60_000, 60_000), fax.TooLarge, []string{"60000 x 60000 pixels, at most 41943040 are taken"}},
			"endless.png":   {pngHeader(1<<27, 1<<27), fax.TooLarge, []string{"pixels, at most"}},
			"overflow.png":  {pngHeader(1<<31-1, 1<<31-1), fax.Unsupported, []string{"dimension overflow"}},
			"ribbon.png":    {pngHeader(1, 60_000), fax.Unsupported, []string{"too narrow"}},
			"cut.png":       {pngHeader(1728, 2200), fax.Invalid, []string{"document is damaged", "the PNG picture cannot be read"}},
			"cut.jpg":       {half(picture(t)), fax.Invalid, []string{"document is damaged", "the JPEG picture cannot be read"}},
			"begun.jpg":     {[]byte("\xff\xd8\xff\xe0"), fax.Invalid, []string{"the JPEG picture cannot be read"}},
			"letter.pdf":    {[]byte("%PDF-1.7\n1 0 obj <<>> endobj\n"), fax.Unsupported, []string{"it is a PDF document; accepted are TIFF-F, PNG, JPEG and plain text in UTF-8"}},
			"letter.docx":   {[]byte("PK\x03\x04\x14\x00"), fax.Unsupported, []string{"an archive or an office document"}},
			"letter.txt":    {[]byte("PDF is what this is not\x00\x01\x02"), fax.Unsupported, []string{"of an unknown kind"}},
			"long text.txt": {bytes.Repeat([]byte("once more\n"), 1<<19), fax.TooLarge, []string{"document is too large"}},
		} {
			refusedDocument(t, n, name, c.content, c.kind, c.words)
		}
		announced(t, n)
		streamed(t, n)
	})
	empty := n.lab.file(t, "empty.txt", nil)
	n.lab.done(t, "faxmesh", "login", "admin@"+n.clients, "--password-file", n.lab.path("admin.pw"))
	n.lab.refused(t, nil, 1, []string{"empty.txt is empty; there is nothing to send"}, "faxmesh", "send", "0301", empty)
	pdf := n.lab.file(t, "letter.pdf", []byte("%PDF-1.7\n"))
	n.lab.refused(t, nil, 1, []string{"it is a PDF document; accepted are TIFF-F"}, "faxmesh", "send", "0301", pdf)
	n.lab.refused(t, nil, 1, []string{"is not a file"}, "faxmesh", "send", "0301", n.lab.dir)

	if after := documentsOf(t, n); after != before {
		t.Errorf("refused documents left %d octets on the node's disk", after-before)
	}
}

func refusedDocument(t *testing.T, n *node, name string, content []byte, kind fax.Kind, words []string) {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	c := n.login(t, "admin", adminPassword)
	defer c.Close()
	_, err := c.Submit(ctx, fax.Order{Number: "0301", Title: name}, bytes.NewReader(content), int64(len(content)), nil)
	kindOf(t, name, err, kind, words...)
	jobs, err := c.Jobs(ctx, fax.JobFilter{})
	if err != nil || len(jobs) != 0 {
		t.Errorf("after %s there are %d jobs, %v", name, len(jobs), err)
	}
}

// announced: what is too large, or is not what was announced, is refused
// before it has been sent.
func announced(t *testing.T, n *node) {
	t.Helper()
	s := known(t, loopback(t, "strangers"), n.clients)
	s.asks(t, wire.CmdUpload, &wire.Upload{Size: 1 << 30})
	kindOf(t, "1 GB", s.refused(t), fax.TooLarge, "256 MiB")
	s.asks(t, wire.CmdUpload, &wire.Upload{Size: 0})
	kindOf(t, "nothing", s.refused(t), fax.Invalid, "the document is empty")
	s.asks(t, wire.CmdUpload, &wire.Upload{Size: -7})
	kindOf(t, "less than nothing", s.refused(t), fax.Invalid, "makes no sense")
	id := s.asks(t, wire.CmdUpload, &wire.Upload{Size: 10})
	if f := s.hears(t); f.Type != wire.RES {
		t.Fatalf("10 octets are answered with %s", f.Type)
	}
	if _, err := s.Write(frame(wire.DATA, id, make([]byte, 11))); err != nil {
		t.Fatal(err)
	}
	kindOf(t, "11 octets of 10", s.refused(t), fax.Invalid, "the document was announced with 10 octets but has more")
}

// endless is a document without an end.
type endless struct{ given atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.given.Add(int64(len(p)))
	return len(p), nil
}

// streamed: a document of unknown size is refused when it passes the limit,
// and has not filled the disk by then.
func streamed(t *testing.T, n *node) {
	t.Helper()
	c := n.login(t, "admin", adminPassword)
	defer c.Close()
	before := documentsOf(t, n)
	var most atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-time.After(20 * time.Millisecond):
				most.Store(max(most.Load(), documentsOf(t, n)))
			case <-stop:
				return
			}
		}
	}()
	var document endless
	ctx, cancel := asking(t)
	defer cancel()
	_, err := c.Submit(ctx, fax.Order{Number: "0301", Title: "endless"}, io.Reader(&document), -1, nil)
	close(stop)
	<-stopped
	kindOf(t, "an endless document", err, fax.TooLarge, "256 MiB")
	if given := document.given.Load(); given < wire.MaxDocument || given > wire.MaxDocument+wire.Window+(1<<20) {
		t.Errorf("%d octets were taken of the endless document", given)
	}
	if took := most.Load() - before; took > wire.MaxDocument || took < wire.MaxDocument/8 {
		t.Errorf("the endless document took %d octets of the node's disk", took)
	}
	until(t, "the endless document is off the disk", closeTime, func() bool { return documentsOf(t, n) == before })
}

// documentsOf is the octets of all documents on a node's disk, those that are
// under way included. (The databases take room beforehand, as it suits them.)
func documentsOf(t *testing.T, n *node) int64 {
	dir := n.lab.path(n.name)
	return treeSize(t, filepath.Join(dir, "uploads")) + treeSize(t, filepath.Join(dir, "scratch")) + treeSize(t, filepath.Join(dir, "cluster", "documents"))
}

// treeSize is the octets of all files under a directory.
func treeSize(t *testing.T, dir string) (total int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		total += info.Size()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return total
}

// ignoreGone: files come and go while a node runs.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// directories is a TIFF file of empty directories at octet 8 and so on, each
// of which names the next: 8, 26, 44 are one behind the other.
func directories(first uint32, next ...uint32) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("II*\x00"), first)
	for _, at := range next {
		b = binary.LittleEndian.AppendUint16(b, 1) // one field, ImageWidth, SHORT, 1728
		b = append(b, 0x00, 0x01, 3, 0, 1, 0, 0, 0, 0xC0, 0x06, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, at)
	}
	return b
}

// pngHeader is a PNG file of grey pixels that ends behind its header.
func pngHeader(width, height uint32) []byte {
	chunk := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	chunk = binary.BigEndian.AppendUint32(chunk, height)
	chunk = append(chunk, 8, 0, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(b, chunk...), crc32.ChecksumIEEE(chunk))
}

func picture(t *testing.T) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 800, 1100))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i >> 7)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func half(b []byte) []byte { return b[:len(b)/2] }
