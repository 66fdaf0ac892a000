package page

import (
	"cmp"
	"maps"
	"slices"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/summary"
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

// Add shows the keeper an entry, and which rules have found it: what [summary.Collector.Add]
// returns. The earlier entries of a burst are kept as far as they are among the newest.
func (k *Keeper) Add(e *auditlogs.Entry, found []summary.Found) {
	own := Entry{Entry: e, number: k.seen}
	k.seen++
	for _, f := range found {
		own.Rules = append(own.Rules, f.Rule)
	}
	for _, f := range found {
		k.keep(f.Rule, maxEach, own)
		if f.Earlier == nil {
			continue
		}
		for _, earlier := range k.newest.entries {
			if earlier.ID != "" && slices.Contains(f.Earlier, earlier.ID) {
				earlier.Rules = []string{f.Rule}
				k.keep(f.Rule, maxEach, earlier)
			}
		}
	}
	k.newest.add(own)
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
	has := map[int]int{} // places in kept, from 1
	take := func(from *newest) {
		for _, e := range slices.Backward(from.entries) {
			if place := has[e.number]; place > 0 {
				kept[place-1].Rules = append(slices.Clip(kept[place-1].Rules), e.Rules...)
			} else if len(kept) < MaxEntries {
				kept = append(kept, e)
				has[e.number] = len(kept)
			}
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(k.found)) {
		take(k.found[rule])
	}
	take(&k.newest)
	slices.SortFunc(kept, older)
	slices.Reverse(kept)
	return kept
}

func older(a, b Entry) int {
	return cmp.Or(a.Action.Time.Compare(b.Action.Time), cmp.Compare(a.number, b.number))
}

// newest keeps the newest entries.
type newest struct {
	most, bytesMost int
	entries         []Entry // the oldest first, as listings have them, so that most are appended
	bytes           int
}

func (n *newest) add(e Entry) {
	at, _ := slices.BinarySearchFunc(n.entries, e, older)
	if at == 0 && len(n.entries) == n.most {
		return
	}
	n.entries = slices.Insert(n.entries, at, e)
	n.bytes += len(e.Raw)
	for len(n.entries) > n.most || n.bytes > n.bytesMost && len(n.entries) > 1 {
		n.bytes -= len(n.entries[0].Raw)
		n.entries[0] = Entry{}
		n.entries = n.entries[1:]
	}
}
