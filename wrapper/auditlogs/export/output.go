package export

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// An output turns lines into the bytes of the file, and knows how many of them are synced to disk.
type output struct {
	file    file
	pending *bufio.Writer // of bytes on their way to the file
	pack    packer        // nil if the text is not compressed
	packing bool          // a gzip member or zstd frame is open
	written int64         // bytes of the file

	text   []byte    // on its way to the packer
	sum    hash.Hash // of the text
	packed hash.Hash // of the file
	lines  int64
	length int64 // of the text, without what is on its way

	uncommitted int64 // bytes of text
	failed      bool  // nothing can be written any more
}

// A packer compresses. A gzip member or a zstd frame goes from Reset to Close. Several in a row are
// one file to every reader of these formats.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

const textBuffer = 256 << 10

// newOutput appends to a file, whose state is in the checkpoint.
func newOutput(file file, compression string, from *checkpoint) (*output, error) {
	o := &output{file: file, written: from.Size, lines: from.Lines, length: from.TextBytes, sum: sha256.New(), packed: sha256.New()}
	o.pending = bufio.NewWriterSize(counter{o}, textBuffer)
	if from.Size > 0 {
		err := errors.Join(
			o.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(from.Sum),
			o.packed.(encoding.BinaryUnmarshaler).UnmarshalBinary(from.Packed),
		)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	switch compression {
	case gzipName:
		o.pack = gzip.NewWriter(o.pending)
	case zstdName:
		pack, err := zstd.NewWriter(o.pending, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		if err != nil {
			return nil, err
		}
		o.pack = pack
	}
	return o, nil
}

// A counter writes to the file, and counts.
type counter struct{ o *output }

func (c counter) Write(p []byte) (int, error) {
	n, err := c.o.file.Write(p)
	c.o.written += int64(n)
	c.o.packed.Write(p[:n])
	return n, err
}

// line returns the text to append to, for write.
func (o *output) line() []byte { return o.text }

// write takes what line returned, with more text appended.
func (o *output) write(text []byte) error {
	o.uncommitted += int64(len(text) - len(o.text))
	o.text = text
	if len(text) < textBuffer {
		return nil
	}
	return o.flush()
}

// empty reports whether there is no text, in the file or on its way.
func (o *output) empty() bool { return o.length == 0 && len(o.text) == 0 }

func (o *output) flush() error {
	o.sum.Write(o.text)
	o.lines += int64(bytes.Count(o.text, []byte{'\n'}))
	o.length += int64(len(o.text))
	var w io.Writer = o.pending
	if o.pack != nil && len(o.text) > 0 {
		if !o.packing {
			o.pack.Reset(o.pending)
			o.packing = true
		}
		w = o.pack
	}
	_, err := w.Write(o.text)
	o.text = o.text[:0]
	return o.checked(err)
}

func (o *output) checked(err error) error {
	if err != nil {
		o.failed = true
	}
	return err
}

// commit syncs everything to disk, and records in c what is there.
func (o *output) commit(c *checkpoint) error {
	if err := o.flush(); err != nil {
		return err
	}
	if o.packing {
		o.packing = false
		if err := o.checked(o.pack.Close()); err != nil {
			return err
		}
	}
	if err := o.checked(o.pending.Flush()); err != nil {
		return err
	}
	if err := o.checked(o.file.Sync()); err != nil {
		return err
	}
	var err error
	if c.Sum, err = o.sum.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return o.checked(err)
	}
	if c.Packed, err = o.packed.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return o.checked(err)
	}
	c.Size, c.Lines, c.TextBytes = o.written, o.lines, o.length
	o.uncommitted = 0
	return nil
}

// end commits the rest. A compressed file without any text is one empty member or frame, since an
// empty file is not a valid one.
func (o *output) end(c *checkpoint) error {
	if o.pack != nil && o.empty() && o.written == 0 {
		o.pack.Reset(o.pending)
		o.packing = true
	}
	return o.commit(c)
}
