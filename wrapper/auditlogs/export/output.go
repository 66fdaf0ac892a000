package export

import (
	"bufio"
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

	text     []byte   // on its way to the packer
	unpacked *measure // of the text, without what is on its way
	packed   *measure // of the file

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
	o := &output{file: file, unpacked: newMeasure(), packed: newMeasure()}
	o.unpacked.bytes, o.unpacked.lines, o.packed.bytes = from.TextBytes, from.Lines, from.Size
	o.pending = bufio.NewWriterSize(io.MultiWriter(file, o.packed), textBuffer)
	if from.Size > 0 {
		if err := errors.Join(restore(o.unpacked.sum, from.Sum), restore(o.packed.sum, from.Packed)); err != nil {
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

// restore continues a digest from a state in a checkpoint.
func restore(digest hash.Hash, state []byte) error {
	return digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
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
func (o *output) empty() bool { return o.unpacked.bytes == 0 && len(o.text) == 0 }

func (o *output) flush() error {
	_, _ = o.unpacked.Write(o.text) // It never fails.
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

// checked returns an error of writing, after which nothing more is written.
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
	if c.Sum, err = o.unpacked.sum.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return o.checked(err)
	}
	if c.Packed, err = o.packed.sum.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return o.checked(err)
	}
	c.Size, c.Lines, c.TextBytes = o.packed.bytes, o.unpacked.lines, o.unpacked.bytes
	o.uncommitted = 0
	return nil
}

// end commits the rest. A compressed file without any text is one empty member or frame, since an
// empty file is not a valid one.
func (o *output) end(c *checkpoint) error {
	if o.pack != nil && o.empty() && o.packed.bytes == 0 {
		o.pack.Reset(o.pending)
		o.packing = true
	}
	return o.commit(c)
}
