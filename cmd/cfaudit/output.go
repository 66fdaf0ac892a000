package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// outputBuffer is how much text is collected before it is written, at least. A page is written in any case.
const outputBuffer = 256 << 10

// An output writes entries, and knows at any time which of them have left the program whole.
type output struct {
	w         io.Writer
	format    format.Format
	continues bool // the header has been printed, by this run or by the one that this one goes on from

	entries  int                // entries written whole
	position auditlogs.Position // directly behind the last of them
	cut      bool               // a write failed in the middle of a line

	buffer  []byte
	pending []line
}

// A line is an entry in the buffer, with the place where its text ends there.
type line struct {
	entry *auditlogs.Entry // nil for the header
	end   int
}

func (o *output) add(e *auditlogs.Entry) error {
	o.begin()
	o.buffer = o.format.Entry(o.buffer, e)
	o.pending = append(o.pending, line{e, len(o.buffer)})
	if len(o.buffer) >= outputBuffer {
		return o.flush()
	}
	return nil
}

// finish writes the header of a listing without entries.
func (o *output) finish() error {
	o.begin()
	return o.flush()
}

func (o *output) begin() {
	if o.continues {
		return
	}
	o.continues = true
	o.buffer = o.format.Header(o.buffer)
	o.pending = append(o.pending, line{nil, len(o.buffer)})
}

// flush writes what has been collected. Where that fails, the position stays behind the last entry that got out whole.
func (o *output) flush() error {
	if len(o.buffer) == 0 {
		return nil
	}
	n, err := o.w.Write(o.buffer)
	if err == nil && n < len(o.buffer) {
		err = io.ErrShortWrite
	}
	whole := 0
	for _, l := range o.pending {
		if l.end > n {
			break
		}
		whole = l.end
		if l.entry != nil {
			o.entries++
			o.position = l.entry.Position()
		}
	}
	o.cut = n > whole && !takeBack(o.w, n-whole)
	clear(o.pending)
	o.buffer, o.pending = o.buffer[:0], o.pending[:0]
	return err
}

// takeBack removes the last bytes that were written, where that is possible: from a file, so that it ends with a whole line.
func takeBack(w io.Writer, bytes int) bool {
	file, ok := w.(interface {
		io.Seeker
		Stat() (fs.FileInfo, error)
		Truncate(size int64) error
	})
	if !ok {
		return false
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return false
	}
	end, err := file.Seek(int64(-bytes), io.SeekCurrent)
	return err == nil && file.Truncate(end) == nil
}

// regular returns the file that w writes to, if it is one: not a pipe, a terminal or a device.
func regular(w io.Writer) *os.File {
	file, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return file
}

// toDisk puts what was written on the disk, where it is a file.
func toDisk(w io.Writer) error {
	if file := regular(w); file != nil {
		return file.Sync()
	}
	return nil
}

// mend takes off a file what a program that was killed left of an entry's line at its end, so that the next line does not
// continue it.
func mend(w io.Writer) error {
	file := regular(w)
	if file == nil {
		return nil
	}
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	reader := io.ReaderAt(file)
	if _, err := file.ReadAt(make([]byte, 1), info.Size()-1); err != nil {
		// It is open for writing only. Where the system has no way to read it all the same, it stays as it is.
		again, err := os.Open(fmt.Sprintf("/dev/fd/%d", file.Fd()))
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		defer func() { _ = again.Close() }()
		if other, err := again.Stat(); err != nil || !os.SameFile(info, other) {
			return nil //nolint:nilerr // see above
		}
		reader = again
	}
	end := info.Size()
	for chunk := make([]byte, 64<<10); end > 0; {
		n := min(int64(len(chunk)), end)
		if _, err := reader.ReadAt(chunk[:n], end-n); err != nil {
			return nil //nolint:nilerr // see above
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			end += int64(i) + 1 - n
			break
		}
		end -= n
	}
	if end == info.Size() {
		return nil
	}
	first := make([]byte, 1)
	if _, err := reader.ReadAt(first, end); err != nil || first[0] != '{' {
		return nil //nolint:nilerr // It is no entry, but somebody else's.
	}
	if err := file.Truncate(end); err != nil {
		return err
	}
	// Where the file is not only appended to.
	_, err = file.Seek(0, io.SeekEnd)
	return err
}
