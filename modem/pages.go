package modem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// desk carries out the orders that have to do with pages. Either side is nil in
// a call that goes one way.
type desk struct {
	out     *sending
	in      *receiving
	offered []*sending // for who fetches them
}

func (d desk) do(ctx context.Context, o t30.Order) t30.Event {
	switch o.Kind {
	case t30.Look, t30.Code, t30.Confirm:
		if d.out != nil {
			return d.out.do(o)
		}
		if o.Offer < len(d.offered) {
			return d.offered[o.Offer].do(o)
		}
	case t30.Judge, t30.Store:
		if d.in != nil {
			return d.in.do(ctx, o)
		}
	}
	return t30.Event{Err: fmt.Errorf("modem: order %d is not for this call", o.Kind)}
}

// sending hands out the pages of a document.
type sending struct {
	pages     Pages
	confirmed func(page int) error // may be nil
	held      [2]heldPage          // the page under way; the one after it
	converted []Conversion
}

type heldPage struct {
	index int
	page  Page
}

func (s *sending) do(o t30.Order) (in t30.Event) {
	switch o.Kind {
	case t30.Look:
		var p Page
		if p, in.Err = s.page(o.Page); in.Err == nil {
			in.Format = dis.Format{Width: p.Image.Width, Resolution: p.Resolution}
			in.Separate = p.Separate
		}
	case t30.Code:
		var b *t4.Bitmap
		if b, in.Err = s.fitted(o); in.Err == nil {
			in.Data = code(b, o.Session)
		}
	case t30.Confirm:
		if s.confirmed != nil {
			in.Err = s.confirmed(o.Page)
		}
	}
	return in
}

// page asks for page i unless it is one of the last two that were asked for.
func (s *sending) page(i int) (Page, error) {
	for _, h := range s.held {
		if h.page.Image != nil && h.index == i {
			return h.page, nil
		}
	}
	p, err := s.pages.Page(i)
	if err == nil && (p.Image == nil || p.Image.Width <= 0 || p.Image.Height <= 0) {
		err = errors.New("it is empty")
	}
	if err != nil {
		return Page{}, fmt.Errorf("page %d: %w", i+1, err)
	}
	if p.Resolution == (t4.Resolution{}) { // a file that tells none
		p.Resolution = t4.Standard
	}
	s.held = [2]heldPage{s.held[1], {i, p}}
	return p, nil
}

// fitted is a page as it goes to the remote station.
func (s *sending) fitted(o t30.Order) (*t4.Bitmap, error) {
	p, err := s.page(o.Page)
	if err != nil {
		return nil, err
	}
	f := o.Session.Format()
	b, err := fit(p, f, o.Remote.Rows(f.Resolution))
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", o.Page+1, err)
	}
	s.converted = slices.DeleteFunc(s.converted, func(c Conversion) bool { return c.Page == o.Page })
	if b != p.Image {
		s.converted = append(s.converted, Conversion{
			Page: o.Page,
			From: Shape{p.Image.Width, p.Image.Height, p.Resolution},
			To:   Shape{b.Width, b.Height, f.Resolution},
		})
	}
	return b, nil
}

// smallest is the share of its size, in percent, to which a page is reduced for
// its length. What is longer yet is a roll, not a page of any paper: it goes at
// full size, and the remote station takes as much to a sheet as it likes.
const smallest = 50

// fit converts a page to a format and to the length of the remote station's
// paper, in rows; 0: unlimited.
func fit(p Page, f dis.Format, rows int) (*t4.Bitmap, error) {
	b, err := t4.Fit(p.Image, p.Resolution, f.Resolution, f.Width)
	if err != nil || rows == 0 || b.Height <= rows || b.Height*smallest > rows*100 {
		return b, err
	}
	// To make a page shorter is to make it narrower and set it on its paper again.
	if b, err = t4.Fit(b, f.Resolution, f.Resolution, f.Width*rows/b.Height); err != nil {
		return nil, err
	}
	return t4.Fit(b, f.Resolution, f.Resolution, f.Width)
}

// code codes a page for the line, least significant bit first.
func code(b *t4.Bitmap, s dis.Session) []byte {
	var data []byte
	switch s.Coding() {
	case "MMR":
		data = t4.AppendMMR(nil, b)
	case "MR":
		k := min(s.Format().Resolution.K(), t4.MaxPlainK)
		data = t4.AppendMR(nil, b, t4.MROptions{K: k, MinBits: minBits(s), RTC: true})
	default:
		data = t4.AppendMH(nil, b, t4.MHOptions{MinBits: minBits(s), RTC: true})
	}
	t4.Reverse(data)
	return data
}

// minBits is the least length of a coded line, which ECM does not need.
func minBits(s dis.Session) int {
	rate, ok := s.LineRate()
	if !ok || s[dis.ECM] != 0 {
		return 0
	}
	ms := int(s.MinScanTime().Milliseconds())
	return (rate.BitsPerSecond()*ms + 999) / 1000
}

// decode decodes a page as it came from the line. Some senders announce a greater
// width than they use; what makes no sense at the one may do so at the other.
func decode(data []byte, s dis.Session) (ReceivedPage, t30.Quality) {
	data = bytes.Clone(data)
	t4.Reverse(data)
	f := s.Format()
	image, q := decodeWidth(data, s.Coding(), f.Width)
	if a4 := f.Resolution.Width(t4.A4); f.Width > a4 && (q.BadRows > 0 || q.Rows == 0) {
		if i, n := decodeWidth(data, s.Coding(), a4); makesMoreSense(n, q) {
			image, q = i, n
		}
	}
	page := ReceivedPage{Image: image, Resolution: f.Resolution, BadRows: q.BadRows}
	return page, t30.Quality{Rows: q.Rows, BadRows: q.BadRows, LostRows: q.LostRows, ConsecutiveBad: q.ConsecutiveBad, Cut: q.Cut}
}

// makesMoreSense tells a width that fits from one that does not: at that one most
// rows are damaged, or T.6 breaks off.
func makesMoreSense(narrow, wide t4.Quality) bool {
	if wide.BadRows*2 >= wide.Rows {
		return narrow.BadRows*2 < narrow.Rows
	}
	return narrow.Rows > 0 && narrow.BadRows == 0
}

// decodeWidth decodes a page of a width. What T.6 cannot decode was sent that
// way, for ECM lets no damage through: the rows before it are kept and the page
// is marked by one bad row.
func decodeWidth(data []byte, coding string, width int) (image *t4.Bitmap, q t4.Quality) {
	switch coding {
	case "MMR":
		var err error
		image, err = t4.DecodeMMR(data, width, t4.MaxRows)
		q.Rows = image.Height
		if err != nil {
			q.BadRows = 1
		}
	case "MR":
		image, q = t4.DecodeMR(data, width, t4.MaxRows)
	default:
		image, q = t4.DecodeMH(data, width, t4.MaxRows)
	}
	return image, q
}
