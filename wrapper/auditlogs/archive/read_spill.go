package archive

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A spill is the temporary file that holds what was sorted and does not fit in memory.
type spill struct {
	mu   sync.Mutex
	file *os.File
	size int64
}

// headBytes is how long what precedes the bytes of an entry is: its time, its place, its length and
// its identity.
const headBytes = 8 + 4 + 8 + 4 + 16

// write adds sorted entries of one file.
func (s *spill) write(items []item) (*io.SectionReader, error) {
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
	start, head := s.size, make([]byte, 0, headBytes)
	for _, i := range items {
		head = binary.BigEndian.AppendUint64(head[:0], uint64(i.time.Unix()))
		head = binary.BigEndian.AppendUint32(head, uint32(i.time.Nanosecond()))
		head = binary.BigEndian.AppendUint64(head, uint64(i.place))
		head = binary.BigEndian.AppendUint32(head, uint32(len(i.entry.Raw)))
		head = append(head, i.id[:]...)
		_, _ = w.Write(head)        // Flush returns the first error.
		_, _ = w.Write(i.entry.Raw) // As above.
		s.size += int64(len(head) + len(i.entry.Raw))
	}
	return io.NewSectionReader(s.file, start, s.size-start), w.Flush()
}

// unspill hands over what was sorted.
func (r *reading) unspill(ctx context.Context, u *unit) error {
	reader := bufio.NewReaderSize(u.run, runBytes)
	for left := u.run.Size(); left > 0; {
		i, err := readItem(reader, u.file)
		if err == nil {
			err = u.feed.add(ctx, i)
		}
		if err != nil {
			return err
		}
		left -= int64(headBytes + len(i.entry.Raw))
	}
	return nil
}

func readItem(reader *bufio.Reader, of *file) (i item, err error) {
	var head [headBytes]byte
	_, err = io.ReadFull(reader, head[:])
	at := time.Unix(int64(binary.BigEndian.Uint64(head[:])), int64(binary.BigEndian.Uint32(head[8:]))).UTC()
	line := make([]byte, min(binary.BigEndian.Uint32(head[20:]), largestLine))
	if err == nil {
		_, err = io.ReadFull(reader, line)
	}
	if err != nil {
		return i, fmt.Errorf("the temporary file was changed: %w", err)
	}
	e, _ := decode(line, true)
	i = item{entry: e, time: at, place: int64(binary.BigEndian.Uint64(head[12:])), file: of}
	i.log = of.logOf(i.entry)
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
