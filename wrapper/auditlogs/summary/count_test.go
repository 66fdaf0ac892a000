package summary

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestCounterIsHonest compares a counter of few values with the truth.
func TestCounterIsHonest(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		c := newCounter()
		c.values, c.bytes = 2+rng.IntN(30), 20+rng.IntN(300)
		truth := map[string]int64{}
		zipf := rand.NewZipf(rng, 1.1, 1, uint64(1+rng.IntN(200)))
		for range rng.IntN(3000) {
			key := fmt.Sprint("v", zipf.Uint64())
			truth[key]++
			c.add([]byte(key), noTime, false)
			if len(c.cells) > c.values || c.text > c.bytes {
				t.Fatalf("seed %d: %d values with %d bytes: want at most %d with %d", seed, len(c.cells), c.text, c.values, c.bytes)
			}
		}
		for key, n := range truth {
			i, known := c.index[key]
			switch {
			case !known && n > c.dropped:
				t.Errorf("seed %d: %s occurred %d times and is unknown, and such are said to have occurred %d times at most", seed, key, n, c.dropped)
			case known && (n < c.cells[i].entries || n > c.cells[i].entries+c.cells[i].missed):
				t.Errorf("seed %d: %s occurred %d times, and is said to have occurred %+v", seed, key, n, c.cells[i])
			}
		}
		if c.most > len(truth) || c.dropped == 0 && c.most != len(truth) {
			t.Errorf("seed %d: %d values, and %d are said to be there", seed, len(truth), c.most)
		}
	}
}
