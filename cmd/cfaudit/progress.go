package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/wrapper/auditlogs"
)

// A progress keeps one line of a terminal up to date. It does nothing where there is no terminal.
type progress struct {
	w       io.Writer
	width   int // of the terminal; 0 where there is none
	start   time.Time
	last    time.Time
	entries int
	pages   int
	reached time.Time
	trouble string // why the last request failed; empty where it did not
	shown   int
}

// page counts a page and shows the sum, though not more often than can be read.
func (p *progress) page(page *auditlogs.Page, entries int) {
	p.pages++
	p.entries = entries
	if n := len(page.Entries); n > 0 && !page.Entries[n-1].Action.Time.IsZero() {
		p.reached = page.Entries[n-1].Action.Time
	}
	if now := time.Now(); now.Sub(p.last) > 100*time.Millisecond {
		p.last = now
		p.show(p.sum(now))
	}
}

func (p *progress) sum(now time.Time) string {
	text := fmt.Sprintf("%s on %s", count(p.entries, "entry", "entries"), count(p.pages, "page", "pages"))
	if seconds := now.Sub(p.start).Seconds(); seconds > 0 {
		text += fmt.Sprintf(", %.0f/s", float64(p.entries)/seconds)
	}
	if !p.reached.IsZero() {
		text += ", reached " + p.reached.UTC().Format(time.RFC3339)
	}
	return text
}

// Attempted remembers why the next request has to wait.
func (p *progress) Attempted(a auditlogs.Attempt) {
	p.trouble = ""
	if a.Retried {
		p.trouble = fmt.Sprintf(", attempt %d failed (no answer)", a.Number)
		if a.StatusCode != 0 {
			p.trouble = fmt.Sprintf(", attempt %d failed (status %d)", a.Number, a.StatusCode)
		}
	}
}

// Waiting tells for how long nothing will move, where that is long enough to be read.
func (p *progress) Waiting(pause time.Duration) {
	if p.trouble != "" || pause >= time.Second {
		p.show(fmt.Sprintf("%s%s, waiting %s", p.sum(time.Now()), p.trouble, pause.Round(100*time.Millisecond)))
	}
}

func (p *progress) show(text string) {
	if p.width == 0 {
		return
	}
	p.clear()
	// The last column stays free, since some terminals begin a new line behind it.
	if _, n := measure(text, p.width-1); n < len(text) {
		text = fit(text, p.width-1)
	}
	fmt.Fprint(p.w, text)
	p.shown = runewidth.StringWidth(text)
}

// clear takes the line away, for other text to take its place.
func (p *progress) clear() {
	if p.shown > 0 {
		fmt.Fprint(p.w, "\r"+strings.Repeat(" ", p.shown)+"\r")
		p.shown = 0
	}
}

// count puts a number and its noun together.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
