package auditlogs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestEveryEntryOfEveryPage(t *testing.T) {
	for _, test := range []struct {
		name      string
		limit     int
		direction string
		options   []auditlogstest.Option
		requests  int
	}{
		{"one page", 1000, "asc", nil, 1},
		{"a last page that is full", 10, "asc", nil, 10},
		{"many pages", 7, "asc", nil, 15},
		{"pages of one entry", 1, "asc", nil, 100},
		{"from the newest", 7, "desc", nil, 15},
		{"a server that gives less than was asked for", 1000, "asc", []auditlogstest.Option{auditlogstest.WithMaxPageSize(30)}, 4},
		{"empty pages in between", 10, "asc", []auditlogstest.Option{auditlogstest.WithEmptyPages(2)}, 15},
		{"an empty page first", 10, "desc", []auditlogstest.Option{auditlogstest.WithEmptyPages(1)}, 20},
		{"the cursor where the published specification has it", 10, "asc", []auditlogstest.Option{auditlogstest.WithCursorsAfter()}, 10},
		{"no compression", 10, "asc", []auditlogstest.Option{auditlogstest.WithoutGzip()}, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newFake(t, 100, test.options...)
			q := paged(test.limit)
			q.Direction = &test.direction
			got, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), q))
			if err != nil {
				t.Fatal(err)
			}
			want := counted(0, 99)
			if test.direction == "desc" {
				want = counted(99, 0)
			}
			wantIDs(t, got, want)
			if n := len(s.Requests()); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
		})
	}
}

// Two reports disagree on whether the service gives more than 100 entries a page, whatever is asked
// for. A listing is complete, keeps the budget, and asks for nothing twice, either way.
func TestAtMostHundredEntriesAPage(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []auditlogs.ListOption
		least   time.Duration // by the rate of four requests a second
	}{
		{"plainly", nil, 59 * time.Second / 4},
		{"without prefetching", []auditlogs.ListOption{auditlogs.Prefetch(false)}, 59 * time.Second / 4},
		{"in parallel", []auditlogs.ListOption{auditlogs.Backfill()}, 59 * time.Second / 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const entries = 6000
				s := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithMaxPageSize(100), auditlogstest.WithoutGzip(),
					auditlogstest.WithLatency(50*time.Millisecond))
				defer s.Close()
				for i := range entries {
					s.Add(made(i))
				}
				c := newClient(t, s, auditlogs.WithRate(4))
				defer c.CloseIdleConnections()
				began := time.Now()
				got, err := collect(t, c.Account(account).Entries(t.Context(), day, test.options...))
				if err != nil {
					t.Fatal(err)
				}
				wantIDs(t, got, counted(0, entries-1))
				requests, took := len(s.Requests()), time.Since(began)
				if requests < entries/100 || requests > entries/100*13/10 {
					t.Errorf("%d requests for %d pages", requests, entries/100)
				}
				if took < test.least || took > test.least*3/2 {
					t.Errorf("took %v, want from %v to half as much again", took, test.least)
				}
			})
		})
	}
}

func TestRawIsWhatTheServerHolds(t *testing.T) {
	s := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(auditlogstest.History{Entries: 2500, Since: noon, Before: noon.Add(1e12)}))
	defer s.Close()
	stored := s.Stored(noon, noon.Add(1e12))
	s.Add("{\"id\" : 7,\n\t\"action\":{\"time\":\"2024-10-30T23:00:00Z\"}, \"big\":12345678901234567890123, \"twice\":1,\"twice\":\"\\u00e9\xff\"}")
	stored = append(stored, s.Stored(noon.Add(3e13), noon.Add(5e13))...)
	i := 0
	for entry, err := range newClient(t, s).Account(account).Entries(t.Context(), day) {
		if err != nil {
			t.Fatal(err)
		}
		if string(entry.Raw) != string(stored[i]) {
			t.Fatalf("entry %d is\n%s\nand the server holds\n%s", i, entry.Raw, stored[i])
		}
		i++
	}
	if i != len(stored) || i != 2501 {
		t.Errorf("%d entries, and the server holds %d", i, len(stored))
	}
}

func TestIteratorIsLazyAndRestartable(t *testing.T) {
	s := newFake(t, 10)
	q := paged(3)
	q.ActorEmail = []string{"alice@example.com"}
	entries := newClient(t, s).Account(account).Entries(t.Context(), q)
	q.ActorEmail[0] = "bob@example.com" // The listing has its own copy.
	if n := len(s.Requests()); n != 0 {
		t.Fatalf("%d requests before the iteration", n)
	}
	for range entries {
		break
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests for one entry", n)
	}
	for range 2 {
		got, err := collect(t, entries)
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, got, counted(0, 9))
	}
}

