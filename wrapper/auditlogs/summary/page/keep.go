package page

import (
	"cmp"
	"container/heap"
	"slices"

	"cfaudit.example/wrapper/auditlogs"
)

// The bounds of the entries that a page has: those that deserve a look, which have half of the
// places at most, and then the newest.
const (
	MaxEntries = 2_000
	maxBytes   = 32 << 20 // of the JSON of each kind
)

// A Keeper keeps the entries of a stream that a page shows, in any order: of those that deserve a
// look the newest 1,000, and of all the newest 2,000. Of entries with much JSON it keeps fewer, 32
// MiB of each kind.
type Keeper struct {
	seen        int
	newest      newest
	interesting newest
}

// An Entry is an entry of a page.
type Entry struct {
	*auditlogs.Entry
	Rules []string // of the hints that it is among

	number int // in the stream
}

// NewKeeper returns a Keeper without entries.
func NewKeeper() *Keeper {
	return &Keeper{newest: newest{most: MaxEntries}, interesting: newest{most: MaxEntries / 2}}
}

// Add shows the keeper an entry, and whether it deserves a look. Rules are those that have found it.
func (k *Keeper) Add(e *auditlogs.Entry, interesting bool, rules []string) {
	own := Entry{Entry: e, Rules: rules, number: k.seen}
	k.seen++
	k.newest.add(own)
	if interesting {
		k.interesting.add(own)
	}
}

// Entries returns the kept entries, the newest first.
func (k *Keeper) Entries() []Entry {
	kept := slices.Clone(k.interesting.entries)
	has := map[int]bool{}
	for _, e := range kept {
		has[e.number] = true
	}
	rest := slices.Clone(k.newest.entries)
	slices.SortFunc(rest, newer)
	for _, e := range rest {
		if len(kept) < MaxEntries && !has[e.number] {
			kept = append(kept, e)
		}
	}
	slices.SortFunc(kept, newer)
	return kept
}

func newer(a, b Entry) int {
	return cmp.Or(b.Action.Time.Compare(a.Action.Time), cmp.Compare(b.number, a.number))
}

// newest keeps the newest entries: a heap with the oldest at its top.
type newest struct {
	most    int
	entries []Entry
	bytes   int
}

func (n *newest) add(e Entry) {
	heap.Push(n, e)
	for len(n.entries) > n.most || n.bytes > maxBytes && len(n.entries) > 1 {
		heap.Pop(n)
	}
}

func (n *newest) Len() int           { return len(n.entries) }
func (n *newest) Less(i, j int) bool { return newer(n.entries[i], n.entries[j]) > 0 }
func (n *newest) Swap(i, j int)      { n.entries[i], n.entries[j] = n.entries[j], n.entries[i] }

func (n *newest) Push(e any) {
	n.entries = append(n.entries, e.(Entry))
	n.bytes += len(e.(Entry).Raw)
}

func (n *newest) Pop() any {
	last := len(n.entries) - 1
	e := n.entries[last]
	n.entries[last] = Entry{}
	n.entries = n.entries[:last]
	n.bytes -= len(e.Raw)
	return e
}
