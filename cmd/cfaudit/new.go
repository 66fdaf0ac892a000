package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/summary"
	"cfaudit.example/wrapper/auditlogs/summary/page"
)

// A comparison is one run of "cfaudit new".
type comparison struct {
	reading
	baseline time.Duration
	shown    int // new values of each kind that text shows
}

// defaultBaseline is how long a baseline is where none is given.
const defaultBaseline = "21d"

func newNew(env *environment) *cobra.Command {
	c := &comparison{shown: 20}
	c.baseline, _ = parseAge(defaultBaseline)
	cmd := &cobra.Command{
		Use:   "new --since WHEN [--before WHEN] [--baseline AGE] [flags]",
		Short: "Print what a window has that the time before it has not: actors, tokens, addresses",
		Long: "Compares a window with its baseline, the time right before it, and prints the actors, tokens, addresses, networks (/24 of IPv4, " +
			"/64 of IPv6), user agents, and pairs of an action and a product that the baseline has not, each with its first entry.",
		Example: "  cfaudit new --since 7d\n" +
			"  cfaudit new --since 7d --baseline 90d --actor-context api_token\n" +
			"  cfaudit new --since yesterday --before today --format json | jq -r '.kinds[] | select(.name == \"addresses\") | .values[].text'\n" +
			"  cfaudit new --demo --since 7d    # made-up entries, no account needed",
	}
	since := c.sinceBound("the start of the window, and the end of its baseline; required")
	baseline := &flagValue{
		name: "baseline", placeholder: "AGE", group: groupWindow, examples: []string{"7d", defaultBaseline, "90d"},
		help:      "how long before --since the baseline starts",
		byDefault: defaultBaseline,
		want:      "a length of time such as 12h, 21d or 8w",
		set: func(value string) (ok bool) {
			c.baseline, ok = parseAge(value)
			return ok && c.baseline > 0
		},
	}
	top := &flagValue{
		name: "top", placeholder: "N", group: groupOutput,
		help:      "how many new values of each kind text and html show",
		byDefault: "20",
		want:      "a whole number from 1 to 10000",
		set:       whole(&c.shown, 1, 10_000),
	}
	return c.command(env, cmd, newFooter, c.run, c.flags(since, baseline, top))
}

const newFooter = whenFooter + `

What new means
A value is new if no entry of the baseline has it; filters apply to both. It says nothing about the time before the baseline.
Up to 100,000 values of a kind in the baseline are known exactly. Of more, a few new values are taken for known ones, and a
note says about how many; a value that the baseline has is never called new. At most 10,000 new values of each kind are
kept, and those beyond are counted.

Formats
text is for people. json has the same in one object, with all new values that are kept. html is a page in one file that
loads nothing from anywhere, with the first entry of each value.
` + readingFooter

func (c *comparison) run(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	start := c.start.Add(-c.baseline)
	options := summary.NewsOptions{BaselineSince: start, Since: c.start, Before: c.end, Location: c.location}
	baseline := c.query
	baseline.Since, baseline.Before = auditlogs.Time(start), c.query.Since
	comparer, err := summary.NewComparer(options)
	if err != nil {
		return c.usage("%s", err)
	}
	return c.do(ctx, start, func(ctx context.Context) error {
		if err := c.each(ctx, baseline, comparer.Baseline); err != nil {
			return err
		}
		keeper := page.NewKeeper()
		err := c.each(ctx, c.query, func(e *auditlogs.Entry) {
			if comparer.Add(e) && c.encoding == nameHTML {
				keeper.AddFirst(e)
			}
		})
		if err != nil {
			return err
		}
		news := comparer.News()
		c.entries = int(news.Entries)
		c.notes(start)
		if news.BaselineEntries == 0 && news.Entries > 0 {
			c.env.note("the baseline %s has no entries, and so everything is new", windowWords(baseline))
		}
		for _, k := range news.Kinds {
			if k.AtLeast {
				c.env.note("the baseline has so many %s that about %.2g of a million new ones are taken for known", k.Name, k.Missed)
			}
		}
		if c.encoding != nameJSON {
			for i, k := range news.Kinds {
				news.Kinds[i] = k.Top(c.shown)
			}
		}
		c.show(news, &page.Page{News: news, Entries: keeper.Entries()}, func(p *paper) { c.text(p, news) })
		return nil
	})
}

// text writes what is new for people.
func (c *comparison) text(p *paper, news *summary.News) {
	p.heading("new", fmt.Sprintf("%s, from %s up to %s (%s)", c.log(), c.shortTime(news.Since), c.shortTime(news.Before), news.TimeZone))
	p.flow("", "%s, compared with %s of the baseline, which starts %s", entryCount(news.Entries),
		entryCount(news.BaselineEntries), c.shortTime(news.BaselineSince))
	for _, k := range news.Kinds {
		least := ""
		if k.AtLeast {
			least = "at least "
		}
		p.heading(k.Name, fmt.Sprintf("%s%d new, %d in the baseline", least, int64(len(k.Values))+k.More, k.Baseline))
		for _, v := range k.Values {
			c.novelty(p, v)
		}
		if k.More > 0 {
			p.line("and %s%d more", least, k.More)
		}
	}
}

// novelty prints a new value, and below it its first entry.
func (c *comparison) novelty(p *paper, v summary.NewValue) {
	numbers := entryCount(v.Entries)
	if v.Failed > 0 {
		numbers += fmt.Sprintf(", %d failed", v.Failed)
	}
	text := clean(v.Text)
	if room := p.width - len(numbers) - 2; room > 8 {
		text = atMost(text, room)
	}
	p.line("%s  %s", p.style(styleBold, text), numbers)
	c.reference(p, "    ", v.Text, v.First)
}