func TestPages(t *testing.T) {
	s := newFake(t, 25)
	var sizes []int
	var last *auditlogs.Page
	for page, err := range newClient(t, s).Account(account).Pages(t.Context(), paged(10)) {
		if err != nil {
			t.Fatal(err)
		}
		sizes, last = append(sizes, len(page.Entries)), page
		if page.RayID == "" || page.Attempts != 1 {
			t.Errorf("ray %q, %d attempts", page.RayID, page.Attempts)
		}
		if page.Next.IsZero() != (len(sizes) == 3) {
			t.Errorf("page %d is followed by %v", len(sizes), page.Next)
		}
	}
	if !slices.Equal(sizes, []int{10, 10, 5}) {
		t.Errorf("pages of %v entries", sizes)
	}
	if last == nil || last.Repeated != 0 || last.OutOfOrder != 0 {
		t.Errorf("last page: %+v", last)
	}
}

func TestResumeBehindEachEntry(t *testing.T) {
	for _, direction := range []string{"asc", "desc"} {
		for _, limit := range []int{1, 4, 1000} {
			for _, again := range []int{limit, 2, 1000} {
				s := newFake(t, 14)
				c := newClient(t, s)
				q := paged(limit)
				q.Direction = &direction
				var all []string
				var positions []auditlogs.Position
				for entry, err := range c.Account(account).Entries(t.Context(), q) {
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, entry.ID)
					positions = append(positions, entry.Position())
				}
				q.Limit = &again
				for i, position := range positions {
					parsed, err := auditlogs.ParsePosition(position.String())
					if err != nil {
						t.Fatal(err)
					}
					rest, err := collect(t, c.Account(account).Entries(t.Context(), q, auditlogs.From(parsed)))
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(rest, all[i+1:]) {
						t.Fatalf("%s in pages of %d, resumed in pages of %d after %s: %v", direction, limit, again, all[i], rest)
					}
				}
			}
		}
	}
}

func TestBrokenOffByTheContextIsResumable(t *testing.T) {
	s := newFake(t, 50)
	c := newClient(t, s)
	for stop := 1; stop <= 50; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		var before []string
		var end error
		for entry, err := range c.Account(account).Entries(ctx, paged(7)) {
			if err != nil {
				end = err
				break
			}
			if before = append(before, entry.ID); len(before) == stop {
				cancel()
			}
		}
		cancel()
		if stop == 50 && end == nil {
			return // There was nothing left to miss.
		}
		if !errors.Is(end, context.Canceled) {
			t.Fatalf("after %d entries: %v", stop, end)
		}
		rest, err := collect(t, c.Account(account).Entries(t.Context(), paged(7), auditlogs.From(position(t, end))))
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, append(before, rest...), counted(0, 49))
	}
}

// New entries push the pages of a store that pages by number, so that the end of one page comes
// again on the next.
func TestNoEntryTwiceWherePagesShift(t *testing.T) {
	for _, shift := range []int{1, 3, 10} {
		s := newFake(t, 60, auditlogstest.WithShiftingCursors())
		q := paged(10)
		q.Direction = new("desc")
		var got []string
		repeated := 0
		next := 60
		for page, err := range newClient(t, s).Account(account).Pages(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			repeated += page.Repeated
			for _, entry := range page.Entries {
				got = append(got, entry.ID)
			}
			if next == 60 {
				for range shift {
					s.Add(made(next))
					next++
				}
			}
		}
		wantIDs(t, got, counted(59, 0))
		if repeated != shift {
			t.Errorf("a shift by %d repeats %d", shift, repeated)
		}
	}
}

func TestShiftBeyondTheMemoryIsCounted(t *testing.T) {
	s := newFake(t, 60, auditlogstest.WithShiftingCursors())
	q := paged(10)
	q.Direction = new("desc")
	c := newClient(t, s, auditlogs.WithLimits(auditlogs.Limits{Remembered: 5}))
	outOfOrder, added := 0, false
	for page, err := range c.Account(account).Pages(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		outOfOrder += page.OutOfOrder
		if !added {
			for i := range 8 {
				s.Add(made(60 + i))
			}
		}
		added = true
	}
	if outOfOrder == 0 {
		t.Error("entries that came again are not counted")
	}
}

