package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfaudit.example/openapi"
)

const manifestVersion = 1

// A Manifest says what an export came to. It stands beside the file, as JSON, under the file's name and ".manifest.json".
type Manifest struct {
	Version     int    `json:"version"` // of the manifest's form: 1
	File        string `json:"file"`    // the file's name, without its folder
	Asked       Asked  `json:"asked"`
	Window      Window `json:"window"`      // the bounds in the requests
	Compression string `json:"compression"` // "gzip", "zstd", or empty for none
	Bytes       int64  `json:"bytes"`       // of the file
	FileSHA256  string `json:"file_sha256"` // of the file, as it is
	SHA256      string `json:"sha256"`      // of the uncompressed text, which compressing it in another way leaves as it is
	Contract    string `json:"contract"`    // the version of the API description that the program was made from
	Counts
}

func (x *exporter) newManifest() *Manifest {
	return &Manifest{
		Version:     manifestVersion,
		File:        filepath.Base(x.job.Path),
		Asked:       x.state.Asked,
		Window:      x.state.Window,
		Compression: x.names.compression,
		Bytes:       x.state.Size,
		FileSHA256:  hex.EncodeToString(x.out.packed.Sum(nil)),
		SHA256:      hex.EncodeToString(x.out.sum.Sum(nil)),
		Contract:    openapi.Version(),
		Counts:      x.state.Counts,
	}
}

func writeManifest(disk disk, path string, m *Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return disk.replace(path+manifestEnd, append(data, '\n'))
}

func readManifest(disk disk, path string) (*Manifest, error) {
	name := path + manifestEnd
	data, err := disk.read(name)
	if err != nil {
		return nil, err
	}
	m := &Manifest{}
	switch err := json.Unmarshal(data, m); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w: it is no manifest (%w): bring it back, or remove it and %s to export anew", name, ErrDamaged, err, path)
	case m.Version != manifestVersion:
		return nil, fmt.Errorf("%s: it has version %d of its form, and this program reads version %d", name, m.Version, manifestVersion)
	}
	return m, nil
}

// Check reads the file at path, and holds it against the manifest beside it. Its error is [ErrDamaged] where the file is not what
// was exported, and says in what it differs; [fs.ErrNotExist] where the file or its manifest is not there; or the cause of
// the end of ctx. It needs no network, and little memory however large the file is.
func Check(ctx context.Context, path string) (*Manifest, error) {
	m, err := check(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return m, nil
}

func check(ctx context.Context, path string) (*Manifest, error) {
	m, err := readManifest(osDisk{}, path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, checkpoint := os.Stat(path + checkpointEnd); checkpoint == nil {
			return nil, fmt.Errorf("%s: the export is not complete yet: run it again first: %w", path, err)
		}
	}
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	stored, text := newMeasure(), newMeasure()
	unpacked, err := unpack(io.TeeReader(&untilOver{ctx, file}, stored), m.Compression)
	if err == nil {
		_, err = io.Copy(text, unpacked)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", path, context.Cause(ctx))
	}
	// What could not be unpacked is counted too.
	var pathError *fs.PathError
	if err == nil || !errors.As(err, &pathError) {
		_, reading := io.Copy(stored, file)
		err = errors.Join(err, reading)
	}
	if errors.As(err, &pathError) {
		return nil, err
	}
	if wrong := m.holds(stored, text, err); wrong != nil {
		return nil, fmt.Errorf("%s: %w: %s", path, ErrDamaged, strings.Join(wrong, "; "))
	}
	return m, nil
}

// holds says in what a file differs from the manifest.
func (m *Manifest) holds(stored, text *measure, unpacking error) (wrong []string) {
	if stored.bytes != m.Bytes {
		wrong = append(wrong, fmt.Sprintf("it has %d bytes, and %d were written", stored.bytes, m.Bytes))
	}
	if unpacking != nil {
		return append(wrong, fmt.Sprintf("behind %d of its %d lines it cannot be unpacked (%v)", text.lines, m.Lines, unpacking))
	}
	if text.lines != m.Lines {
		wrong = append(wrong, fmt.Sprintf("it has %d lines, and %d were written", text.lines, m.Lines))
	}
	if text.bytes != m.TextBytes && m.Compression != "" {
		wrong = append(wrong, fmt.Sprintf("its text has %d bytes, and %d were written", text.bytes, m.TextBytes))
	}
	if sum := text.digest(); sum != m.SHA256 {
		wrong = append(wrong, fmt.Sprintf("its text is another one: the SHA-256 is %s, and was %s", sum, m.SHA256))
	} else if sum := stored.digest(); sum != m.FileSHA256 {
		wrong = append(wrong, fmt.Sprintf("its text is the one that was written, and its own bytes are not: the SHA-256 is %s, and was %s", sum, m.FileSHA256))
	}
	return wrong
}

// unpack undoes a compression.
func unpack(r io.Reader, compression string) (io.Reader, error) {
	switch compression {
	case gzipName:
		return gzip.NewReader(r)
	case zstdName:
		decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	}
	return r, nil
}

// A measure takes the measure of what is written to it.
type measure struct {
	bytes, lines int64
	sum          hash.Hash
}

func newMeasure() *measure { return &measure{sum: sha256.New()} }

func (m *measure) Write(p []byte) (int, error) {
	m.bytes += int64(len(p))
	m.lines += int64(bytes.Count(p, []byte{'\n'}))
	m.sum.Write(p)
	return len(p), nil
}

func (m *measure) digest() string { return hex.EncodeToString(m.sum.Sum(nil)) }

// untilOver reads until a context ends.
type untilOver struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilOver) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}
