package summary

import (
	"cmp"
	"errors"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// News are what a window has that its baseline, the time before it, has not.
type News struct {
	BaselineSince   time.Time `json:"baseline_since"` // the start of the baseline, which ends where the window starts
	Since           time.Time `json:"since"`          // the start of the window
	Before          time.Time `json:"before"`         // its end
	TimeZone        string    `json:"time_zone"`      // of the times
	BaselineEntries int64     `json:"baseline_entries"`
	Entries         int64     `json:"entries"` // in the window
	Kinds           []Kind    `json:"kinds"`
}

// A Kind are the new values of one kind, such as addresses.
type Kind struct {
	Name     string     `json:"name"`     // such as "addresses"
	Fields   []string   `json:"fields"`   // the paths of the fields
	Baseline int64      `json:"baseline"` // how many values the baseline has
	Values   []NewValue `json:"values"`   // the new ones, in the order of their first entries; at most 10,000
	More     int64      `json:"more"`     // new values beyond these
	// AtLeast means that Baseline and More are the least that there can be. Missed is then how many
	// of a million new values are taken for known ones. No value that the baseline has is ever
	// among Values.
	AtLeast bool    `json:"at_least"`
	Missed  float64 `json:"missed_per_million"`
}

// Top returns the kind with at most n of its values. The others count in More.
func (k Kind) Top(n int) Kind {
	n = min(n, len(k.Values))
	k.More += int64(len(k.Values) - n)
	k.Values = k.Values[:n]
	return k
}

// A NewValue is a value that occurs for the first time.
type NewValue struct {
	Text    string    `json:"text"`
	Entries int64     `json:"entries"` // of the window
	Failed  int64     `json:"failed"`  // those of them whose action.result is "failure"
	First   Reference `json:"first"`   // the first of them
	Last    time.Time `json:"last,omitzero"`
}

// The bounds of what is kept of each kind: new values and the bytes of their texts, and the values
// of a baseline that are known exactly. Beyond, a baseline is a Bloom filter of 8 MiB.
const (
	keptNew      = 10_000
	keptNewText  = 2 << 20
	keptBaseline = 100_000
	bloomBits    = 64 << 20
	bloomHashes  = 7
)

// NewsOptions say what is compared.
type NewsOptions struct {
	// BaselineSince is the start of the baseline. Since is its end and the start of the window, and
	// Before the end of the window. Required.
	BaselineSince, Since, Before time.Time
	// Location is the time zone of the times; nil for UTC.
	Location *time.Location
}

// A Comparer finds what is new. Give it the entries of the baseline first, in any order, and then
// those of the window, in any order. It is not safe for use by several goroutines.
type Comparer struct {
	news  News // without its kinds
	kinds []*kind
}

type kind struct {
	*grouping
	known  set // the baseline, and new values that are beyond what is kept
	before int64
	index  map[string]int
	values []NewValue
	text   int
	more   int64
}

// kinds are what can be new. Networks are those that usually belong to one customer of a provider.
var kinds = []groupBy{
	byActor,
	byToken,
	byAddress,
	{name: "networks", paths: byAddress.paths, fields: []field{network}},
	byUserAgent,
	{name: "actions and products", paths: []string{"action.type", "resource.product"}},
}

// NewComparer returns a Comparer. It returns an error if an option is wrong.
func NewComparer(options NewsOptions) (*Comparer, error) {
	if options.BaselineSince.IsZero() || !options.BaselineSince.Before(options.Since) || !options.Since.Before(options.Before) {
		return nil, errors.New("summary: the baseline or the window is missing or empty: want BaselineSince before Since, and Since before Before")
	}
	if options.Location == nil {
		options.Location = time.UTC
	}
	in := options.Location
	c := &Comparer{news: News{
		BaselineSince: options.BaselineSince.In(in), Since: options.Since.In(in), Before: options.Before.In(in),
		TimeZone: in.String(),
	}}
	for _, k := range kinds {
		c.kinds = append(c.kinds, &kind{grouping: newGrouping(k, in), index: map[string]int{}, known: newSet()})
	}
	return c, nil
}

// Baseline adds an entry of the baseline. One that is as late as the window's start is left out:
// whether the service takes the end of a window for a part of it is not documented.
func (c *Comparer) Baseline(e *auditlogs.Entry) {
	if !e.Action.Time.Before(c.news.Since) {
		return
	}
	c.news.BaselineEntries++
	for _, k := range c.kinds {
		if key := k.keyOf(e); len(key) > 0 && k.known.add(key) {
			k.before++
		}
	}
}

// Add compares an entry of the window with the baseline. It reports whether it is the first one
// with a value that is new.
func (c *Comparer) Add(e *auditlogs.Entry) (first bool) {
	c.news.Entries++
	failed := e.Action.Result == auditlogsapi.ActionResultFailure
	for _, k := range c.kinds {
		if key := k.keyOf(e); len(key) > 0 && k.add(key, e, failed) {
			first = true
		}
	}
	return first
}

func (k *kind) add(key []byte, e *auditlogs.Entry, failed bool) (first bool) {
	i, known := k.index[string(key)]
	if !known {
		if k.known.has(k.known.hash(key)) {
			return false
		}
		if len(k.values) == keptNew || k.text+len(key) > keptNewText {
			if k.known.add(key) {
				k.more++
			}
			return true
		}
		own := string(key)
		_, texts := k.is(own)
		i = len(k.values)
		k.index[own] = i
		k.text += len(own)
		k.values = append(k.values, NewValue{Text: strings.Join(texts, separator), First: refer(e, "", k.in)})
	}
	v := &k.values[i]
	v.Entries++
	if failed {
		v.Failed++
	}
	if at := e.Action.Time.In(k.in); !at.IsZero() {
		if at.Before(v.First.Time) || v.First.Time.IsZero() {
			v.First = refer(e, "", k.in)
		}
		if at.After(v.Last) {
			v.Last = at
		}
	}
	return !known
}

// News returns what is new so far.
func (c *Comparer) News() *News {
	n := c.news
	for _, k := range c.kinds {
		made := Kind{
			Name: k.name, Fields: slices.Clone(k.paths), Baseline: k.before, More: k.more, Values: append([]NewValue{}, k.values...),
			AtLeast: k.known.bloom != nil, Missed: k.known.missed(),
		}
		slices.SortStableFunc(made.Values, func(a, b NewValue) int {
			return cmp.Or(a.First.Time.Compare(b.First.Time), strings.Compare(a.Text, b.Text))
		})
		n.Kinds = append(n.Kinds, made)
	}
	return &n
}

// A set knows which values it has: exactly up to a bound, by two hashes of 64 bits, and beyond it
// as a Bloom filter, which takes a few new values for known ones, and never a known one for new.
type set struct {
	seeds [2]maphash.Seed
	exact map[[2]uint64]struct{}
	bloom []uint64
	ones  int // bits of the filter that are set
	limit int
}

func newSet() set {
	return set{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, exact: map[[2]uint64]struct{}{}, limit: keptBaseline}
}

func (s *set) hash(key []byte) [2]uint64 {
	return [2]uint64{maphash.Bytes(s.seeds[0], key), maphash.Bytes(s.seeds[1], key)}
}

func (s *set) has(h [2]uint64) bool {
	if s.bloom == nil {
		_, known := s.exact[h]
		return known
	}
	for i := range uint64(bloomHashes) {
		if bit := (h[0] + i*(h[1]|1)) % bloomBits; s.bloom[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

// add reports whether the value was added, and not known before.
func (s *set) add(key []byte) bool {
	h := s.hash(key)
	switch {
	case s.has(h):
		return false
	case s.bloom != nil:
		s.mark(h)
	case len(s.exact) < s.limit:
		s.exact[h] = struct{}{}
	default:
		s.bloom = make([]uint64, bloomBits/64)
		for known := range s.exact {
			s.mark(known)
		}
		s.exact = nil
		s.mark(h)
	}
	return true
}

func (s *set) mark(h [2]uint64) {
	for i := range uint64(bloomHashes) {
		bit := (h[0] + i*(h[1]|1)) % bloomBits
		if word := &s.bloom[bit/64]; *word&(1<<(bit%64)) == 0 {
			*word |= 1 << (bit % 64)
			s.ones++
		}
	}
}

// missed returns how many of a million values that are not in the set it takes for known.
func (s *set) missed() float64 {
	if s.bloom == nil {
		return 0
	}
	return 1e6 * math.Pow(float64(s.ones)/bloomBits, bloomHashes)
}
