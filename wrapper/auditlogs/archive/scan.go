package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/identity"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

const (
	blockSize    = 256 << 10 // of the text that is looked at together
	largestLine  = 64 << 20
	largestFrame = 128 << 20 // how much text a zstd decoder may have to remember, as with zstd --long
)

// A file is a file of entries, one on each line.
type file struct {
	path   string
	number int    // in the order of the archive
	log    string // the name of the log whose entries it holds; empty where only the entries say

	// A day of a log, a supplement to one, and an export are known to hold entries of one window,
	// in the order of time.
	ordered       bool
	since, before time.Time
	whole         bool   // it holds all entries of its window
	settled       bool   // its window had settled, and the service still had all of it
	late          int    // the number of a supplement
	manifest      string // of a day or a supplement
	bytes         int64  // of an export, as its manifest says
	digest        string // of an export, as its manifest says; empty if it has none
	lost          error  // why it is not there
	alike         int    // the number of the first file that it shares entries without an ID with
}

// An item is an entry of a file.
type item struct {
	entry *auditlogs.Entry
	time  time.Time // that of the entry, or of the one before it if it has none
	log   string
	id    [16]byte
	place int64 // in the file's text
	file  *file
}

// bytes is how much memory an entry takes, estimated.
func (i *item) bytes() int { return len(i.entry.Raw)*3/2 + 800 }

// damaged is the error of a file's part.
func (f *file) damaged(at int64, what string) error {
	return fmt.Errorf("%s: %w at byte %d of its text: %s: restore the file from a copy", f.path, ErrDamaged, at, what)
}

// each calls do for each entry that passes the filter, in the order of the file.
func (f *file) each(ctx context.Context, decoders *sync.Pool, want *filter, do func(item) error) error {
	if f.lost != nil {
		return f.lost
	}
	verified, err := f.verify(ctx)
	if err != nil {
		return err
	}
	opened, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	text, done, err := unpack(opened, decoders)
	if err != nil {
		return f.damaged(0, reason(err))
	}
	defer done()
	s := scan{file: f, verified: verified, filter: want, cuts: want.cuts(f), do: do, carried: f.since}
	pooled := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(pooled)
	block, filled := pooled[:], 0
	for {
		var ended error
		for ended == nil && filled < len(block) {
			var n int
			n, ended = text.Read(block[filled:])
			filled += n
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		whole := bytes.LastIndexByte(block[:filled], '\n') + 1
		if ended == io.EOF { //nolint:errorlint // A decompressor's own error may wrap it.
			whole = filled // The last line may lack its end.
		}
		if err := s.lines(block[:whole]); err != nil {
			return err
		}
		switch {
		case ended == io.EOF: //nolint:errorlint // As above.
			return nil
		case ended != nil:
			return f.damaged(s.at+int64(filled-whole), reason(ended))
		case whole == 0 && len(block) >= largestLine:
			return f.damaged(s.at, "the line is longer than that of any entry")
		case whole == 0:
			block = append(block, make([]byte, len(block))...)
		default:
			filled = copy(block, block[whole:filled])
		}
	}
}

// verify compares a file with its manifest, if there is one, before any of its entries is listed.
// So a filter cannot drop a line on bytes that have changed, and a file that was cut shows. It
// reports whether there was a digest to compare with.
func (f *file) verify(ctx context.Context) (verified bool, err error) {
	size, digest := f.bytes, f.digest
	if f.manifest != "" {
		m, err := readManifest(f.manifest)
		if err != nil {
			return false, err
		}
		if m.File == filepath.Base(f.path) {
			size, digest = m.Bytes, m.FileSHA256
		}
	}
	if digest == "" {
		return false, nil
	}
	if err = verify(ctx, f.path, size, digest); errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%s: %w: restore it from a copy", f.path, err)
	}
	return true, err
}

// A scan is one reading of a file.
type scan struct {
	file     *file
	verified bool // its bytes are those that were written
	filter   *filter
	sieve    sieve
	cuts     bool // the file can have entries outside of the window
	do       func(item) error
	at       int64     // where the next block starts in the text
	carried  time.Time // of the last entry that has one, in the blocks before; zero if there is none
}

