package auditlogs_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// However a listing is made, going on at the place before any of its entries delivers that entry
// first, and then all the rest.
func TestResumeBeforeEachEntry(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 9))
	modes := map[string][]auditlogs.ListOption{
		"plain":       {auditlogs.Prefetch(false)},
		"prefetching": nil,
		"backfill":    {auditlogs.Backfill()},
	}
	rounds := 40
	if raced {
		rounds = 10
	}
	for range rounds {
		n := 1 + random.IntN(60)
		// From many entries of one moment to hardly any that share one.
		times := scattered(random, n, 0, time.Minute*time.Duration(1+random.IntN(120)), time.Minute)
		options := []auditlogstest.Option{auditlogstest.WithT(t), auditlogstest.WithEmptyPages(1 + random.IntN(3))}
		if random.IntN(2) == 0 {
			options = append(options, auditlogstest.WithMaxPageSize(1+random.IntN(9)))
		}
		s := auditlogstest.NewServer(options...)
		for i, when := range times {
			s.Add(at(i, when))
		}
		q := paged(1 + random.IntN(20))
		q.Direction = new([]string{"asc", "desc"}[random.IntN(2)])
		client := newClient(t, s)
		for mode, listing := range modes {
			var all []string
			var places []string
			for entry, err := range client.Account(account).Entries(t.Context(), q, listing...) {
				if err != nil {
					t.Fatal(err)
				}
				all, places = append(all, entry.ID), append(places, entry.Before().String())
			}
			if len(all) != n {
				t.Fatalf("%s: %d entries, want %d", mode, len(all), n)
			}
			for i := range all {
				if i%5 != 0 && i != n-1 && i > 3 {
					continue // A listing for each place takes too long.
				}
				from, err := auditlogs.ParsePosition(places[i])
				if err != nil {
					t.Fatal(err)
				}
				rest, err := collect(t, client.Account(account).Entries(t.Context(), q, append(listing, auditlogs.From(from))...))
				if err != nil {
					t.Fatal(err)
				}
				wantIDs(t, rest, all[i:])
			}
			if t.Failed() {
				t.Fatalf("%s, %s, %d a page, %d entries", mode, *q.Direction, *q.Limit, n)
			}
		}
		s.Close()
	}
}

// A listing of many stretches is resumed before an entry as well as a plain one.
func TestResumeBeforeAnEntryOfABackfill(t *testing.T) {
	s := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithMaxPageSize(100))
	defer s.Close()
	for i, when := range scattered(rand.New(rand.NewPCG(3, 4)), 12_000, 0, wholeDay, time.Second) {
		s.Add(at(i, when))
	}
	client := newClient(t, s, auditlogs.WithRate(0))
	var all []string
	var places []auditlogs.Position
	for entry, err := range client.Account(account).Entries(t.Context(), day, auditlogs.Backfill()) {
		if err != nil {
			t.Fatal(err)
		}
		all, places = append(all, entry.ID), append(places, entry.Before())
	}
	for i := 0; i < len(all); i += 797 {
		for _, options := range [][]auditlogs.ListOption{nil, {auditlogs.Backfill()}} {
			rest, err := collect(t, client.Account(account).Entries(t.Context(), day, append(options, auditlogs.From(places[i]))...))
			if err != nil {
				t.Fatal(err)
			}
			if len(rest) == 0 || rest[0] != all[i] {
				t.Fatalf("resumed before %s, the listing of %d entries starts with another", all[i], len(rest))
			}
			wantIDs(t, rest, all[i:])
		}
	}
}

// A position that was made by hand, or an entry that was, has no place before it.
func TestBeforeOutsideOfAListing(t *testing.T) {
	var entry auditlogs.Entry
	if err := entry.UnmarshalJSON([]byte(`{"id":"1"}`)); err != nil || !entry.Before().IsZero() {
		t.Errorf("%v, %v", entry.Before(), err)
	}
}
