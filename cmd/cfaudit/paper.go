package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"cfaudit.example/wrapper/auditlogs/summary/page"
)

// A paper is text for people, as wide as the terminal.
type paper struct {
	strings.Builder
	width   int
	colours bool
}

// show prints what the entries come to in the format that was chosen: as data, as a page, or as
// what text writes on paper.
func (r *reading) show(value any, html *page.Page, text func(*paper)) {
	switch r.encoding {
	case nameJSON:
		r.printJSON(value)
	case nameHTML:
		r.printPage(html)
	default:
		width := cmp.Or(r.env.terminal(r.env.stdout), tableDefault)
		p := &paper{width: max(width, 40), colours: r.env.colours()}
		text(p)
		_, _ = io.WriteString(r.out(), p.String())
	}
}

// style puts a style around text that is already as wide as it has to be.
func (p *paper) style(style, text string) string {
	if !p.colours || strings.TrimSpace(text) == "" {
		return text
	}
	return style + text + styleReset
}

func (p *paper) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.WriteString(strings.TrimRight(text, " "))
	p.WriteByte('\n')
}

// flow prints words on as many lines as they take, with an indent.
func (p *paper) flow(indent, format string, args ...any) {
	for i, line := range wrap(fmt.Sprintf(format, args...), p.width-len(indent)-2) {
		if i > 0 {
			line = "  " + line
		}
		p.line("%s%s", indent, line)
	}
}

// cut shortens a text of an entry to a part of the page's width.
func (p *paper) cut(text string) string {
	return atMost(clean(text), p.width/2)
}

func (p *paper) heading(text, remark string) {
	text = strings.ToUpper(text)
	if p.Len() > 0 {
		p.WriteByte('\n')
	}
	room := p.width - len(text) - 2
	if remark == "" || room < 40 {
		p.line("%s", p.style(styleBold, text))
		p.flow("  ", "%s", remark)
		return
	}
	for i, line := range wrap(remark, room) {
		if i > 0 {
			p.line("%*s%s", len(text)+2, "", line)
			continue
		}
		p.line("%s  %s", p.style(styleBold, text), line)
	}
}

// bar returns a bar of at most width columns, to an eighth of one.
func bar(part, whole int64, width int) string {
	if whole <= 0 || part <= 0 || width <= 0 {
		return ""
	}
	eighths := max(int(float64(part)/float64(whole)*float64(width)*8+0.5), 1)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return text
}

// minutes is how times are printed where seconds do not matter.
const minutes = "2006-01-02 15:04"

func (r *reading) shortTime(t time.Time) string { return r.moment(t, minutes) }

func (r *reading) moment(t time.Time, layout string) string {
	if t.IsZero() {
		return "-"
	}
	return r.in(t).Format(layout)
}
