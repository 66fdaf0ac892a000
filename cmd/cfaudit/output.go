package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// A rendering holds the flags that say how entries are printed.
type rendering struct {
	encoding string
	style    tableStyle
	raw      bool // the entry's own bytes are printed beside what a format makes of it
}

func (r *rendering) flags(byDefault string, names ...string) []*flagValue {
	r.raw = true
	raw := toggle("raw", groupOutput, "--raw=false leaves out of ecs and ocsf the entry's own bytes, event.original and raw_data", &r.raw)
	raw.byDefault = "true"
	flags := append([]*flagValue{formatFlag(&r.encoding, "how entries are printed", byDefault, names...)}, r.style.flags()...)
	return append(flags, raw)
}

// check refuses the flags that only a table has where another format was chosen.
func (r *rendering) check(i *invocation) error {
	if r.encoding == "" || r.encoding == nameTable {
		return nil
	}
	for _, name := range []string{columnsFlag, localFlag, timeZoneFlag} {
		if i.given(name) {
			return i.usage("--%s is for --format %s: %s keeps all fields, and times as they came", name, nameTable, r.encoding)
		}
	}
	return nil
}

// format is the one that was chosen, or the table where a flag is for it, or else the default.
func (r *rendering) format(env *environment, byDefault string) format.Format {
	if r.encoding == "" && (r.style.columns != nil || r.style.chosen()) {
		r.encoding = nameTable
	}
	r.encoding = cmp.Or(r.encoding, byDefault)
	width := env.terminal(env.stdout)
	if r.encoding == nameTable {
		return newTable(width, env.colours(), &r.style)
	}
	options := format.Options{OmitRaw: !r.raw}
	if width > 0 { // A terminal must be safe from the text that it shows; a file gets it unchanged.
		options.Cell = clean
	}
	made, _ := format.New(r.encoding, options) // The flag takes no other names.
	return made
}

// colours reports whether standard output shows colours. The old console of Windows prints them as
// text.
func (e *environment) colours() bool {
	works := runtime.GOOS != "windows" || e.getenv("WT_SESSION") != "" || e.getenv("TERM") != ""
	return works && e.terminal(e.stdout) > 0 && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}

// outputBuffer is how much text is collected, at least, before it is written. Each page is written
// at its end.
const outputBuffer = 256 << 10

// An output writes entries, and always knows which of them have been written completely.
type output struct {
	w         io.Writer
	format    format.Format
	continues bool // the header has been printed, by this run or by the one that it resumes

	entries  int                // entries written completely
	position auditlogs.Position // directly after the last of them
	cut      bool               // a write failed in the middle of a line, which stays as it is
	failed   error              // why nothing more is written

	buffer  []byte
	pending []line
}

// A line is an entry in the buffer, with the end of its text there.
type line struct {
	entry *auditlogs.Entry // nil for the header
	end   int
}

// print writes entries, after the header where that is due.
func (o *output) print(ctx context.Context, entries []*auditlogs.Entry) error {
	if !o.continues {
		o.continues = true
		o.buffer = o.format.Header(o.buffer)
		o.pending = append(o.pending, line{nil, len(o.buffer)})
	}
	for _, e := range entries {
		o.buffer = o.format.Entry(o.buffer, e)
		o.pending = append(o.pending, line{e, len(o.buffer)})
		if len(o.buffer) >= outputBuffer {
			if err := o.flush(ctx); err != nil {
				return err
			}
		}
	}
	return o.flush(ctx)
}

// flush writes what has been collected. If that fails, the position stays after the last entry
// that was written completely, and nothing more is written. A write that blocks is given up soon
// after the context has ended; see [errUnread].
func (o *output) flush(ctx context.Context) error {
	if o.failed != nil || len(o.buffer) == 0 {
		return o.failed
	}
	n, err := write(ctx, o.w, o.buffer)
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
	o.cut = n > whole
	clear(o.pending)
	o.buffer, o.pending = o.buffer[:0], o.pending[:0]
	if err != nil {
		o.failed, o.buffer = err, nil // A write that was given up may still read the buffer.
	}
	return err
}

