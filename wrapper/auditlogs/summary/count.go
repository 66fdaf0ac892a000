package summary

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// The bounds of a counter: how many values it keeps, and how many bytes of their texts.
const (
	keptValues = 50_000
	keptText   = 4 << 20
)

// A counter counts how often values occur, and keeps a bounded number of them. When a bound is
// reached it drops the half with the fewest occurrences, and remembers how many these can have had
// at most. Therefore a value that it knows has occurred at least as often as counted, and at most
// as much more often as a dropped value can have occurred before it came (back); and a value that
// it does not know has not occurred more often than a dropped one can have.
type counter struct {
	index   map[string]int32 // of cells
	cells   []cell
	text    int
	dropped int64 // how often a value that is not among the cells can have occurred
	most    int   // how many values there were at the same time, at most

	values, bytes int // the bounds
}

type cell struct {
	key         string
	entries     int64
	failed      int64
	missed      int64 // occurrences before the first one that was counted, at most
	first, last int64 // in nanoseconds; noTime where no entry had a time
}

const noTime = math.MinInt64

func newCounter() *counter {
	return &counter{index: map[string]int32{}, values: keptValues, bytes: keptText}
}

func (c *counter) add(key []byte, at int64, failed bool) {
	i, known := c.index[string(key)]
	if !known {
		if len(c.cells) >= c.values || c.text+len(key) > c.bytes && len(c.cells) > 0 {
			c.drop()
		}
		own := string(key)
		i = int32(len(c.cells))
		c.index[own] = i
		c.cells = append(c.cells, cell{key: own, missed: c.dropped, first: noTime, last: noTime})
		c.text += len(own)
		c.most = max(c.most, len(c.cells))
	}
	kept := &c.cells[i]
	kept.entries++
	if failed {
		kept.failed++
	}
	if at == noTime {
		return
	}
	if kept.first == noTime || at < kept.first {
		kept.first = at
	}
	kept.last = max(kept.last, at)
}

// drop keeps the values with the most occurrences: half of what the bounds allow.
func (c *counter) drop() {
	slices.SortFunc(c.cells, func(a, b cell) int {
		return cmp.Or(cmp.Compare(b.entries+b.missed, a.entries+a.missed), strings.Compare(a.key, b.key))
	})
	kept, text := 0, 0
	for kept < c.values/2 && kept < len(c.cells) && text+len(c.cells[kept].key) <= c.bytes/2 {
		text += len(c.cells[kept].key)
		kept++
	}
	if kept < len(c.cells) {
		c.dropped = max(c.dropped, c.cells[kept].entries+c.cells[kept].missed)
	}
	clear(c.cells[kept:])
	c.cells, c.text = c.cells[:kept], text
	clear(c.index)
	for i, own := range c.cells {
		c.index[own.key] = int32(i)
	}
}

// top returns the values that occurred most often, and of those that are equal first the one that
// was there first.
func (c *counter) top(n int) []cell {
	best := slices.Clone(c.cells)
	slices.SortFunc(best, func(a, b cell) int {
		return cmp.Or(cmp.Compare(b.entries, a.entries), cmp.Compare(a.first, b.first), strings.Compare(a.key, b.key))
	})
	return best[:min(n, len(best))]
}
