package auditlogstest

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// AccountID is the account of a made-up history, unless [History] names another.
const AccountID = "4bb334f7c94c4a29a045f03944f072e5"

// OrganizationID is the organization of a made-up history.
const OrganizationID = "a67e14daa5f8dceeb91fe5449ba496ef"

// A History describes made-up entries. The same history has the same entries in every run, byte for
// byte.
//
// A dozen people, among them alice@example.com, some tokens, the system and Cloudflare's staff
// change what accounts usually change, mostly in working hours, in bursts, and sometimes in bulk at
// one instant. Some entries deviate from the reference, as real ones do: any 200 in a row, those of
// an incident left out, have at least one of each kind.
//
// Many entries are about the same resource as an earlier one: its name stays, the response has what
// the request set, and nothing changes it after it was deleted. Beside the account's entries there
// are some of an organization, one for every hundred.
type History struct {
	// Seed makes histories differ. 0 is a seed like any other.
	Seed uint64

	// Entries is how many entries there are, with those of the incident. 0 makes an empty history.
	Entries int

	// Incident is when someone breaks into the account, from an address that nobody used before:
	// 38 sign-ins fail and one succeeds, a new API token weakens the settings of three zones and
	// deletes 24 DNS records, which earlier entries create. What is outside the window is left out.
	// The zero time makes no incident, and neither does a history with fewer entries than it needs.
	Incident time.Time

	// Since and Before bound the times of the entries: none is older than Since, and all are older
	// than Before. A zero Before means now, and a zero Since means 30 days earlier.
	Since, Before time.Time

	// EntryBytes pads entries to about this many bytes, with messages in the responses that they
	// hold. 0 does not pad: entries have about 1000 bytes.
	EntryBytes int

	// AccountID is the account in the entries. "" means the constant AccountID.
	AccountID string
}

func (h History) withDefaults() History {
	if h.Before.IsZero() {
		h.Before = time.Now()
	}
	if h.Since.IsZero() {
		h.Since = h.Before.AddDate(0, 0, -30)
	}
	if h.AccountID == "" {
		h.AccountID = AccountID
	}
	h.Since, h.Before = h.Since.UTC(), h.Before.UTC()
	return h
}

// The layouts in which times occur.
const (
	layoutSeconds = "2006-01-02T15:04:05Z"
	layoutMillis  = "2006-01-02T15:04:05.000Z"
	layoutMicros  = "2006-01-02T15:04:05.000000Z"
)

func (h History) generate() []*entry {
	rng := rand.New(rand.NewPCG(h.Seed, 0x61756469746c6f67))
	return h.entries(&writer{rng: rng, account: h.AccountID, least: h.EntryBytes, catalog: accountCatalog})
}

// generateForOrganization makes the entries of the organization.
func (h History) generateForOrganization() []*entry {
	h.Entries, h.Incident = (h.Entries+99)/100, time.Time{}
	rng := rand.New(rand.NewPCG(h.Seed, 0x6f7267616e697a61))
	return h.entries(&writer{rng: rng, account: h.AccountID, least: h.EntryBytes, organization: OrganizationID, catalog: organizationCatalog})
}

func (h History) entries(w *writer) []*entry {
	w.cast = newCast(w.rng)
	for i := range w.cast {
		w.actors = append(w.actors, slices.Repeat([]*actor{&w.cast[i]}, w.cast[i].weight)...)
	}
	w.zones = newZones(w.rng)
	w.resources = map[string][]*resource{}
	events := h.outline(w)
	entries := make([]*entry, len(events))
	others := 0 // entries so far that are not of the incident
	for i := range events {
		odd := oddNone
		if !events[i].planned {
			odd = oddity(others % oddityPeriod)
			others++
		}
		entries[i] = &entry{text: w.entry(&events[i], odd), time: events[i].time}
	}
	return entries
}

