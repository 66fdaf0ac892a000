package main

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/detail"
)

const (
	sideBySide = 100 // columns of a terminal that has room for request and response side by side
	maxChanges = 50  // changes that are shown unless all are
)

// A pageWriter writes one entry for people.
type pageWriter struct {
	width   int // of the terminal; 0 for none
	colours bool
	zone    *timeZone
	full    bool

	b strings.Builder
}

// A piece is a part of a line in one style.
type piece struct{ style, text string }

// A textRow is one line on the screen, and the columns that it takes.
type textRow struct {
	text  string
	width int
}

// page returns the whole page.
func (p *pageWriter) page(found *shown) []byte {
	page := detail.Of(found.Entry)
	p.rows(found.Entry, page.Rows)
	p.bodies(page.Bodies)
	p.changes(found)
	return []byte(p.b.String())
}

// rows writes the fields that fit in a line.
func (p *pageWriter) rows(e *auditlogs.Entry, rows []detail.Row) {
	widest := 0
	for _, row := range rows {
		widest = max(widest, runewidth.StringWidth(clean(row.Label)))
	}
	widest = min(widest, 24)
	for _, row := range rows {
		text := row.Text(p.full)
		style := ""
		switch row.Fields[0].Path {
		case "action.time":
			if p.zone.heading("") != "" && !e.Action.Time.IsZero() {
				text = p.zone.heading(p.zone.text(e.Action.Time)) + ", " + text
			}
		case "action.description":
			style = styleBold
		case "action.result":
			if e.Action.Result == string(auditlogsapi.ActionResultFailure) {
				style = styleRed
			}
		}
		p.write(p.flow([]piece{{styleDim, fit(clean(row.Label), widest)}, {"", "  "}, {style, clean(text)}}, p.width, widest+2))
	}
}

// bodies writes JSON values: request and response side by side where there is room.
func (p *pageWriter) bodies(bodies []detail.Body) {
	for len(bodies) > 0 {
		p.b.WriteByte('\n')
		if len(bodies) > 1 && p.width >= sideBySide && bodies[0].Path == "resource.request" && bodies[1].Path == "resource.response" {
			half := (p.width - len(tableGap)) / 2
			p.beside(p.body(bodies[0], half), p.body(bodies[1], half), half)
			bodies = bodies[2:]
			continue
		}
		p.write(p.body(bodies[0], p.width))
		bodies = bodies[1:]
	}
}

// body returns a JSON value under its title.
func (p *pageWriter) body(body detail.Body, width int) []textRow {
	title := clean(body.Path)
	if name, ok := strings.CutPrefix(title, "resource."); ok && name != "" {
		title = strings.ToUpper(name[:1]) + name[1:]
	}
	rows := p.flow([]piece{{styleBold, title}}, width, 0)
	for _, line := range detail.Lines(body.Raw, p.full) {
		pieces := []piece{{"", strings.Repeat("  ", line.Depth)}}
		if line.Name != "" {
			pieces = append(pieces, piece{styleCyan, clean(line.Name)}, piece{"", ": "})
		}
		pieces = append(pieces, piece{kindStyles[line.Kind], clean(line.Value)})
		if line.Note != "" {
			pieces = append(pieces, piece{styleDim, " (" + line.Note + ")"})
		}
		if line.Comma {
			pieces = append(pieces, piece{"", ","})
		}
		rows = append(rows, p.flow(pieces, width, 2*line.Depth+2)...)
	}
	return rows
}

// kindStyles are the colours of JSON values.
var kindStyles = map[detail.Kind]string{
	detail.KindString: styleGreen, detail.KindNumber: styleYellow, detail.KindLiteral: styleYellow, detail.KindFolded: styleDim,
}