// failure says why a write failed, and what to do about a partial line.
func (o *output) failure(err error) string {
	text := writeFailed(err)
	if o.cut {
		text += "; its last line is partial: remove it"
	}
	return text
}

// errUnread is a write that was given up: the program was to end, and its output was not read.
// How much of it was written is not known, and so none of it counts.
var errUnread = errors.New("the output is not read, and the last entries may be printed again")

// patience is how long a write may still take once the program is to end.
const patience = 2 * time.Second

// write writes text, or returns errUnread. The text must not be changed after that.
func write(ctx context.Context, w io.Writer, text []byte) (int, error) {
	var n int
	var err error
	// A write to a pipe that is full cannot be interrupted, only left alone.
	written := make(chan struct{})
	go func() {
		defer close(written)
		if n, err = w.Write(text); err == nil && n < len(text) {
			err = io.ErrShortWrite
		}
	}()
	select {
	case <-written:
	case <-ctx.Done():
		select {
		case <-written:
		case <-time.After(patience):
			return 0, errUnread
		}
	}
	return n, err
}

// regular returns the regular file that w writes to, if it is one.
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

// toDisk syncs to disk what was written, if it was written to a file.
func toDisk(w io.Writer) error {
	if file := regular(w); file != nil {
		return file.Sync()
	}
	return nil
}

// checkOutput refuses a standard output that was closed when the program was started, since all
// output would be lost without an error.
func (e *environment) checkOutput() error {
	file, ok := e.stdout.(*os.File)
	if !ok {
		return nil
	}
	closed := &exit{code: exitIncomplete, text: "standard output is closed, or is the null device opened for reading too: want a file, a pipe or a terminal, or \"> " + os.DevNull + "\" to discard what is printed"}
	info, err := file.Stat()
	if err != nil {
		return closed
	}
	// The runtime opens the null device in place of a closed output, for reading as well. A shell
	// that discards output opens it for writing only.
	if null, err := os.Stat(os.DevNull); err != nil || !os.SameFile(info, null) {
		return nil //nolint:nilerr // It is something else.
	}
	if _, err := file.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return closed
	}
	return nil
}

// longestTail bounds how much of a file's last line is looked at.
const longestTail = 16 << 20

// startOnNewLine gives the next entry a line of its own where standard output is a file whose last
// line was cut, and notes that this line is partial.
func (e *environment) startOnNewLine() error {
	partial, err := endLastLine(e.stdout)
	if err != nil {
		return &exit{code: exitIncomplete, text: writeFailed(err)}
	}
	if partial {
		e.note("the last line of the file that is appended to is partial: it stays as it is, and the next entry gets a line of its own")
	}
	return nil
}

// endLastLine adds the line break that the last line of a file lacks. It reports whether that line
// seems to be partial. Nothing is removed: it may be an entry that counts as printed, or another
// program's text. A file that cannot be read stays unchanged.
func endLastLine(w io.Writer) (partial bool, err error) {
	file := regular(w)
	if file == nil {
		return false, nil
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	// A file that is appended to is mostly open for writing only. Some systems can open it again.
	reader, err := os.Open(fmt.Sprintf("/dev/fd/%d", file.Fd()))
	if err != nil {
		reader = file
	} else {
		defer func() { _ = reader.Close() }()
	}
	last := make([]byte, 1)
	if _, err := reader.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return false, nil //nolint:nilerr // It cannot be read.
	}
	tail := make([]byte, min(size, longestTail))
	_, err = reader.ReadAt(tail, size-int64(len(tail)))
	partial = err != nil || !json.Valid(tail[bytes.LastIndexByte(tail, '\n')+1:])
	_, err = file.WriteString("\n")
	return partial, err
}
