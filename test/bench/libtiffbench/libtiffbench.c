/* Times libtiff's fax codecs, one request at a time.
 *
 * A request is a line on standard input, "CODING DEED WIDTH HEIGHT MS": mh, mr
 * or mmr; encode or decode; pels; rows; how long to repeat it, in milliseconds.
 * The rows follow, packed, 1 is black. The answer is a line "ok NS OCTETS": the
 * mean time of one page and its coded size, or "error" with what went wrong.
 * Only the call that codes or decodes the strip is timed; the file is memory.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tiffio.h>

/* A file in memory. */
struct file {
	uint8_t *data;
	uint64_t size, room, at;
};

static tmsize_t file_read(thandle_t h, void *buf, tmsize_t n)
{
	struct file *f = h;
	if (f->at >= f->size)
		return 0;
	if ((uint64_t)n > f->size - f->at)
		n = f->size - f->at;
	memcpy(buf, f->data + f->at, n);
	f->at += n;
	return n;
}

static tmsize_t file_write(thandle_t h, void *buf, tmsize_t n)
{
	struct file *f = h;
	if (f->at + n > f->room)
		return -1; /* there is room for any page that is coded here */
	memcpy(f->data + f->at, buf, n);
	f->at += n;
	if (f->at > f->size)
		f->size = f->at;
	return n;
}

static toff_t file_seek(thandle_t h, toff_t off, int whence)
{
	struct file *f = h;
	switch (whence) {
	case SEEK_SET: f->at = off; break;
	case SEEK_CUR: f->at += off; break;
	case SEEK_END: f->at = f->size + off; break;
	}
	return f->at;
}

static int file_close(thandle_t h) { (void)h; return 0; }
static toff_t file_size(thandle_t h) { return ((struct file *)h)->size; }

static int file_map(thandle_t h, void **base, toff_t *size)
{
	struct file *f = h;
	*base = f->data;
	*size = f->size;
	return 1;
}

static void file_unmap(thandle_t h, void *base, toff_t size) { (void)h; (void)base; (void)size; }

static TIFF *open_file(struct file *f, const char *mode)
{
	f->at = 0;
	return TIFFClientOpen("memory", mode, f, file_read, file_write, file_seek,
		file_close, file_size, file_map, file_unmap);
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct page {
	char coding[8];
	uint32_t width, height;
	uint8_t *rows;
	tmsize_t size;
};

/* encode writes the page into f; it returns the time that took, or -1. */
static int64_t encode(const struct page *p, struct file *f, tmsize_t *octets)
{
	f->size = 0;
	TIFF *t = open_file(f, "wl");
	if (!t)
		return -1;
	TIFFSetField(t, TIFFTAG_IMAGEWIDTH, p->width);
	TIFFSetField(t, TIFFTAG_IMAGELENGTH, p->height);
	TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 1);
	TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 1);
	TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, p->height);
	TIFFSetField(t, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISWHITE);
	TIFFSetField(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
	TIFFSetField(t, TIFFTAG_RESOLUTIONUNIT, RESUNIT_INCH);
	TIFFSetField(t, TIFFTAG_XRESOLUTION, 204.0);
	TIFFSetField(t, TIFFTAG_YRESOLUTION, 196.0); /* libtiff: K is 4 */
	if (strcmp(p->coding, "mmr") == 0) {
		TIFFSetField(t, TIFFTAG_COMPRESSION, COMPRESSION_CCITTFAX4);
	} else {
		TIFFSetField(t, TIFFTAG_COMPRESSION, COMPRESSION_CCITTFAX3);
		TIFFSetField(t, TIFFTAG_GROUP3OPTIONS, strcmp(p->coding, "mr") == 0 ? GROUP3OPT_2DENCODING : 0);
	}
	int64_t start = now();
	tmsize_t n = TIFFWriteEncodedStrip(t, 0, p->rows, p->size);
	int64_t took = now() - start;
	if (n == p->size)
		*octets = TIFFRawStripSize(t, 0);
	TIFFClose(t);
	return n == p->size ? took : -1;
}

/* decode reads the page from f into out; it returns the time that took, or -1. */
static int64_t decode(const struct page *p, struct file *f, uint8_t *out)
{
	TIFF *t = open_file(f, "r");
	if (!t)
		return -1;
	int64_t start = now();
	tmsize_t n = TIFFReadEncodedStrip(t, 0, out, p->size);
	int64_t took = now() - start;
	TIFFClose(t);
	return n == p->size ? took : -1;
}

/* answer repeats the deed for so long and prints the mean. */
static void answer(const struct page *p, const char *deed, int ms)
{
	struct file f = {0};
	f.room = 4 * (uint64_t)p->size + 65536;
	f.data = malloc(f.room);
	uint8_t *out = calloc(1, p->size);
	tmsize_t octets = 0;
	int64_t total = 0, n = 0;
	const char *wrong = NULL;
	if (!f.data || !out)
		wrong = "out of memory";
	else if (encode(p, &f, &octets) < 0)
		wrong = "the page cannot be coded";
	else if (decode(p, &f, out) < 0 || memcmp(out, p->rows, p->size) != 0)
		wrong = "the page does not come back";
	while (!wrong && (n == 0 || total < (int64_t)ms * 1000000)) {
		int64_t took = strcmp(deed, "encode") == 0 ? encode(p, &f, &octets) : decode(p, &f, out);
		if (took < 0)
			wrong = "the page fails when it is repeated";
		total += took;
		n++;
	}
	if (wrong)
		printf("error %s\n", wrong);
	else
		printf("ok %lld %lld\n", (long long)(total / n), (long long)octets);
	fflush(stdout);
	free(f.data);
	free(out);
}

int main(void)
{
	char line[128], deed[16];
	struct page p;
	int ms;
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "%7s %15s %u %u %d", p.coding, deed, &p.width, &p.height, &ms) != 5
		    || p.width < 1 || p.width > 16384 || p.height < 1 || p.height > 20000) {
			fprintf(stderr, "not a request: %s", line);
			return 1;
		}
		p.size = (tmsize_t)((p.width + 7) / 8) * p.height;
		p.rows = malloc(p.size);
		if (!p.rows || fread(p.rows, 1, p.size, stdin) != (size_t)p.size) {
			fprintf(stderr, "the page is cut off\n");
			return 1;
		}
		answer(&p, deed, ms);
		free(p.rows);
	}
	return 0;
}
