package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/summary"
	"cfaudit.example/wrapper/auditlogs/summary/page"
)

// A summing is one run of "cfaudit summary".
type summing struct {
	reading
	options summary.Options
}

func newSummary(env *environment) *cobra.Command {
	s := new(summing)
	cmd := &cobra.Command{
		Use:   "summary --since WHEN [--before WHEN] [flags]",
		Short: "Print counts and pictures of a window, and what deserves a look",
		Long: "Reads a window and prints how many entries there are by time, actor, token, address, user agent, action, product, zone and " +
			"resource, with when each was first and last seen, and hints at what deserves a look. It needs little memory, however long the window is.",
		Example: "  cfaudit summary --since 30d\n" +
			"  cfaudit summary --since 7d --actor-token-name 'ci deploy' --by action.type,resource.product --by raw.status_code\n" +
			"  cfaudit summary --since 30d --format html > summary.html\n" +
			"  cfaudit summary --since 7d --format json | jq '.groups[] | select(.name == \"addresses\") | .values[] | select(.failed > 0)'\n" +
			"  cfaudit summary --demo --since 30d    # made-up entries, no account needed",
	}
	by := &flagValue{
		name: "by", placeholder: "FIELD[,FIELD]", group: groupOutput, repeated: true, examples: summary.Fields(),
		help:    "count the values of another field too, or the combinations of several, such as action.type,resource.product. Can be repeated",
		want:    "fields of an entry, such as actor.email or action.type,resource.product",
		mistake: s.byMistake,
		set: func(value string) bool {
			if s.byMistake(value) != "" {
				return false
			}
			s.options.By = append(s.options.By, strings.Split(value, ","))
			return true
		},
	}
	top := &flagValue{
		name: "top", placeholder: "N", group: groupOutput,
		help:      "how many values of each field are printed",
		byDefault: "10",
		want:      fmt.Sprintf("a whole number from 1 to %d", summary.MaxTop),
		set:       whole(&s.options.Top, 1, summary.MaxTop),
	}
	return s.command(env, cmd, summaryFooter, s.run, s.flags(s.sinceBound("the older end of the window; required"), by, top))
}

// byMistake explains what is wrong with a further value of --by; empty if nothing is.
func (s *summing) byMistake(value string) string {
	known := summary.Fields()
	for path := range strings.SplitSeq(value, ",") {
		near := nearest(path, known)
		switch {
		case slices.Contains(known, path):
		case path == "":
			return "the name of a field is empty: want names between the commas, such as action.type,resource.product"
		case near != "":
			return fmt.Sprintf("an entry has no field %s: did you mean %s?", excerpt(path), near)
		default:
			return fmt.Sprintf("an entry has no field %s: want one of %s", excerpt(path), strings.Join(known, ", "))
		}
	}
	if len(s.options.By) == summary.MaxBy {
		return fmt.Sprintf("want it %d times at most", summary.MaxBy)
	}
	return ""
}

const summaryFooter = whenFooter + `

What is exact
All numbers are, as long as a field has at most 50,000 values. Of more, the rarest are dropped; a number that may be too low
because of that is followed by +, and a note says how many entries a value that is not shown can have. A value of more than
256 bytes is shown by its start and its digest. An entry without an action.result of success or failure counts as unknown.

What deserves a look
Hints by simple rules, each printed with what it found. They are no findings: most of it is ordinary work, and what no rule
looks for is not shown.

Formats
text is for people. json has the same in one object, and more of the hints. html is a page in one file that loads nothing
from anywhere, with the newest 2,000 entries at most.
` + readingFooter

// readingFooter is the end of the help of commands that print what entries come to.
const readingFooter = `
` + readerEnvironment + `

Exit status
0: the whole window was read and everything was printed, or the reader closed the pipe. 1: failed or incomplete, and then
nothing was printed: the last line on standard error is the command to start again, and the line before it says how far the
listing came. 2: wrong usage, nothing was requested. 130: interrupted, with the same last line.`

