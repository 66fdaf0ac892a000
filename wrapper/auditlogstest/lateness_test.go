package auditlogstest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

func TestMeasuredLateness(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	drawn := make([]time.Duration, 10_000)
	for i := range drawn {
		drawn[i] = auditlogstest.MeasuredLateness(random)
	}
	slices.Sort(drawn)
	for _, test := range []struct {
		name      string
		at        int
		want, off time.Duration
	}{
		{"least", 0, 167 * time.Second, time.Second},
		{"median", 5000, 289 * time.Second, 4 * time.Second},
		{"95th percentile", 9500, 402 * time.Second, 4 * time.Second},
		{"most", 9999, 450 * time.Second, time.Second},
	} {
		if got := drawn[test.at]; got < test.want-test.off || got > test.want+test.off {
			t.Errorf("%s is %v, want about %v", test.name, got, test.want)
		}
	}
}

// An entry is listed from action.time and its lateness on: one that was added, one of a made-up
// history, and the one whose history is wanted.
func TestWithLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		lateness := []time.Duration{3 * time.Minute, 5 * time.Minute, time.Minute}
		draw := func(*rand.Rand) time.Duration {
			d := lateness[0]
			lateness = lateness[1:]
			return d
		}
		s := auditlogstest.NewServer(auditlogstest.WithLateness(draw))
		defer s.Close()
		for i, age := range []time.Duration{0, 0, time.Hour} {
			s.Add(fmt.Sprintf(`{"id":"%d","resource":{"id":"r"},"action":{"time":%q}}`, i, start.Add(-age).Format(time.RFC3339)))
		}
		q := url.Values{"since": {start.Add(-2 * time.Hour).Format(time.RFC3339)}, "before": {start.Add(time.Hour).Format(time.RFC3339)}}
		for _, step := range []struct {
			after   time.Duration
			visible int
			history int
		}{
			{0, 1, http.StatusNotFound},
			{3*time.Minute - 1, 1, http.StatusNotFound},
			{3 * time.Minute, 2, http.StatusOK},
			{5*time.Minute - 1, 2, http.StatusOK},
			{5 * time.Minute, 3, http.StatusOK},
		} {
			time.Sleep(time.Until(start.Add(step.after)))
			if r := get(t, s, q); len(r.Result) != step.visible {
				t.Errorf("after %v: %d entries, want %d", step.after, len(r.Result), step.visible)
			}
			about := "action_time=" + start.Format(time.RFC3339) + "&" + q.Encode()
			if r := do(t, s.Client(), newRequestTo(t, s, ofAccount+"/0/history", about)); r.status != step.history {
				t.Errorf("after %v: the history of an entry has status %d, want %d", step.after, r.status, step.history)
			}
		}
		if n := len(s.Stored(start.Add(-2*time.Hour), start.Add(time.Hour))); n != 3 {
			t.Errorf("%d entries are stored", n)
		}
	})
}

// Pages of a listing go on where entries that are not visible yet lie between those that are.
func TestLatenessBetweenPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, shifting := range []bool{false, true} {
			late := 0
			options := []auditlogstest.Option{auditlogstest.WithLateness(func(*rand.Rand) time.Duration {
				late++
				return time.Duration(late%2) * time.Hour
			})}
			if shifting {
				options = append(options, auditlogstest.WithShiftingCursors())
			}
			s := auditlogstest.NewServer(options...)
			start := time.Now().UTC()
			for i := range 20 {
				s.Add(fmt.Sprintf(`{"id":"%d","action":{"time":%q}}`, i, start.Add(time.Duration(i)*time.Second).Format(time.RFC3339)))
			}
			time.Sleep(time.Minute)
			q := url.Values{
				"since": {start.Format(time.RFC3339)}, "before": {start.Add(time.Hour).Format(time.RFC3339)},
				"limit": {"3"}, "direction": {"asc"},
			}
			listed := len(strings.Fields(strings.Join(pages(t, s, q), " ")))
			if listed != 10 {
				t.Errorf("shifting %t: %d entries are listed, want the 10 visible ones", shifting, listed)
			}
			s.Close()
		}
	})
}

func TestWithBoundPrecision(t *testing.T) {
	for _, test := range []struct {
		unit          time.Duration
		since, before string
		want          string
	}{
		{time.Millisecond, "12:00:00.5", "12:01:30", "1 2"},
		{time.Second, "12:00:00.5", "12:01:30", "0 1 2"},
		{time.Minute, "12:00:30", "12:01:30", "0 1"},
		{time.Minute, "12:00:10", "12:00:50", ""},
		{24 * time.Hour, "12:00:00", "12:30:00", ""},
	} {
		t.Run(fmt.Sprintf("%v %s %s", test.unit, test.since, test.before), func(t *testing.T) {
			s := newServer(t, auditlogstest.WithBoundPrecision(test.unit))
			s.Add(at("0", "12:00:00"), at("1", "12:00:59"), at("2", "12:01:00"))
			q := window()
			q.Set("since", "2024-10-30T"+test.since+"Z")
			q.Set("before", "2024-10-30T"+test.before+"Z")
			q.Set("direction", "asc")
			r := get(t, s, q)
			if r.status != 200 {
				t.Fatalf("%d %s", r.status, r.text)
			}
			if got := r.ids(); got != test.want {
				t.Errorf("entries %q, want %q", got, test.want)
			}
		})
	}
}
