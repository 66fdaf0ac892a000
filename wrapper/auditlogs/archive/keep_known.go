package archive

import (
	"bytes"
	"context"
	"slices"

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
	m, decoders := &memory{unnamed: map[mark]int{}}, newDecoders()
	for _, l := range day {
		if l.File == "" {
			continue
		}
		m.named = slices.Grow(m.named, int(max(l.Entries, 0)))
		file, all := l.file(k.place(l.data())), &filter{since: l.day, before: l.end()}
		err := file.each(ctx, decoders, all, func(i item) error {
			if i.entry.ID == "" {
				m.unnamed[i.id]++
			} else {
				m.named = append(m.named, i.id)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.named, compareMarks)
	return m, nil
}