func TestShiftWhileBrokenOff(t *testing.T) {
	for stop := 1; stop < 40; stop++ {
		s := newFake(t, 40, auditlogstest.WithShiftingCursors())
		c := newClient(t, s)
		q := paged(10)
		q.Direction = new("desc")
		var got []string
		var place auditlogs.Position
		for entry, err := range c.Account(account).Entries(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			got, place = append(got, entry.ID), entry.Position()
			if len(got) == stop {
				break
			}
		}
		s.Add(made(40), made(41))
		rest, err := collect(t, c.Account(account).Entries(t.Context(), q, auditlogs.From(place)))
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, append(got, rest...), counted(39, 0))
	}
}

func TestPositionIsRefusedForOtherQueries(t *testing.T) {
	s := newFake(t, 10)
	c := newClient(t, s)
	var place auditlogs.Position
	for entry, err := range c.Account(account).Entries(t.Context(), paged(3)) {
		if err != nil {
			t.Fatal(err)
		}
		place = entry.Position()
		break
	}
	asked := len(s.Requests())
	other := func(change func(*auditlogs.Query)) auditlogs.Query {
		q := paged(3)
		change(&q)
		return q
	}
	for name, test := range map[string]struct {
		account string
		query   auditlogs.Query
		says    string
	}{
		"account":   {strings.Repeat("0", 32), paged(3), "another log"},
		"filter":    {account, other(func(q *auditlogs.Query) { q.ZoneName = []string{"example.com"} }), "filters"},
		"direction": {account, other(func(q *auditlogs.Query) { q.Direction = new("desc") }), "direction"},
		"window":    {account, other(func(q *auditlogs.Query) { q.Before = "2024-11-01" }), "since 2024-10-30 before 2024-10-31"},
	} {
		got, err := collect(t, c.Account(test.account).Entries(t.Context(), test.query, auditlogs.From(place)))
		if len(got) > 0 || !errors.Is(err, auditlogs.ErrInvalidQuery) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if n := len(s.Requests()); n != asked {
		t.Errorf("%d requests were made", n-asked)
	}
	if since, before := place.Window(); since != day.Since || before != day.Before || !place.Time().Equal(noon) {
		t.Errorf("the position is in %s to %s, at %s", since, before, place.Time())
	}
}

func TestLoops(t *testing.T) {
	page := func(id, cursor string) auditlogstest.Fault {
		return auditlogstest.Fault{Status: 200, Body: fmt.Sprintf(`{"success":true,"result":[{"id":%q}],"result_info":{"cursor":%q}}`, id, cursor)}
	}
	for name, cursors := range map[string][]string{
		"the cursor just asked for": {"a", "a"},
		"an earlier cursor":         {"a", "b", "c", "a"},
		"a cursor in between":       {"a", "b", "c", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, 0)
			for i, cursor := range cursors {
				s.FailNext(page(fmt.Sprint(i), cursor))
			}
			got, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day))
			if last := cursors[len(cursors)-1]; !errors.Is(err, auditlogs.ErrCursorLoop) || !strings.Contains(err.Error(), fmt.Sprintf("%q", last)) {
				t.Errorf("ended with %v", err)
			}
			wantIDs(t, got, counted(0, len(cursors)-1))
		})
	}
}

func TestEmptyPagesAreBounded(t *testing.T) {
	s := newFake(t, 0)
	for i := range 20 {
		s.FailNext(auditlogstest.Fault{Status: 200, Body: fmt.Sprintf(`{"success":true,"result":[],"result_info":{"cursor":"%d"}}`, i)})
	}
	_, err := collect(t, newClient(t, s, auditlogs.WithLimits(auditlogs.Limits{EmptyPages: 5})).Account(account).Entries(t.Context(), day))
	if !errors.Is(err, auditlogs.ErrLimitExceeded) || !strings.Contains(err.Error(), "Limits.EmptyPages") {
		t.Errorf("ended with %v", err)
	}
	if n := len(s.Requests()); n != 6 {
		t.Errorf("%d requests", n)
	}
}

func TestBoundsOfTheWindow(t *testing.T) {
	s := newFake(t, 0)
	for range newClient(t, s).Account(account).Entries(t.Context(), auditlogs.Query{
		Since:  auditlogs.Time(noon.Add(123456789)),
		Before: auditlogs.Date(2024, 10, 31),
	}) {
	}
	if got := s.Requests()[0].Query; got.Get("since") != "2024-10-30T12:00:00.123456789Z" || got.Get("before") != "2024-10-31" ||
		got.Get("direction") != "asc" || got.Get("limit") != "1000" || len(got) != 4 {
		t.Errorf("sent %v", got)
	}
}

