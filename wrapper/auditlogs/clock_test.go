package auditlogs_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// The client measures how far this machine's clock is from the service's, and says so once.
func TestClockOffset(t *testing.T) {
	for _, test := range []struct {
		name  string
		date  func(time.Time) string // the header, when the answer is written
		takes time.Duration          // each way
		want  time.Duration
		says  string
	}{
		{"the same", dated(0), 300 * time.Millisecond, 0, ""},
		{"a little off", dated(4 * time.Second), 0, 0, ""},
		{"a slow clock", dated(time.Hour + 2*time.Second), 0, time.Hour + 2*time.Second, "this machine's clock is 1h0m2s slow"},
		{"a fast clock", dated(-time.Hour), 0, -time.Hour, "this machine's clock is 1h0m0s fast"},
		{"a slow answer says little", dated(20 * time.Second), 20 * time.Second, 0, ""},
		{"no date", func(time.Time) string { return "" }, 0, 0, ""},
		{"not a date", func(time.Time) string { return "soon" }, 0, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c := newTripClient(t, func(*http.Request) (*http.Response, error) {
					time.Sleep(test.takes)
					header := http.Header{"Date": {test.date(time.Now())}}
					time.Sleep(test.takes)
					return emptyPage(header), nil
				}, auditlogs.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				for range 3 {
					if _, err := collect(t, c.Account(account).Entries(t.Context(), day)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(1100 * time.Millisecond)
				}
				if got := c.ClockOffset(); (got - test.want).Abs() > time.Second {
					t.Errorf("the offset is %s, want %s", got, test.want)
				}
				if lines := strings.Count(log.String(), "\n"); lines != min(len(test.says), 1) || !strings.Contains(log.String(), test.says) {
					t.Errorf("logged %q, want %q once", log.String(), test.says)
				}
			})
		})
	}
}

func dated(offset time.Duration) func(time.Time) string {
	return func(now time.Time) string { return now.Add(offset).UTC().Format(http.TimeFormat) }
}