// changes writes the difference from the previous entry, and what is known of it.
func (p *pageWriter) changes(found *shown) {
	previous := found.Previous
	p.b.WriteByte('\n')
	say := func(style, format string, args ...any) {
		p.write(p.flow([]piece{{style, clean(fmt.Sprintf(format, args...))}}, p.width, 2))
	}
	switch {
	case found.History == auditlogs.HistoryUnavailable:
		say("", "There is no history of the resource, so that the entry cannot be compared with an earlier one: %s.", found.why)
		return
	case previous == nil:
		say("", "There is no earlier entry about the resource from %s on.", p.zone.text(found.since))
		return
	}
	say(styleBold, "Changes since %s, entry %s", p.zone.text(previous.Action.Time), cmp.Or(previous.ID, "without an id"))
	say("", "%s by %s", cmp.Or(previous.Action.Description, previous.Action.Type, "An action"), cmp.Or(tableActor(previous, 1<<20), "someone unknown"))
	if found.History != auditlogs.HistoryExact {
		say(styleRed, "The history is %s: the entry before can be about another resource of the same kind.", cmp.Or(string(found.History), "of an unknown kind"))
	}
	if len(found.Changes) == 0 {
		say("", "Request and response are the same as there.")
		return
	}
	for i, change := range found.Changes {
		if i == maxChanges && !p.full {
			say(styleDim, "… %d more", len(found.Changes)-i)
			return
		}
		p.change(change)
	}
}

func (p *pageWriter) change(change detail.Change) {
	value := func(raw []byte) string {
		if p.full {
			return clean(string(raw))
		}
		return clean(detail.Fold(string(raw)))
	}
	pieces := []piece{{styleYellow, "~ "}, {styleCyan, clean(strings.TrimPrefix(change.Path, "resource."))}, {"", ": "}}
	switch {
	case change.Before == nil:
		pieces[0] = piece{styleGreen, "+ "}
		pieces = append(pieces, piece{styleGreen, value(change.After)})
	case change.After == nil:
		pieces[0] = piece{styleRed, "- "}
		pieces = append(pieces, piece{styleRed, value(change.Before)})
	default:
		pieces = append(pieces, piece{styleRed, value(change.Before)}, piece{"", " → "}, piece{styleGreen, value(change.After)})
	}
	p.write(p.flow(pieces, p.width, 4))
}

func (p *pageWriter) write(rows []textRow) {
	for _, row := range rows {
		p.b.WriteString(row.text + "\n")
	}
}

// beside writes two texts side by side.
func (p *pageWriter) beside(left, right []textRow, width int) {
	for i := range max(len(left), len(right)) {
		var l, r textRow
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		line := l.text
		if r.text != "" {
			line += strings.Repeat(" ", width-l.width) + tableGap + r.text
		}
		p.b.WriteString(line + "\n")
	}
}

// flow breaks pieces into rows of at most width columns, 0 for no bound: after a space where there
// is one, and within a word that is longer than a row. Rows after the first are indented.
func (p *pageWriter) flow(pieces []piece, width, indent int) []textRow {
	if width > 0 && indent > width/2 {
		indent = width / 2
	}
	rows := []textRow{{}}
	for _, s := range pieces {
		for text := s.text; text != ""; {
			row := &rows[len(rows)-1]
			part := text
			if width > 0 {
				fresh := row.width == 0 || len(rows) > 1 && row.width == indent
				n := breakAt(text, width-row.width, width-indent, fresh)
				if n == 0 {
					rows = append(rows, textRow{strings.Repeat(" ", indent), indent})
					continue
				}
				part = text[:n]
			}
			text = text[len(part):]
			row.width += runewidth.StringWidth(part)
			if s.style != "" && p.colours {
				part = s.style + part + styleReset
			}
			row.text += part
		}
	}
	return rows
}

// breakAt returns how many bytes of a text go into the columns that are left of a row; 0 to start
// with a fresh row of the given width.
func breakAt(text string, left, width int, fresh bool) int {
	_, n := measure(text, left)
	if n == len(text) {
		return n
	}
	if space := strings.LastIndexByte(text[:n], ' ') + 1; space > 0 && strings.TrimLeft(text[:n], " ") != "" {
		return space
	}
	word, _, _ := strings.Cut(text, " ")
	switch {
	case !fresh && (n == 0 || runewidth.StringWidth(word) <= width):
		return 0
	case n == 0: // The terminal is narrower than a character.
		_, n = utf8.DecodeRuneInString(text)
	}
	return n
}