// lines reads a block of whole lines.
func (s *scan) lines(block []byte) error {
	if s.sieve == nil {
		s.sieve = s.filter.newSieve(block)
	}
	end := 0
	for line := range bytes.Lines(block) {
		start := end
		end += len(line)
		line = bytes.TrimSuffix(line, []byte{'\n'})
		if !s.sieve.passes(line) && len(line) > 1 && line[0] == '{' && line[len(line)-1] == '}' {
			continue
		}
		if s.cuts && s.filter.outside(line) && line[len(line)-1] == '}' || len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		e, ok := decode(line, s.verified)
		if !ok {
			err := s.file.damaged(s.at+int64(start), "the line is not a JSON object")
			if !s.file.ordered {
				err = fmt.Errorf("%w, or remove the line, if a program was stopped while it wrote it", err)
			}
			return err
		}
		if err := s.entry(e, block, start, end); err != nil {
			return err
		}
	}
	if t := lastTime(block); !t.IsZero() {
		s.carried = t
	}
	s.at += int64(len(block))
	return nil
}

// decode returns the entry of a line, and false for one that is not a JSON object. But a line that
// is known to be as it was written is what the service sent: a malformed entry, as in a listing.
func decode(line []byte, asWritten bool) (*auditlogs.Entry, bool) {
	if decoded, ok := stored.Decode(line); ok {
		return decoded.(*auditlogs.Entry), true
	}
	e := new(auditlogs.Entry)
	_ = e.UnmarshalJSON(line) // What is wrong with it is an error of the entry.
	return e, asWritten
}

// entry passes an entry on.
func (s *scan) entry(e *auditlogs.Entry, block []byte, start, end int) error {
	log := s.file.logOf(e)
	if !s.filter.keeps(e, log) {
		return nil
	}
	i := item{entry: e, time: e.Action.Time, log: log, place: s.at + int64(start), file: s.file}
	if i.time.IsZero() {
		if i.time = lastTime(block[:start]); i.time.IsZero() {
			i.time = s.carried
		}
		if i.time.IsZero() {
			i.time = firstTime(block[end:])
		}
		if i.time.IsZero() {
			i.time = s.filter.otherwise
		}
	}
	if s.file.ordered && (i.time.Before(s.file.since) || !i.time.Before(s.file.before)) {
		return s.file.damaged(i.place, fmt.Sprintf("the entry is from %s, which the file is not for", i.time.Format(time.RFC3339)))
	}
	if !s.filter.within(i.time) {
		return nil
	}
	i.id = identity.Of(e)
	return s.do(i)
}

// lastTime returns the time of the last entry in a text that has one.
func lastTime(text []byte) (t time.Time) {
	for len(text) > 0 && t.IsZero() {
		text = bytes.TrimSuffix(text, []byte{'\n'})
		start := bytes.LastIndexByte(text, '\n') + 1
		t = timeOf(text[start:])
		text = text[:start]
	}
	return t
}

// firstTime returns the time of the first entry in a text that has one.
func firstTime(text []byte) (t time.Time) {
	for line := range bytes.Lines(text) {
		if t = timeOf(line); !t.IsZero() {
			break
		}
	}
	return t
}

func timeOf(line []byte) (t time.Time) {
	if e, ok := decode(line, false); ok {
		t = e.Action.Time
	}
	return t
}

// blocks are shared between readings, since making them takes long.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// newDecoders returns decoders that the readings of one listing share, for the same reason. Each
// works in the goroutine that reads from it: files are read side by side already.
func newDecoders() *sync.Pool {
	return &sync.Pool{New: func() any {
		decoder, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(largestFrame)) // The options are right.
		return decoder
	}}
}

// The first bytes of compressed files.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// unpack decompresses a file, if its name or its first bytes say so.
func unpack(opened *os.File, decoders *sync.Pool) (text io.Reader, done func(), err error) {
	start := make([]byte, len(zstdMagic))
	n, err := opened.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	end := strings.ToLower(filepath.Ext(opened.Name()))
	switch start = start[:n]; {
	case n == 0 && (end == ".zst" || end == ".gz"):
		return nil, nil, errors.New("it is empty")
	case end == ".zst", bytes.HasPrefix(start, zstdMagic):
		decoder := decoders.Get().(*zstd.Decoder)
		return decoder, func() {
			_ = decoder.Reset(nil) // It never fails for nil.
			decoders.Put(decoder)
		}, decoder.Reset(opened)
	case end == ".gz", bytes.HasPrefix(start, gzipMagic):
		text, err = gzip.NewReader(opened)
		return text, func() {}, err
	}
	return opened, func() {}, nil
}

// reason says why a text ended before its end.
func reason(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it is cut short"
	}
	return err.Error()
}
