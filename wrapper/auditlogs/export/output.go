package export

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// An output turns lines into the bytes of the file, and knows how many of them are synced to disk.
type output struct {
	file    file
	text    *bufio.Writer // on its way to the packer
	pack    packer
	packing bool          // a gzip member or zstd frame is open
	pending *bufio.Writer // of bytes on their way to the file

	unpacked *measure // of the text that has reached the packer
	packed   *measure // of the file

	failed bool // nothing can be written any more
}

// A packer compresses. A gzip member or a zstd frame goes from Reset to Close. Several in a row are
// one file to every reader of these formats.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// A plain is the packer of a file that is not compressed.
type plain struct{ io.Writer }

func (p *plain) Reset(w io.Writer) { p.Writer = w }
func (p *plain) Close() error      { return nil }

const textBuffer = 256 << 10

// newOutput returns an output that continues where the checkpoint says.
func newOutput(compression string, from *checkpoint) (*output, error) {
	o := &output{pack: &plain{}, unpacked: newMeasure(), packed: newMeasure()}
	o.unpacked.bytes, o.unpacked.lines, o.packed.bytes = from.TextBytes, from.Lines, from.Size
	if from.Size > 0 {
		if err := errors.Join(o.unpacked.restore(from.Sum), o.packed.restore(from.Packed)); err != nil {
			return nil, err
		}
	}
	switch compression {
	case gzipName:
		o.pack = gzip.NewWriter(nil)
	case zstdName:
		// These options are valid.
		o.pack, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	}
	return o, nil
}

// start appends to a file.
func (o *output) start(file file) {
	o.file, o.text = file, bufio.NewWriterSize(o, textBuffer)
	o.pending = bufio.NewWriterSize(io.MultiWriter(file, o.packed), textBuffer)
}

// Write passes text to the packer. It starts a gzip member or zstd frame, unless one is open.
func (o *output) Write(text []byte) (int, error) {
	if !o.packing {
		o.pack.Reset(o.pending)
		o.packing = true
	}
	_, _ = o.unpacked.Write(text) // It never fails.
	return o.pack.Write(text)
}

// end ends the gzip member or zstd frame that is open.
func (o *output) end() error {
	if !o.packing {
		return nil
	}
	o.packing = false
	return o.pack.Close()
}

// checked returns an error of writing, after which nothing more is written.
func (o *output) checked(err error) error {
	o.failed = o.failed || err != nil
	return err
}

// commit syncs everything to disk, and records in c what is there.
func (o *output) commit(c *checkpoint) error {
	for _, step := range []func() error{o.text.Flush, o.end, o.pending.Flush, o.file.Sync} {
		if err := o.checked(step()); err != nil {
			return err
		}
	}
	c.Sum, c.Packed = o.unpacked.state(), o.packed.state()
	c.Size, c.Lines, c.TextBytes = o.packed.bytes, o.unpacked.lines, o.unpacked.bytes
	return nil
}

// close cuts the file to the part that is committed if writing has failed. On a full disk that
// frees space; if it fails, the next run does it.
func (o *output) close(committed int64) error {
	if !o.failed {
		return o.file.Close()
	}
	_ = o.file.Truncate(committed)
	_ = o.file.Close()
	return nil
}
