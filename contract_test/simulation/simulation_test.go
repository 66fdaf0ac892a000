package simulation

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is %q: want a number such as 20000", name, text)
	}
	return n
}

// A tally sums up many runs.
type tally struct {
	mu                                                  sync.Mutex
	runs, entries, lost, twice, silent, failed, refused int
	failures                                            []string
}

func (t *tally) add(s *scenario, v *verdict, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	if v != nil {
		t.entries += v.entries
		t.lost += v.lost
		t.twice += v.twice
		if v.lost > 0 {
			t.silent++
		}
		if v.told {
			t.refused++
		}
	}
	if err != nil {
		t.failed++
		t.failures = append(t.failures, fmt.Sprintf("%v\n\t%s\n\tagain: CFAUDIT_SIMULATION_SEED=%d go test -v -run Simulation ./simulation", err, s, s.seed))
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("%d runs, %d entries: lost %d, twice %d, silent %d; %d ended with an error that says that the service cannot be read completely; %d failed",
		t.runs, t.entries, t.lost, t.twice, t.silent, t.refused, t.failed)
}

// TestSimulation runs scenarios of consecutive seeds. CFAUDIT_SIMULATION_RUNS says how many,
// CFAUDIT_SIMULATION_FIRST from which seed on, CFAUDIT_SIMULATION_MINUTES for how long at most, and
// CFAUDIT_SIMULATION_SEED names a single one. CFAUDIT_SIMULATION_PLAIN=1 runs the same scenarios
// without parallel listings.
func TestSimulation(t *testing.T) {
	first, runs := setting(t, "CFAUDIT_SIMULATION_FIRST", 1), setting(t, "CFAUDIT_SIMULATION_RUNS", 300)
	if seed := setting(t, "CFAUDIT_SIMULATION_SEED", -1); seed >= 0 {
		first, runs = seed, 1
	}
	end := time.Now().Add(time.Duration(setting(t, "CFAUDIT_SIMULATION_MINUTES", 60)) * time.Minute)
	plain := setting(t, "CFAUDIT_SIMULATION_PLAIN", 0) > 0
	sum := &tally{}
	var next atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(strconv.Itoa(worker), func(t *testing.T) {
				t.Parallel()
				for time.Now().Before(end) {
					i := int(next.Add(1)) - 1
					if i >= runs {
						return
					}
					s := draw(uint64(first + i))
					if plain {
						s = s.plain()
					}
					v, _, err := s.run(t)
					sum.add(s, v, err)
				}
			})
		}
	})
	shown := setting(t, "CFAUDIT_SIMULATION_SHOWN", 10)
	for i, failure := range sum.failures {
		if i == shown {
			t.Errorf("and %d more", len(sum.failures)-i)
			break
		}
		t.Error(failure)
	}
	t.Log(sum)
}

// plain is the same scenario without parallel listings.
func (s *scenario) plain() *scenario {
	p := *s
	p.legs = append([]leg(nil), s.legs...)
	for i := range p.legs {
		p.legs[i].parallel = false
	}
	return &p
}
