package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogs/internal/identity"
)

// A mark identifies an entry.
type mark [16]byte

// A memory knows the entries of a day and its supplements.
type memory struct {
	named   []mark       // sorted
	unnamed map[mark]int // how many entries without an id have the same bytes
}

// markOf identifies an entry as it is in a file, where it has no line breaks.
func markOf(e *auditlogs.Entry) mark {
	if e.ID == "" && bytes.ContainsAny(e.Raw, "\r\n") {
		line := format.NDJSON{}.Entry(nil, e)
		e, _ = format.Read(format.NameNDJSON, line[:len(line)-1])
	}
	return identity.Of(e)
}

// take reports whether an entry is known. Entries without an id that have the same bytes are as
// many events as the day has of them.
func (m *memory) take(e *auditlogs.Entry) bool {
	id := markOf(e)
	if e.ID == "" {
		m.unnamed[id]--
		return m.unnamed[id] >= 0
	}
	_, found := slices.BinarySearchFunc(m.named, id, compareMarks)
	return found
}

func compareMarks(a, b mark) int { return bytes.Compare(a[:], b[:]) }

// known reads the entries of a day and its supplements. A file that is not as it was sealed is
// [ErrDamaged]: what is missing in it would be taken for late.
func (k *keeper) known(ctx context.Context, day []link) (*memory, error) {
	m := &memory{unnamed: map[mark]int{}}
	for _, l := range day {
		if l.File == "" {
			continue
		}
		m.named = slices.Grow(m.named, int(max(l.Entries, 0)))
		if err := m.read(ctx, k.Folder, l); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.named, compareMarks)
	return m, nil
}

// longestLine is more than any entry has under the default limits.
const longestLine = 64 << 20

func (m *memory) read(ctx context.Context, folder string, l link) error {
	name := (&Job{Folder: folder}).place(l.data())
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	stored := io.TeeReader(file, sum)
	lines, err := decompress(stored, l.File)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	defer func() { _ = lines.Close() }()
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, longestLine)
	for scanner.Scan() && ctx.Err() == nil {
		e, _ := format.Read(format.NameNDJSON, scanner.Bytes())
		if id := markOf(e); e.ID == "" {
			m.unnamed[id]++
		} else {
			m.named = append(m.named, id)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := io.Copy(io.Discard, stored); err != nil {
		return err
	}
	if scanner.Err() != nil || hex.EncodeToString(sum.Sum(nil)) != l.FileSHA256 {
		return fmt.Errorf("%s: %w: it has changed since it was sealed, as its manifest shows: restore it", name, ErrDamaged)
	}
	return nil
}

// decompress reads a file by the ending of its name.
func decompress(r io.Reader, name string) (io.ReadCloser, error) {
	if strings.HasSuffix(name, gzipEnd) {
		return gzip.NewReader(r)
	}
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return decoder.IOReadCloser(), nil
}
