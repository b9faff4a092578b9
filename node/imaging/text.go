package imaging

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// The page of plain text: A4 with margins of 15 mm, 80 columns in 11 points,
// six lines to the inch.
const (
	columns      = 80
	lines        = 63
	tabWidth     = 8
	marginPels   = 120
	columnPels   = float64(Width-2*marginPels) / columns
	marginTenths = 150 // of mm, above the first line
	lineTenths   = 42.333
	a4Tenths     = 2970
)

// fromText sets plain text. Tabs, form feeds and long lines are seen to.
func (d *document) fromText(pages *pageWriter, res t4.Resolution) error {
	if d.size > MaxText {
		return fmt.Errorf("%w: it is a text of %d octets, at most %d are taken", ErrTooLarge, d.size, MaxText)
	}
	raw, err := io.ReadAll(d.reader())
	if err != nil {
		return err
	}
	if !utf8.Valid(raw) {
		return fmt.Errorf("%w: it is a text but not in UTF-8; %s", ErrUnsupported, accepted)
	}
	text := strings.Map(plain, strings.ReplaceAll(norm.NFC.String(string(raw)), "\r\n", "\n"))
	text = strings.TrimRightFunc(text, unicode.IsSpace)
	if text == "" {
		return fmt.Errorf("%w: it is blank", ErrUnsupported)
	}
	face, err := newTypeface(res)
	if err != nil {
		return err
	}
	t := typesetter{face: face, pages: pages, res: res}
	for i, line := range strings.Split(text, "\n") {
		if err := t.line(line); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return t.flush()
}

// plain reduces the characters that only direct how text is set.
func plain(r rune) rune {
	switch r {
	case '\t', '\f', '\n':
		return r
	case '\r', '\v', '\u2028', '\u2029': // ends of lines and paragraphs
		return '\n'
	case '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff': // of no width
		return -1
	}
	if unicode.IsSpace(r) {
		return ' '
	}
	return r
}

// typesetter fills pages line by line.
type typesetter struct {
	face  *typeface
	pages *pageWriter
	res   t4.Resolution
	page  *t4.Bitmap // nil before the first line of a page
	next  int        // line of the page
}

// line sets a line of the text; form feeds within begin a new page.
func (t *typesetter) line(s string) error {
	for i, part := range strings.Split(s, "\f") {
		if i > 0 {
			t.start()
			if err := t.flush(); err != nil {
				return err
			}
			if part == "" {
				continue // the end of the line goes with the form feed
			}
		}
		for _, l := range wrap(expand(part)) {
			if err := t.set(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// set draws one line that fits.
func (t *typesetter) set(l []rune) error {
	if t.next == lines {
		if err := t.flush(); err != nil {
			return err
		}
	}
	t.start()
	baseline := (marginTenths + lineTenths*(float64(t.next)+0.75)) / a4Tenths * float64(t.page.Height)
	for i, r := range l {
		if r == ' ' {
			continue
		}
		x := marginPels + columnPels*float64(i)
		if err := t.face.draw(t.page, int(x+0.5), int(baseline+0.5), r); err != nil {
			return err
		}
	}
	t.next++
	return nil
}

// start begins a page if none is begun.
func (t *typesetter) start() {
	if t.page == nil {
		t.page, t.next = t4.NewBitmap(Width, a4Rows(t.res)), 0
	}
}

// flush writes the page that is begun.
func (t *typesetter) flush() error {
	if t.page == nil {
		return nil
	}
	err := t.pages.write(t.page, t.res)
	t.page, t.next = nil, 0
	return err
}

// expand replaces tabs by spaces.
func expand(s string) []rune {
	var out []rune
	for _, r := range s {
		if r != '\t' {
			out = append(out, r)
			continue
		}
		for ok := true; ok; ok = len(out)%tabWidth != 0 {
			out = append(out, ' ')
		}
	}
	return out
}

// wrap cuts a line into lines that fit: between words, or within one that is
// too long for a line.
func wrap(l []rune) [][]rune {
	var out [][]rune
	for len(l) > columns {
		end, next := columns, columns
		for i := columns; i > 0; i-- {
			if l[i] == ' ' {
				end, next = i, i+1
				break
			}
		}
		out = append(out, l[:end])
		l = l[next:]
	}
	return append(out, l)
}
