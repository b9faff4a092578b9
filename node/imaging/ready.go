package imaging

import (
	"context"
	"fmt"
	"io"

	"github.com/faxmesh/faxmesh/modem/tiff"
)

// Ready reports whether a document of size octets is a TIFF file whose pages
// Convert would not change by a pel, and how many they are: it can be sent as
// it is. All of it is decoded. A document that is not, or that is damaged, is
// left to Convert, which says what is wrong with it; the errors are those of
// reading it, and ctx's.
func Ready(ctx context.Context, src io.ReaderAt, size int64, opt Options) (pages int, ready bool, err error) {
	res, err := opt.resolution()
	if err != nil {
		return 0, false, err
	}
	if size > MaxDocument {
		return 0, false, nil
	}
	doc := &document{ctx: ctx, src: src, size: size}
	f, err := tiff.Open(doc, size)
	if err != nil || f.Len() > MaxPages {
		return 0, false, doc.fault()
	}
	for i := range f.Len() {
		b, from, err := f.Page(i)
		if err != nil {
			return 0, false, doc.fault()
		}
		if own, ok := faxForm(b, from, res); !ok || own != from || b.Width != Width {
			return 0, false, nil
		}
	}
	return f.Len(), true, nil
}

// fault says why the document could not be read, nil if it could.
func (d *document) fault() error {
	if d.err != nil {
		return fmt.Errorf("look at a document: %w", d.err)
	}
	return nil
}