func (s *summing) run(ctx context.Context) error {
	if err := s.prepare(); err != nil {
		return err
	}
	s.options.Since, s.options.Before, s.options.Location = s.start, s.end, s.location
	collector, err := summary.New(s.options)
	if err != nil {
		return s.usage("%s", err)
	}
	return s.do(ctx, s.options.Since, func(ctx context.Context) error {
		keeper := page.NewKeeper()
		err := s.each(ctx, s.query, func(e *auditlogs.Entry) {
			found := collector.Add(e)
			if s.encoding == nameHTML {
				keeper.Add(e, found)
			}
		})
		if err != nil {
			return err
		}
		made := collector.Summary()
		s.notes(s.start)
		html := &page.Page{Summary: made, Entries: keeper.Entries()}
		s.show(made, html, func(p *paper) { s.text(p, made) })
		return nil
	})
}

// text writes a summary for people.
func (s *summing) text(p *paper, made *summary.Summary) {
	p.heading("summary", fmt.Sprintf("%s, from %s up to %s (%s)", s.log(), s.shortTime(made.Since), s.shortTime(made.Before), made.TimeZone))
	p.flow("", "%s: %s", entryCount(made.Entries), strings.Join([]string{
		outcome(made, made.Success, "succeeded"), outcome(made, made.Failure, "failed"), outcome(made, made.Unknown, "unknown"),
	}, ", "))
	if made.Entries == 0 {
		return
	}
	if !made.First.IsZero() {
		p.flow("", "the oldest is from %s, the newest from %s", made.First.Format(time.RFC3339), made.Last.Format(time.RFC3339))
	}
	if made.Untimed > 0 {
		p.flow("", "%s without a time, which the timeline and the heat map lack", entryCount(made.Untimed))
	}
	s.hints(p, made.Hints)
	s.timeline(p, made.Timeline)
	heatMap(p, made)
	p.heading("most frequent values", "with their entries, their share of all entries, the failed ones (✗), and when they were first and last seen")
	for _, g := range made.Groups {
		s.group(p, g)
	}
}

func outcome(made *summary.Summary, n int64, word string) string {
	text := fmt.Sprintf("%d %s", n, word)
	if n > 0 {
		text += " (" + summary.Percent(float64(n)/float64(made.Entries)) + ")"
	}
	return text
}

// mostRows is how many days a timeline has on a terminal, at most: beyond, a row is a week.
const mostRows = 62

func (s *summing) timeline(p *paper, timeline summary.Timeline) {
	layout := "2006-01-02 Mon"
	if timeline.Unit == summary.UnitHour {
		layout = minutes
		if s.chosen() {
			layout += " -0700" // Where clocks are set back, an hour comes twice.
		}
	}
	timeline = timeline.Fit(mostRows)
	most := timeline.Most()
	p.heading("by "+timeline.Unit, "")
	numbers := len(strconv.FormatInt(most, 10))
	room := min(max(p.width-len(layout)-numbers-20, 4), 60)
	for _, row := range timeline.Periods {
		failed := ""
		if row.Failed > 0 {
			failed = p.style(styleRed, fmt.Sprintf("%d failed", row.Failed))
		}
		p.line("%s  %s  %*d  %s", row.Start.Format(layout), fit(bar(row.Entries, most, room), room), numbers, row.Entries, failed)
	}
}

// shades are the cells of a heat map, by level.
var shades = [summary.HeatLevels + 1]string{"·", "░", "▒", "▓", "█"}

// heatMap prints entries by weekday and hour.
func heatMap(p *paper, made *summary.Summary) {
	levels, tops := made.Heat()
	if tops[summary.HeatLevels] == 0 {
		return
	}
	wide := 1
	if p.width >= 4+24*2 {
		wide = 2
	}
	p.heading("by weekday and hour", "")
	hours := "    "
	for hour := 0; hour < 24; hour += 3 {
		hours += fmt.Sprintf("%-*d", 3*wide, hour)
	}
	p.line("%s", hours)
	for i, day := range levels {
		row := (time.Weekday(i+1) % 7).String()[:3] + " "
		for _, level := range day {
			row += strings.Repeat(shades[level], wide)
		}
		p.line("%s", row)
	}
	legend := shades[0] + " none"
	for level, top := range tops {
		if top > 0 {
			legend += fmt.Sprintf(" %s up to %d", shades[level], top)
		}
	}
	p.flow("    ", "%s", legend)
}

