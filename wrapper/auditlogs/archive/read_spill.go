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
	var head []byte
	for _, i := range items {
		head = binary.AppendVarint(head[:0], i.time.Unix())
		head = binary.AppendUvarint(head, uint64(i.time.Nanosecond()))
		head = binary.AppendUvarint(head, uint64(i.place))
		head = binary.AppendUvarint(head, uint64(len(i.log)))
		head = append(head, i.log...)
		head = append(head, i.id[:]...)
		head = binary.AppendUvarint(head, uint64(len(i.entry.Raw)))
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
	for {
		i, err := r.read(reader)
		if errors.Is(err, io.EOF) {
			return b.flush(ctx)
		}
		if err != nil {
			return err
		}
		if err := b.add(ctx, i); err != nil {
			return err
		}
	}
}

func (r *run) read(reader *bufio.Reader) (i item, err error) {
	seconds, err := binary.ReadVarint(reader)
	if err != nil {
		return i, err // The end is here.
	}
	var problems []error
	number := func() int64 {
		n, err := binary.ReadUvarint(reader)
		problems = append(problems, err)
		return int64(n)
	}
	text := func(n int64) []byte {
		b := make([]byte, min(n, largestLine))
		_, err := io.ReadFull(reader, b)
		problems = append(problems, err)
		return b
	}
	i = item{file: r.file, time: time.Unix(seconds, number()).UTC(), place: number(), log: string(text(number()))}
	copy(i.id[:], text(int64(len(i.id))))
	decoded, ok := stored.Decode(text(number()))
	if err := errors.Join(problems...); err != nil || !ok {
		return i, errors.Join(errors.New("the temporary file was changed"), err)
	}
	i.entry = decoded.(*auditlogs.Entry)
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
