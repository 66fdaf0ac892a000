package summary

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// A Hint is what one rule has found: entries that deserve a look. It is no finding: most of it is
// ordinary work.
type Hint struct {
	Rule    string `json:"rule"`    // such as "token-created"; it stays
	Title   string `json:"title"`   // such as "Tokens created"
	Words   string `json:"words"`   // the rule in words
	Entries int64  `json:"entries"` // all that the rule has found
	Failed  int64  `json:"failed"`  // those of them whose action.result is "failure"
	Cases   []Case `json:"cases"`   // by actor, or by address; in the order in which they were found
	More    int64  `json:"more"`    // entries of further actors or addresses, beyond the first 100
}

// Top returns the hint with at most n of its cases. The entries of the others count in More.
func (h Hint) Top(n int) Hint {
	n = min(n, len(h.Cases))
	for _, c := range h.Cases[n:] {
		h.More += c.Entries
	}
	h.Cases = h.Cases[:n]
	return h
}

// A Case is what a rule has found about one actor or address.
type Case struct {
	Who     string      `json:"who"` // the actor, or the address; empty where the entries have none
	Entries int64       `json:"entries"`
	First   time.Time   `json:"first,omitzero"`
	Last    time.Time   `json:"last,omitzero"`
	Found   []Reference `json:"found"` // the first of the entries, at most 10
	More    int64       `json:"more"`  // the entries beyond these
}

// A Reference says which entry is meant, and enough about it for a line.
type Reference struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time,omitzero"`
	Actor   string    `json:"actor"`
	Address string    `json:"address"`
	Action  string    `json:"action"`
	Note    string    `json:"note,omitzero"` // what a rule says about it, such as "ssl set to off"
}

// The bounds of hints.
const (
	keptCases      = 100
	keptReferences = 10
	keptBursts     = 2_000 // actors or addresses that are watched for a burst lately, and as many before
)

// A finder is one rule at work.
type finder struct {
	rule
	in     *time.Location // of times
	hint   Hint
	cases  map[string]int      // of hint.Cases
	bursts [2]map[string]burst // those that were seen lately, and those before
}

// A burst holds the last entries of an actor or address, in the order in which they came.
type burst []watched

type watched struct {
	Reference
	failed, taken bool
}

func newFinder(r rule, in *time.Location) *finder {
	return &finder{
		rule: r, in: in, hint: Hint{Rule: r.name, Title: r.title, Words: r.words},
		cases: map[string]int{}, bursts: [2]map[string]burst{{}, {}},
	}
}

// A Found says that a rule has found an entry.
type Found struct {
	Rule    string   // such as "bulk-deletion"
	Earlier []string // the ids of the entries before it that it made a burst
}

// find shows an entry to all rules. It returns those that have found it.
func (c *Collector) find(e *auditlogs.Entry, failed bool) (found []Found) {
	about := topicsOf(pathOf(e.Entry.Raw.URI)) | topicsOf(e.Resource.Product) | topicsOf(e.Resource.Type)
	for _, f := range c.hints {
		if failed && !f.failed {
			continue
		}
		note, ok := f.finds(e, about)
		if !ok {
			continue
		}
		if f.burst == 0 {
			f.take(f.who(e), refer(e, note, f.in), failed)
			found = append(found, Found{Rule: f.name})
		} else if earlier, ok := f.watch(e, failed); ok {
			found = append(found, Found{Rule: f.name, Earlier: earlier})
		}
	}
	return found
}

func (f *finder) who(e *auditlogs.Entry) string {
	if f.fromAddress {
		return e.Actor.IPAddress
	}
	return actorOf(e)
}

func actorOf(e *auditlogs.Entry) string { return cmp.Or(e.Actor.Email, e.Actor.ID, e.Actor.Type) }

// take adds an entry to what the rule has found.
func (f *finder) take(who string, r Reference, failed bool) {
	f.hint.Entries++
	if failed {
		f.hint.Failed++
	}
	who = cut(who)
	i, known := f.cases[who]
	if !known {
		if len(f.hint.Cases) == keptCases {
			f.hint.More++
			return
		}
		i = len(f.hint.Cases)
		f.cases[who] = i
		f.hint.Cases = append(f.hint.Cases, Case{Who: who})
	}
	c := &f.hint.Cases[i]
	c.Entries++
	if len(c.Found) < keptReferences {
		c.Found = append(c.Found, r)
	} else {
		c.More++
	}
	widen(&c.First, &c.Last, r.Time)
}

// watch adds an entry to the last ones of its actor or address, and takes all of these if they came
// within the time.
func (f *finder) watch(e *auditlogs.Entry, failed bool) (earlier []string, found bool) {
	who := f.who(e)
	if who == "" || e.Action.Time.IsZero() {
		return nil, false
	}
	who = cut(who)
	b, lately := f.bursts[0][who]
	if !lately {
		b = f.bursts[1][who]
		if len(f.bursts[0]) >= keptBursts {
			f.bursts[1], f.bursts[0] = f.bursts[0], map[string]burst{}
		}
	}
	if len(b) == f.burst {
		b = slices.Delete(b, 0, 1)
	}
	b = append(b, watched{Reference: refer(e, "", f.in), failed: failed})
	f.bursts[0][who] = b
	if len(b) < f.burst || !within(b, f.within) {
		return nil, false
	}
	for i := range b {
		if b[i].taken {
			continue
		}
		b[i].taken = true
		f.take(who, b[i].Reference, b[i].failed)
		if i < len(b)-1 {
			earlier = append(earlier, b[i].ID)
		}
	}
	return earlier, true
}

func within(entries burst, most time.Duration) bool {
	var first, last time.Time
	for _, e := range entries {
		widen(&first, &last, e.Time)
	}
	return last.Sub(first) <= most
}

func refer(e *auditlogs.Entry, note string, in *time.Location) Reference {
	return Reference{
		ID: cut(e.ID), Time: e.Action.Time.In(in), Actor: cut(actorOf(e)), Address: cut(e.Actor.IPAddress),
		Action: cut(cmp.Or(e.Action.Description, e.Action.Type)), Note: note,
	}
}

// cut copies a text, since what is kept must not keep an entry, and shortens a long one.
func cut(text string) string {
	if len(text) <= longText {
		return strings.Clone(text)
	}
	return string(shortened([]byte(text), 0))
}