func (s *summing) group(p *paper, g summary.Group) {
	remark := count(g.Distinct, "value", "values")
	var last int64
	if len(g.Values) > 0 {
		last = g.Values[len(g.Values)-1].Entries
	}
	if g.AtLeast {
		remark = fmt.Sprintf("at least %s; + means at least, and a value that is not shown has %s at most", remark, entryCount(g.MayMiss+last))
	}
	if g.Others > 0 {
		remark += fmt.Sprintf("; %s with others", entryCount(g.Others))
	}
	if g.Absent > 0 {
		remark += fmt.Sprintf("; %s without", entryCount(g.Absent))
	}
	p.heading(g.Name, remark)
	if len(g.Values) == 0 {
		return
	}
	whole := g.Values[0].Entries
	const numbers = 10 + 8 + 8
	layout := minutes
	if p.width < 100 {
		layout = time.DateOnly
	}
	room := p.width - numbers - 2*(2+len(layout))
	if room < 16 {
		layout, room = "", p.width-numbers
	}
	bars := 0
	if room > 50 {
		bars = min(room-46, 12)
		room -= bars + 2
	}
	for _, v := range g.Values {
		number := strconv.FormatInt(v.Entries, 10)
		if v.AtMost > 0 {
			number += "+"
		}
		failed := ""
		if v.Failed > 0 {
			failed = strconv.FormatInt(v.Failed, 10) + "✗"
		}
		text := fit(clean(v.Text), room)
		if bars > 0 {
			text += "  " + fit(bar(v.Entries, whole, bars), bars)
		}
		text += fmt.Sprintf("%10s%8s", number, summary.Percent(v.Share)) + p.style(styleRed, strings.Repeat(" ", max(8-runewidth.StringWidth(failed), 0))+failed)
		if layout != "" {
			text += "  " + s.moment(v.First, layout) + "  " + s.moment(v.Last, layout)
		}
		p.line("%s", text)
	}
}

// What text shows of hints; json has more.
const (
	shownCases      = 3
	shownReferences = 2
)

func (s *summing) hints(p *paper, hints []summary.Hint) {
	if len(hints) == 0 {
		p.heading("what deserves a look", "no rule has found anything, which does not mean that nothing does")
		return
	}
	p.heading("what deserves a look", "hints by simple rules, not findings: most of it is ordinary work; \"cfaudit show ID\" shows an entry")
	for _, h := range hints {
		for _, line := range wrap(h.Title+": "+entryCount(h.Entries), p.width) {
			p.line("%s", p.style(styleBold, line))
		}
		for _, line := range wrap("rule: "+h.Words, p.width-2) {
			p.line("  %s", line)
		}
		h = h.Top(shownCases)
		for _, c := range h.Cases {
			p.flow("  ", "%s: %s, %s to %s", cmp.Or(p.cut(c.Who), "-"), entryCount(c.Entries), s.shortTime(c.First), s.shortTime(c.Last))
			for _, r := range c.Found[:min(len(c.Found), shownReferences)] {
				s.reference(p, "    ", c.Who, r)
			}
			if more := c.Entries - int64(min(len(c.Found), shownReferences)); more > 0 {
				p.line("    and %d more", more)
			}
		}
		if h.More > 0 {
			p.line("  and %s of others", entryCount(h.More))
		}
	}
}

// reference prints which entry is meant, with its whole id, which other commands take.
// Who is what need not be said again.
func (r *reading) reference(p *paper, indent, who string, to summary.Reference) {
	words := []string{r.shortTime(to.Time)}
	for _, word := range []string{to.Action, to.Note, to.Actor, to.Address} {
		if word = clean(word); word != "" && word != clean(who) && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	text, id := indent+strings.Join(words, ", "), clean(to.ID)
	if room := p.width - len(id) - 2; room >= 40 {
		p.line("%s  %s", atMost(text, room), id)
		return
	}
	p.line("%s", atMost(text, p.width))
	p.line("%s  %s", indent, id)
}
