package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfaudit.example/openapi"
	"cfaudit.example/wrapper/auditlogs"
)

const manifestVersion = 1

// A Manifest describes a complete export. It is a JSON file beside the export, with the file's name
// and ".manifest.json" after it.
type Manifest struct {
	Version     int     `json:"version"` // of the manifest's format: 1
	File        string  `json:"file"`    // the file's name, without its folder
	Request     Request `json:"request"`
	Window      Window  `json:"window"`      // the bounds in the requests
	Compression string  `json:"compression"` // "gzip", "zstd", or empty for none
	Bytes       int64   `json:"bytes"`       // of the file
	FileSHA256  string  `json:"file_sha256"` // of the file, as it is
	SHA256      string  `json:"sha256"`      // of the uncompressed text, which does not depend on the compression
	Settled     bool    `json:"settled"`     // the first run started long enough after the end of the window for its entries to have appeared
	Settle      string  `json:"settle"`      // how long is enough: [auditlogs.SettleTime], such as 10m0s
	Contract    string  `json:"contract"`    // the version of the API description that the program was made from
	Counts
}

func (x *exporter) newManifest() *Manifest {
	return &Manifest{
		Version:     manifestVersion,
		File:        filepath.Base(x.job.Path),
		Request:     x.state.Request,
		Window:      x.state.Window,
		Compression: x.names.compression,
		Bytes:       x.state.Size,
		FileSHA256:  x.out.packed.digest(),
		SHA256:      x.out.unpacked.digest(),
		Settled:     !x.state.Started.Before(x.state.before.Add(auditlogs.SettleTime)),
		Settle:      auditlogs.SettleTime.String(),
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
		return nil, fmt.Errorf("%s: %w: it is not a manifest (%w): restore it, or remove it and %s to export again", name, ErrDamaged, err, path)
	case m.Version != manifestVersion:
		return nil, fmt.Errorf("%s: its format is version %d, and this program reads version %d", name, m.Version, manifestVersion)
	}
	return m, nil
}

// Check reads the file at path and compares it with the manifest beside it. Everything in the
// manifest that the file itself shows must match: the file's name, format and compression, the
// bytes and digests of the file and of its text, the numbers of lines, of entries, of entries out
// of order and of entries outside of the window, the first and the last entry and, in ndjson, the
// number of malformed entries.
//
// Check cannot detect that both the file and the manifest were replaced by others that match: to be
// safe from that, keep the manifest, or its digests, where nobody can change them. Nor can it
// detect entries that the service did not show to the export, or changes to what only the manifest
// holds, such as the account, the filters and the number of requests.
//
// The error is [ErrDamaged] if the two do not match, and names every difference;
// [fs.ErrNotExist] if the file or its manifest is missing; or the cause of the end of ctx.
// Check needs no network, and little memory however large the file is.
func Check(ctx context.Context, path string) (m *Manifest, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("export: %w", err)
		}
	}()
	m, err = readManifest(osDisk{}, path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, checkpoint := os.Stat(path + checkpointEnd); checkpoint == nil {
			return nil, fmt.Errorf("%s: the export is not complete yet: run it again first: %w", path, err)
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err := (osDisk{}).size(path); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	wrong, err := m.compare(path, &untilOver{ctx, file})
	if err == nil && wrong != nil {
		err = fmt.Errorf("%w: %s", ErrDamaged, strings.Join(wrong, "; "))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// compare lists the differences of a file from the manifest. Its error is one of reading the file.
func (m *Manifest) compare(path string, file io.Reader) (wrong differences, err error) {
	if name := filepath.Base(path); name != m.File {
		wrong.add("the manifest is that of a file named %q: want the file under that name", m.File)
	}
	names, err := readName(path, m.Request.Format)
	if err != nil {
		wrong.add("the manifest has another format: %v", err)
		names, _ = readName(path, "") // The path names a file, and so its error was about the format.
	}
	if m.Compression != names.compression {
		wrong.add("its name says compression %q, and the manifest says %q", names.compression, m.Compression)
	}
	stored := newMeasure()
	text, err := newContent(names.format, m.Window)
	if err != nil {
		wrong.add("the window in the manifest is not one: %v", err)
	}
	unpacked, unpacking := unpack(io.TeeReader(file, stored), names.compression)
	if unpacking == nil {
		_, unpacking = io.Copy(text, unpacked)
	}
	// The file is counted even if it cannot be decompressed.
	if _, err := io.Copy(stored, file); err != nil {
		return nil, err
	}
	wrong.count("bytes", stored.bytes, m.Bytes)
	if unpacking != nil {
		more := ""
		if text.lines > m.Lines {
			more = fmt.Sprintf(", more than the %d in the manifest", m.Lines)
		}
		wrong.add("it cannot be unpacked after %d lines%s (%v)", text.lines, more, unpacking)
		return wrong, nil
	}
	wrong.count("lines", text.lines, m.Lines)
	if text.bytes != m.TextBytes && (names.compression != "" || m.TextBytes != m.Bytes) {
		wrong.add("its uncompressed text has %d bytes, and the manifest says %d", text.bytes, m.TextBytes)
	}
	if sum := text.digest(); sum != m.SHA256 {
		wrong.add("the SHA-256 of its text is %s, and the manifest says %s", sum, m.SHA256)
	}
	if sum := stored.digest(); sum != m.FileSHA256 && (names.compression != "" || m.FileSHA256 != m.SHA256) {
		wrong.add("the SHA-256 of the file is %s, and the manifest says %s", sum, m.FileSHA256)
	}
	return append(wrong, text.differs(&m.Counts)...), nil
}

// Differences say in what a file differs from its manifest.
type differences []string

func (d *differences) add(text string, args ...any) { *d = append(*d, fmt.Sprintf(text, args...)) }

func (d *differences) count(what string, is, want int64) {
	if is != want {
		d.add("it has %d %s, and the manifest says %d", is, what, want)
	}
}

// unpack decompresses.
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

// untilOver is a reader that fails when a context ends.
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
