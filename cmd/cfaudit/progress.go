package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
)

// A progress keeps one line of a terminal up to date. It does nothing without a terminal. The
// client calls it from the goroutines that fetch pages.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	width   int // of the terminal; 0 if there is none
	start   time.Time
	from    time.Time // where the listing starts in its window, and where it will end; zero if unknown
	until   time.Time
	last    time.Time
	before  int // entries of earlier runs
	entries int
	pages   int
	reached time.Time
	trouble string // why the last request failed; empty if it did not
	shown   int
}

// showProgress makes a terminal show the progress, unless it shows each request.
func (c *connection) showProgress() {
	c.progress.w = unwrap(c.env.stderr) // What is shown is this program's own.
	if !c.verbose {
		c.progress.width = c.env.terminal(c.env.stderr)
	}
}

// begin starts a listing from a time up to an end of its window, after the given number of entries
// of earlier runs.
func (p *progress) begin(from, until time.Time, before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start, p.from, p.until = time.Now(), from, until
	p.before, p.entries, p.pages, p.reached = before, before, 0, time.Time{}
}

// page counts a page and shows the totals, though not more often than can be read. The time reached
// is that of the page's last entry; zero if it has none.
func (p *progress) page(entries int, reached time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages++
	p.entries = entries
	if !reached.IsZero() {
		p.reached = reached
	}
	if now := time.Now(); now.Sub(p.last) > 100*time.Millisecond {
		p.last = now
		p.show(p.sum(now))
	}
}

// exported shows how far an export has come.
func (p *progress) exported(e export.Progress) {
	if e.Pages == 0 {
		until, _ := auditlogs.ParseTime(e.Window.Before) // It was made from a time.
		p.begin(e.From, until, int(e.Entries))
		return
	}
	p.page(int(e.Entries), e.Reached)
}

// verify shows how much of the file has been verified.
func (p *progress) verify(done, size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show(fmt.Sprintf("verifying what is in the file, %d%% of %d MB", 100*done/size, (size+999_999)/1_000_000))
}

func (p *progress) sum(now time.Time) string {
	text := fmt.Sprintf("%s on %s", entryCount(p.entries), count(p.pages, "page", "pages"))
	if seconds := now.Sub(p.start).Seconds(); seconds > 0 {
		text += fmt.Sprintf(", %.0f/s", float64(p.entries-p.before)/seconds)
	}
	if !p.reached.IsZero() {
		text += ", reached " + p.reached.UTC().Format(time.RFC3339)
		// In either direction; not a number where the ends are not known.
		share := min(max(float64(p.reached.Sub(p.from))/float64(p.until.Sub(p.from)), 0), 1)
		if share > 0 {
			left := time.Duration(float64(now.Sub(p.start)) * (1 - share) / share)
			text += fmt.Sprintf(", %.0f%% of the window", 100*share)
			if left >= time.Second {
				text += fmt.Sprintf(", about %s left", left.Round(time.Second))
			}
		}
	}
	return text
}

// Attempted remembers why the last request failed.
func (p *progress) Attempted(a auditlogs.Attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = ""
	if a.Retried {
		p.trouble = fmt.Sprintf(", attempt %d failed (%s)", a.Number, cause(a))
	}
}

// cause says in few words why an attempt failed.
func cause(a auditlogs.Attempt) string {
	name, unresolved := errors.AsType[*net.DNSError](a.Err)
	call, ofNetwork := errors.AsType[*net.OpError](a.Err)
	switch {
	case a.StatusCode != 0 && a.StatusCode != http.StatusOK:
		return fmt.Sprintf("status %d", a.StatusCode)
	case errors.Is(a.Err, auditlogs.ErrTimeout):
		return "no answer in time"
	case unresolved:
		return clean("cannot resolve " + name.Name + ": " + name.Err)
	case errors.Is(a.Err, syscall.ECONNREFUSED):
		return "connection refused"
	case ofNetwork:
		return clean(call.Err.Error())
	case errors.Is(a.Err, auditlogs.ErrMalformedResponse):
		return "malformed response"
	}
	return "no answer"
}

// Waiting shows how long the client waits, if that is long enough to be read.
func (p *progress) Waiting(pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trouble != "" || pause >= time.Second {
		p.show(fmt.Sprintf("%s%s, waiting %s", p.sum(time.Now()), p.trouble, pause.Round(100*time.Millisecond)))
	}
}

// clear removes the line, so that other text can be printed.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show("")
}

// show replaces the line.
func (p *progress) show(text string) {
	if p.width == 0 {
		return
	}
	if p.shown > 0 {
		fmt.Fprint(p.w, "\r"+strings.Repeat(" ", p.shown)+"\r")
	}
	// The last column stays free, since some terminals start a new line after it.
	text = atMost(text, p.width-1)
	fmt.Fprint(p.w, text)
	p.shown = runewidth.StringWidth(text)
}

// A watch prints what users of any command must know about the answers: that the service limits
// the request rate, and that this machine's clock is wrong.
type watch struct {
	auditlogs.Observer // receives everything too
	*connection

	mu      sync.Mutex
	refused time.Time     // when a refusal was last reported
	offset  time.Duration // that was reported
}

// refusedEvery is how often refusals are reported, at most: they last for five minutes, and there
// can be hundreds.
const refusedEvery = 5 * time.Minute

// Attempted reports what is new about an attempt.
func (w *watch) Attempted(a auditlogs.Attempt) {
	w.Observer.Attempted(a)
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.StatusCode == http.StatusTooManyRequests && (w.refused.IsZero() || time.Since(w.refused) >= refusedEvery) {
		w.refused = time.Now()
		w.note("the service refuses all requests of this token's user for a while, since there were more than 1200 in five minutes (status 429): " +
			"other tools and the dashboard count too, and --rate 2 leaves them more")
	}
	if w.clock != "" && a.ClockOffset != w.offset {
		w.offset = a.ClockOffset
		w.note("%s: %s", auditlogs.DescribeClock(a.ClockOffset), w.clock)
	}
}

func (w *watch) note(format string, args ...any) {
	w.progress.clear()
	w.env.note(format, args...)
}

func entryCount[N int | int64](n N) string { return count(n, "entry", "entries") }

// count puts a number and its noun together.
func count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
