package main

import (
	"io"
	"io/fs"

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