// outline decides who did what when, in sessions, as people work.
func (h History) outline(w *writer) []event {
	rng := w.rng
	events := make([]event, 0, h.Entries)
	if !h.Incident.IsZero() {
		for _, e := range w.incident(h.Incident.UTC()) {
			if !e.time.Before(h.Since) && e.time.Before(h.Before) {
				events = append(events, e)
			}
		}
		if len(events) > h.Entries {
			events = events[:0]
		}
	}
	span := int64(h.Before.Sub(h.Since))
	for len(events) < h.Entries {
		start := h.Since.Add(time.Duration(rng.Int64N(span)))
		for range 8 {
			if rng.Float64() < activity(start) {
				break
			}
			start = h.Since.Add(time.Duration(rng.Int64N(span)))
		}
		actor := w.actors[rng.IntN(len(w.actors))]
		zone := &w.zones[rng.IntN(len(w.zones))]
		if rng.IntN(25) == 0 {
			// A bulk change: one action, many times, in one instant.
			e := event{time: start, actor: actor, action: w.bulk[rng.IntN(len(w.bulk))], zone: zone}
			h.place(rng, &e)
			for range min(2+rng.IntN(60), h.Entries-len(events)) {
				events = append(events, e)
			}
			continue
		}
		at := start
		for range min(1+rng.IntN(2+rng.IntN(30)), h.Entries-len(events)) {
			e := event{time: at, actor: actor, action: w.pickAction(actor), zone: zone}
			h.place(rng, &e)
			events = append(events, e)
			if at = at.Add(time.Duration(rng.ExpFloat64() * float64(20*time.Second))); !at.Before(h.Before) {
				break
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.time.Compare(b.time) })
	return events
}

// place rounds the time of an event down to the precision of its layout, unless that would leave
// the window.
func (h History) place(rng *rand.Rand, e *event) {
	unit := time.Second
	switch n := rng.IntN(10); {
	case n < 5:
		e.layout = layoutSeconds
	case n < 8:
		e.layout, unit = layoutMillis, time.Millisecond
	default:
		e.layout, unit = layoutMicros, time.Microsecond
	}
	if rounded := e.time.Truncate(unit); !rounded.Before(h.Since) {
		e.time = rounded
	} else {
		e.layout = time.RFC3339Nano
	}
}

// activity is how likely people are at work, from 0 to 1.
func activity(t time.Time) float64 {
	switch hour := t.Hour(); {
	case t.Weekday() == time.Saturday || t.Weekday() == time.Sunday:
		return 0.1
	case hour >= 8 && hour < 18:
		return 1
	}
	return 0.15
}

// An oddity is a way in which an entry deviates from the reference. Its number is the place in each
// period of entries at which it is due; at most places none is.
type oddity int

const (
	oddLogin oddity = iota * 13
	oddAPIContext
	oddEmptyResult
	oddScopeObject
	oddResourceValue
	oddNoZone
	oddNullZone
	oddNullResource
	oddNoAccount
	oddUnicode
	oddEscapes
	oddFailure
	oddUUID

	oddityPeriod = 200

	oddNone oddity = -1
)

// An actor is one of the cast.
type actor struct {
	id, kind, context, email, ip, tokenID, tokenName, agent string

	weight int
}

func hexID(rng *rand.Rand) string { return string(appendID(nil, rng)) }

// appendID appends 32 random hexadecimal digits.
func appendID(b []byte, rng *rand.Rand) []byte { return appendHex(appendHex(b, rng), rng) }

// appendHex appends 16 random hexadecimal digits.
func appendHex(b []byte, rng *rand.Rand) []byte {
	var digits [8]byte
	binary.BigEndian.PutUint64(digits[:], rng.Uint64())
	return hex.AppendEncode(b, digits[:])
}

var people = []string{
	"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "olivia",
}

func newCast(rng *rand.Rand) []actor {
	browsers := []string{
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
	}
	ip := func() string {
		// The ranges that are reserved for documentation.
		if rng.IntN(4) == 0 {
			return "2001:db8::" + strconv.FormatUint(rng.Uint64N(0xffff), 16)
		}
		return [...]string{"192.0.2.", "198.51.100.", "203.0.113."}[rng.IntN(3)] + strconv.Itoa(1+rng.IntN(254))
	}
	var cast []actor
	for i, name := range people {
		cast = append(cast, actor{
			id: hexID(rng), kind: "user", context: "dash", email: name + "@example.com", ip: ip(),
			agent: browsers[rng.IntN(len(browsers))], weight: 14 - i,
		})
	}
	tools := []struct{ name, context, agent string }{
		{"terraform production", "api_token", "terraform/1.9.8 terraform-plugin-sdk/2.34.0"},
		{"ci deploy", "api_token", "wrangler/3.84.1"},
		{"external-dns", "api_token", "external-dns/v0.15.0"},
		{"backup job", "api_key", "curl/8.10.1"},
		{"dashboard app", "oauth", "oauth-client/2.1"},
	}
	for _, tool := range tools {
		// A tool acts for the account, or with the token of a person.
		a := actor{
			id: hexID(rng), kind: "account", context: tool.context, ip: ip(), tokenID: hexID(rng), tokenName: tool.name,
			agent: tool.agent, weight: 12,
		}
		if tool.context != "api_token" || rng.IntN(2) == 0 {
			owner := cast[rng.IntN(len(people))]
			a.id, a.kind, a.email = owner.id, owner.kind, owner.email
		}
		cast = append(cast, a)
	}
	return append(cast,
		actor{id: hexID(rng), kind: "system", context: "origin_ca_key", weight: 8},
		actor{id: hexID(rng), kind: "cloudflare_admin", context: "dash", ip: ip(), agent: browsers[0], weight: 2},
	)
}

type zone struct{ id, name string }

func newZones(rng *rand.Rand) []zone {
	names := []string{"example.com", "example.net", "example.org", "shop.example.com", "api.example.net",
		"blog.example"}
	zones := make([]zone, len(names))
	for i, name := range names {
		zones[i] = zone{hexID(rng), name}
	}
	return zones
}
