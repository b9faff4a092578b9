package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Get returns an entry; case does not matter.
func (f *File) Get(section, key string) (Entry, bool) {
	if i := f.find(section, key); i >= 0 {
		return *f.lines[i].entry, true
	}
	return Entry{}, false
}

// Entries lists all entries in the order of the file.
func (f *File) Entries() []Entry {
	var all []Entry
	for _, l := range f.lines {
		if l.entry != nil {
			all = append(all, *l.entry)
		}
	}
	return all
}

// Set changes or adds one entry. A changed entry keeps its line, a new one goes
// after the last entry of its section, a new section to the end. All other
// lines stay as they are.
func (f *File) Set(section, key, value string) error {
	section, err := checkWord("section", section)
	if err != nil {
		return err
	}
	if key, err = checkWord("key", key); err != nil {
		return err
	}
	if strings.TrimSpace(value) != value {
		return fmt.Errorf("the value %q begins or ends with a space", clip(value))
	}
	if err := checkText(key + "=" + value); err != nil {
		return err
	}
	if i := f.find(section, key); i >= 0 {
		old := f.lines[i]
		written, _, _ := strings.Cut(old.text, "=") // the key in the file's own spelling
		f.lines[i] = f.entryLine(section, key, written+"="+value, value, old.end)
		return nil
	}
	end := f.lineEnd()
	at := f.sectionEnd(section)
	if at < 0 {
		f.closeLast(end)
		if n := len(f.lines); n > 0 && strings.TrimSpace(f.lines[n-1].text) != "" {
			f.lines = append(f.lines, line{end: end})
		}
		f.lines = append(f.lines, line{text: "[" + section + "]", end: end, section: section})
		at = len(f.lines)
	} else if at == len(f.lines) {
		f.closeLast(end)
	}
	f.lines = append(f.lines, line{})
	copy(f.lines[at+1:], f.lines[at:])
	f.lines[at] = f.entryLine(section, key, key+"="+value, value, end)
	f.renumber()
	return nil
}

// Unset takes an entry out, and reports whether it was there.
func (f *File) Unset(section, key string) bool {
	i := f.find(section, key)
	if i < 0 {
		return false
	}
	f.lines = append(f.lines[:i], f.lines[i+1:]...)
	f.renumber()
	return true
}

// Merge takes over each entry of from that f does not have, and returns those
// taken. What f says already stays: the person at the machine said it.
func (f *File) Merge(from *File) ([]Entry, error) {
	var taken []Entry
	for _, e := range from.Entries() {
		if _, have := f.Get(e.Section, e.Key); have {
			continue
		}
		if err := f.Set(e.Section, e.Key, e.Value); err != nil {
			return taken, &Fault{Where: from.at(e.Line), Text: err.Error()}
		}
		taken = append(taken, e)
	}
	return taken, nil
}

// Bytes is the file as it is written: unchanged lines octet by octet.
func (f *File) Bytes() []byte {
	var b strings.Builder
	if f.bom {
		b.WriteString(byteOrderMark)
	}
	for _, l := range f.lines {
		b.WriteString(l.text)
		b.WriteString(l.end)
	}
	return []byte(b.String())
}

func (f *File) entryLine(section, key, text, value, end string) line {
	i := f.find(section, key)
	return line{text: text, end: end, entry: &Entry{Section: section, Key: key, Value: value, Line: i + 1}}
}

func (f *File) find(section, key string) int {
	for i, l := range f.lines {
		if l.entry != nil && strings.EqualFold(l.entry.Section, section) && strings.EqualFold(l.entry.Key, key) {
			return i
		}
	}
	return -1
}

// sectionEnd is the index after the last entry of a section (after its head if
// it has none), or -1.
func (f *File) sectionEnd(section string) int {
	end, in := -1, false
	for i, l := range f.lines {
		if l.section != "" {
			in = l.section == section
		}
		if in && (l.section != "" || l.entry != nil) {
			end = i + 1
		}
	}
	return end
}

// lineEnd is how the file ends its lines.
func (f *File) lineEnd() string {
	if len(f.lines) > 0 && f.lines[0].end != "" {
		return f.lines[0].end
	}
	return "\n"
}

func (f *File) closeLast(end string) {
	if n := len(f.lines); n > 0 && f.lines[n-1].end == "" {
		f.lines[n-1].end = end
	}
}

func (f *File) renumber() {
	for i := range f.lines {
		if f.lines[i].entry != nil {
			f.lines[i].entry.Line = i + 1
		}
	}
}

// ReadFile reads and parses the file at path. Messages name it by its path.
func ReadFile(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return Parse(path, data)
}

// WriteFile replaces the file at path durably: a crash leaves the old file or
// the new one. A new file gets mode; an old one keeps its own.
func (f *File) WriteFile(path string, mode os.FileMode) error {
	data := f.Bytes()
	if len(data) > MaxFile {
		return &Fault{Where: path, Text: fmt.Sprintf("the file would be %d octets long; at most %d are allowed", len(data), MaxFile)}
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	return WriteDurably(path, data, mode)
}

// WriteDurably writes data beside path, syncs it, renames it into place and
// syncs the directory.
func WriteDurably(path string, data []byte, mode os.FileMode) error {
	return StreamDurably(path, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// StreamDurably is WriteDurably for what write gives, which may be more than
// fits memory. If that fails, what was at path stays as it was.
func StreamDurably(path string, mode os.FileMode, write func(io.Writer) error) error {
	temp, err := writeTemp(path, mode, write)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	} else if temp != "" {
		err = errors.Join(err, os.Remove(temp))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// writeTemp returns the name of the file it has written, "" if it made none.
func writeTemp(path string, mode os.FileMode, write func(io.Writer) error) (string, error) {
	w, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	if err := write(w); err != nil {
		return w.Name(), errors.Join(err, w.Close())
	}
	return w.Name(), errors.Join(w.Chmod(mode), w.Sync(), w.Close())
}
