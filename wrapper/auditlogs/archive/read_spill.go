package archive

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// A spill is the temporary file that holds what was sorted and does not fit in memory.
type spill struct {
	mu   sync.Mutex
	file *os.File
	size int64
}

// A run is a sorted part of a spill.
type run struct {
	spill     *spill
	at, bytes int64
	file      *file
}

// headBytes is how long what precedes the bytes of an entry is: its time, its place, its length and
// its identity.
const headBytes = 8 + 4 + 8 + 4 + 16

// write adds sorted entries of one file.
func (s *spill) write(items []item) (*run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		file, err := os.CreateTemp("", "cfaudit-archive-*")
		if err != nil {
			return nil, err
		}
		s.file = file
		_ = os.Remove(file.Name()) // Where open files can be removed, nothing is left after a crash.
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.size), batchBytes)
	r := &run{spill: s, at: s.size, file: items[0].file}
	head := make([]byte, 0, headBytes)
	for _, i := range items {
		head = binary.BigEndian.AppendUint64(head[:0], uint64(i.time.Unix()))
		head = binary.BigEndian.AppendUint32(head, uint32(i.time.Nanosecond()))
		head = binary.BigEndian.AppendUint64(head, uint64(i.place))
		head = binary.BigEndian.AppendUint32(head, uint32(len(i.entry.Raw)))
		head = append(head, i.id[:]...)
		_, _ = w.Write(head)        // Flush returns the first error.
		_, _ = w.Write(i.entry.Raw) // As above.
		r.bytes += int64(len(head) + len(i.entry.Raw))
	}
	s.size += r.bytes
	return r, w.Flush()
}

// sendRun hands over the entries of a run.
func (f *feed) sendRun(ctx context.Context, r *run) error {
	reader := bufio.NewReaderSize(io.NewSectionReader(r.spill.file, r.at, r.bytes), 32<<10)
	b := batch{feed: f, most: 32 << 10}
	for left := r.bytes; left > 0; {
		i, err := r.read(reader)
		if err != nil {
			return err
		}
		left -= int64(headBytes + len(i.entry.Raw))
		if err := b.add(ctx, i); err != nil {
			return err
		}
	}
	return b.flush(ctx)
}

// read reads the next entry.
func (r *run) read(reader *bufio.Reader) (i item, err error) {
	var head [headBytes]byte
	_, err = io.ReadFull(reader, head[:])
	at := time.Unix(int64(binary.BigEndian.Uint64(head[:])), int64(binary.BigEndian.Uint32(head[8:]))).UTC()
	line := make([]byte, min(binary.BigEndian.Uint32(head[20:]), largestLine))
	if err == nil {
		_, err = io.ReadFull(reader, line)
	}
	decoded, ok := stored.Decode(line)
	if err != nil || !ok {
		return i, errors.Join(errors.New("the temporary file was changed"), err)
	}
	i = item{entry: decoded.(*auditlogs.Entry), time: at, place: int64(binary.BigEndian.Uint64(head[12:])), file: r.file}
	i.log = r.file.logOf(i.entry)
	copy(i.id[:], head[24:])
	return i, nil
}

func (s *spill) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name()) // Where it could not be removed while it was open.
	}
}