// A service that takes no notice of the cursor, and gives a new one each time, is no reason to ask
// for ever.
func TestPagesOfNothingNewAreBounded(t *testing.T) {
	s := newFake(t, 0)
	for i := range 20 {
		s.FailNext(auditlogstest.Fault{Status: 200, Body: fmt.Sprintf(`{"success":true,"result":[{"id":"a"}],"result_info":{"cursor":"%d"}}`, i)})
	}
	got, err := collect(t, newClient(t, s, auditlogs.WithLimits(auditlogs.Limits{EmptyPages: 5})).Account(account).Entries(t.Context(), day))
	if !errors.Is(err, auditlogs.ErrLimitExceeded) || len(got) != 1 || len(s.Requests()) != 7 {
		t.Errorf("%v, %v after %d requests", got, err, len(s.Requests()))
	}
}

func TestSearchForAPlaceIsBounded(t *testing.T) {
	for _, test := range []struct {
		name, row         string
		requests, entries int // what is delivered in the end, since the place is not there any more
	}{
		{"pages without entries", "", 6, 0},
		{"pages without the place", `{"id":"%d"}`, 51, 51},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newFake(t, 10)
			c := newClient(t, s, auditlogs.WithLimits(auditlogs.Limits{EmptyPages: 5, Remembered: 50}))
			var place auditlogs.Position
			for entry, err := range c.Account(account).Entries(t.Context(), paged(5), auditlogs.Prefetch(false)) {
				if err != nil {
					t.Fatal(err)
				}
				place = entry.Position()
				break
			}
			for i := range 100 {
				row := strings.ReplaceAll(test.row, "%d", fmt.Sprint(1000+i))
				s.FailNext(auditlogstest.Fault{Status: 200, Body: fmt.Sprintf(`{"success":true,"result":[%s],"result_info":{"cursor":"%d"}}`, row, i)})
			}
			entries := 0
			for page, err := range c.Account(account).Pages(t.Context(), paged(5), auditlogs.From(place), auditlogs.Prefetch(false)) {
				if err != nil {
					if !errors.Is(err, auditlogs.ErrLimitExceeded) {
						t.Error(err)
					}
					break
				}
				if entries = len(page.Entries); entries > 0 {
					break
				}
			}
			if asked := len(s.Requests()) - 1; entries != test.entries || asked != test.requests {
				t.Errorf("%d entries after %d requests", entries, asked)
			}
		})
	}
}

// Without an id, entries that are the same to the byte are entries of their own, on other pages
// too: rather twice than never.
func TestEntriesThatAreAlike(t *testing.T) {
	s := newFake(t, 0)
	page := func(n int, cursor string) auditlogstest.Fault {
		rows := strings.TrimSuffix(strings.Repeat(`{"action":{"type":"login"}},`, n), ",")
		return auditlogstest.Fault{Status: 200, Body: `{"success":true,"result":[` + rows + `],"result_info":{"cursor":"` + cursor + `"}}`}
	}
	s.FailNext(page(3, "x"), page(2, ""))
	var sizes, repeated []int
	for page, err := range newClient(t, s).Account(account).Pages(t.Context(), day) {
		if err != nil {
			t.Fatal(err)
		}
		sizes, repeated = append(sizes, len(page.Entries)), append(repeated, page.Repeated)
	}
	if !slices.Equal(sizes, []int{3, 2}) || !slices.Equal(repeated, []int{0, 0}) {
		t.Errorf("pages of %v, repeated %v", sizes, repeated)
	}
}

func TestPositionsOfOddCursors(t *testing.T) {
	for _, cursor := range []string{strings.Repeat("<", 12_000), strings.Repeat("a", 16_000), "\u2028 &>"} {
		s := newFake(t, 0)
		s.FailNext(auditlogstest.Fault{Status: 200, Body: fmt.Sprintf(`{"success":true,"result":[{"id":"a"}],"result_info":{"cursor":%q}}`, "first")},
			auditlogstest.Fault{Status: 200, Body: `{"success":true,"result":[{"id":"b"}]}`})
		q := day
		q.Cursor = &cursor
		for entry, err := range newClient(t, s).Account(account).Entries(t.Context(), q) {
			if err != nil {
				break // The fake knows none of these cursors.
			}
			place := entry.Position()
			if again, err := auditlogs.ParsePosition(place.String()); err != nil || again != place || len(place.String()) > 2*len(cursor)+400 {
				t.Errorf("a position of %d characters: %v", len(place.String()), err)
			}
		}
	}
}
