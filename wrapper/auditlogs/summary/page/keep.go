package page

import (
	"cmp"
	"container/heap"
	"slices"

	"cfaudit.example/wrapper/auditlogs"
)

// The bounds of the entries that a page has.
const (
	MaxEntries = 2_000
	maxEach    = 100      // of each rule
	maxFirst   = 1_000    // that deserve a look without a rule
	maxBytes   = 32 << 20 // of the JSON of the newest
	maxEachOf  = 4 << 20  // of the JSON of each rule
)

// A Keeper keeps the entries of a stream that a page shows, in any order: the newest 100 that each
// rule has found, the newest 1,000 that deserve a look without a rule, and of all the newest, 2,000
// in all. Of entries with much JSON it keeps fewer.
type Keeper struct {
	seen   int
	newest newest
	found  map[string]*newest // by rule; "" for those without
}

// An Entry is an entry of a page.
type Entry struct {
	*auditlogs.Entry
	Rules []string // of the hints that it is among

	number int // in the stream
}

// NewKeeper returns a Keeper without entries.
func NewKeeper() *Keeper {
	return &Keeper{newest: newest{most: MaxEntries, bytesMost: maxBytes}, found: map[string]*newest{}}
}

// Add shows the keeper an entry, and which rules have found it.
func (k *Keeper) Add(e *auditlogs.Entry, rules []string) {
	own := Entry{Entry: e, Rules: rules, number: k.seen}
	k.seen++
	k.newest.add(own)
	for _, rule := range rules {
		k.keep(rule, maxEach, own)
	}
}

// AddFirst shows the keeper an entry that deserves a look without a rule.
func (k *Keeper) AddFirst(e *auditlogs.Entry) {
	k.keep("", maxFirst, Entry{Entry: e, number: k.seen})
	k.seen++
}

func (k *Keeper) keep(rule string, most int, e Entry) {
	if k.found[rule] == nil {
		k.found[rule] = &newest{most: most, bytesMost: maxEachOf}
	}
	k.found[rule].add(e)
}

// Entries returns the kept entries, the newest first.
func (k *Keeper) Entries() []Entry {
	var kept []Entry
	has := map[int]bool{}
	take := func(from newest, most int) {
		entries := slices.Clone(from.entries)
		slices.SortFunc(entries, newer)
		for _, e := range entries {
			if len(kept) < most && !has[e.number] {
				has[e.number] = true
				kept = append(kept, e)
			}
		}
	}
	for _, found := range k.found {
		take(*found, MaxEntries)
	}
	take(k.newest, MaxEntries)
	slices.SortFunc(kept, newer)
	return kept
}

func newer(a, b Entry) int {
	return cmp.Or(b.Action.Time.Compare(a.Action.Time), cmp.Compare(b.number, a.number))
}

// newest keeps the newest entries: a heap with the oldest at its top.
type newest struct {
	most, bytesMost int
	entries         []Entry
	bytes           int
}

func (n *newest) add(e Entry) {
	heap.Push(n, e)
	for len(n.entries) > n.most || n.bytes > n.bytesMost && len(n.entries) > 1 {
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
