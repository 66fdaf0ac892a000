package summary

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
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

type hints struct {
	rules  []*finder
	topics map[[2]string]topic // of products and types
}

// A finder is one rule at work.
type finder struct {
	rule
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

func newHints() *hints {
	h := &hints{topics: map[[2]string]topic{}}
	for _, r := range rules {
		f := &finder{rule: r, hint: Hint{Rule: r.name, Title: r.title, Words: r.words}, cases: map[string]int{}}
		f.bursts = [2]map[string]burst{{}, {}}
		h.rules = append(h.rules, f)
	}
	return h
}

// A Found says that a rule has found an entry.
type Found struct {
	Rule    string   // such as "bulk-deletion"
	Earlier []string // the ids of the entries before it that it made a burst
}

// add shows an entry to all rules. It returns those that have found it.
func (h *hints) add(e *auditlogs.Entry) (found []Found) {
	failed := e.Action.Result == auditlogsapi.ActionResultFailure
	about := h.about(e)
	for _, f := range h.rules {
		if failed && !f.failed {
			continue
		}
		note, ok := f.finds(e, about)
		if !ok {
			continue
		}
		if f.burst == 0 {
			f.take(f.who(e), refer(e, note), failed)
			found = append(found, Found{Rule: f.name})
		} else if earlier, ok := f.watch(e, failed); ok {
			found = append(found, Found{Rule: f.name, Earlier: earlier})
		}
	}
	return found
}

// about returns what an entry is about. Products and types are few, and so they are looked at once.
func (h *hints) about(e *auditlogs.Entry) topic {
	about := topicsOf(pathOf(e.Entry.Raw.URI))
	if len(e.Resource.Product) > longText || len(e.Resource.Type) > longText {
		return about
	}
	key := [2]string{e.Resource.Product, e.Resource.Type}
	known, ok := h.topics[key]
	if !ok {
		if len(h.topics) >= 4096 {
			clear(h.topics)
		}
		known = topicsOf(key[0]) | topicsOf(key[1])
		h.topics[[2]string{strings.Clone(key[0]), strings.Clone(key[1])}] = known
	}
	return about | known
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
	b = append(b, watched{Reference: refer(e, ""), failed: failed})
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

func refer(e *auditlogs.Entry, note string) Reference {
	return Reference{
		ID: cut(e.ID), Time: e.Action.Time, Actor: cut(actorOf(e)), Address: cut(e.Actor.IPAddress),
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

// found returns what the rules have found, those of them that have found something.
func (h *hints) found(in *time.Location) []Hint {
	found := []Hint{}
	for _, f := range h.rules {
		if f.hint.Entries == 0 {
			continue
		}
		hint := f.hint
		hint.Cases = slices.Clone(hint.Cases)
		for i := range hint.Cases {
			c := &hint.Cases[i]
			c.First, c.Last = inZone(c.First, in), inZone(c.Last, in)
			c.Found = slices.Clone(c.Found)
			for j := range c.Found {
				c.Found[j].Time = inZone(c.Found[j].Time, in)
			}
		}
		found = append(found, hint)
	}
	return found
}
