package simulation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The judge sees what it is there to see, and excuses what it has to.
func TestJudge(t *testing.T) {
	// Six entries a second apart, of which two and three are of the same moment, and five appears
	// late.
	records := at([]time.Time{
		day, day.Add(time.Second), day.Add(2 * time.Second), day.Add(2 * time.Second), day.Add(4 * time.Second), day.Add(5 * time.Second),
	})
	records[5].visible = time.Minute
	base := inParallel(1, records, 10)
	with := func(change func(s *scenario)) *scenario {
		s := *base
		change(&s)
		return &s
	}
	anew := with(func(s *scenario) { s.traits.ties = tiesPerListing })
	hidden := with(func(s *scenario) { s.traits.order = byHidden })
	shuffled := with(func(s *scenario) { s.traits.ties = tiesPerRequest })
	exclusive := with(func(s *scenario) { s.since, s.traits.sinceIncluded = day, false })
	for _, c := range []struct {
		name      string
		s         *scenario
		delivered string
		stops     []int // entries before each stop
		change    func(j *journal)
		want      string // "" for not guilty
	}{
		{name: "all", s: base, delivered: "0 1 2 3 4 5"},
		{name: "without the late one", s: base, delivered: "0 1 2 3 4"},
		{name: "ties in another order", s: base, delivered: "0 1 3 2 4"},
		{name: "one lost", s: base, delivered: "0 1 3 4", want: "1 lost"},
		{name: "nothing delivered", s: base, delivered: "", want: "5 lost"},
		{name: "one twice", s: base, delivered: "0 1 2 2 3 4", want: "1 twice"},
		{name: "the late one twice", s: base, delivered: "0 1 2 3 4 5 5", want: "1 twice"},
		{name: "one too late", s: base, delivered: "0 2 1 3 4", want: "1 out of order"},
		{name: "an unknown one", s: base, delivered: "0 1 2 3 4 77", want: "1 foreign"},
		{name: "one outside the window", s: exclusive, delivered: "0 1 2 3 4", want: "1 foreign"},
		{name: "the window's own", s: exclusive, delivered: "1 2 3 4"},
		{
			name: "late, shown, and not delivered", s: base, delivered: "0 1 2 3 4",
			change: func(j *journal) { j.shown[5] = true }, want: "1 shown and never delivered",
		},
		{name: "twice after a stop", s: base, delivered: "0 1 2 2 3 4", stops: []int{3}, want: "1 twice"},
		{name: "twice after a stop among ties that come anew", s: anew, delivered: "0 1 2 2 3 4", stops: []int{3}},
		{name: "another moment twice after such a stop", s: anew, delivered: "0 1 2 1 2 3 4", stops: []int{3}, want: "1 twice"},
		{name: "lost after such a stop", s: anew, delivered: "0 1 2 4", stops: []int{3}, want: "1 lost"},
		{name: "an undocumented order, twice and out of order", s: hidden, delivered: "0 2 1 1 3 4"},
		{name: "an undocumented order, one lost", s: hidden, delivered: "0 1 2 3", want: "1 lost"},
		{
			name: "an undocumented order, one lost, and told", s: hidden, delivered: "0 1 2 3",
			change: func(j *journal) { j.told = errStopped },
		},
		{
			name: "the documented order, one lost, and an error", s: base, delivered: "0 1 2 3",
			change: func(j *journal) { j.told = errStopped }, want: "1 lost",
		},
		{name: "shuffled in each request, one lost", s: shuffled, delivered: "0 1 2 4", want: "1 lost"},
		{
			name: "shuffled in each request, one lost and one repeated", s: shuffled, delivered: "0 1 2 4",
			change: func(j *journal) { j.repeated = 1 },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &journal{shown: map[int]bool{}}
				for _, number := range strings.Fields(c.delivered) {
					j.delivered = append(j.delivered, "e"+number)
				}
				j.ends = append(slices.Clone(c.stops), len(j.delivered))
				if c.change != nil {
					c.change(j)
				}
				got := fmt.Sprint(c.s.judge(newService(c.s.traits, c.s.seed, c.s.records), j).err())
				if c.want == "" && got != "<nil>" || !strings.Contains(got, c.want) {
					t.Errorf("the verdict is %s: want %q", got, c.want)
				}
				for _, count := range []string{"lost", "twice", "out of order", "foreign", "shown and never delivered"} {
					if got != "<nil>" && !strings.Contains(got, "0 "+count) && !strings.Contains(c.want, count) {
						t.Errorf("the verdict is %s: want only %q", got, c.want)
					}
				}
			})
		})
	}
}
