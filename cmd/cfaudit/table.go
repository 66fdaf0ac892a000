package main

import (
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// nameTable is the format that only the command has.
const nameTable = "table"

// tableFormat prints one line of fixed columns for each entry, for people.
type tableFormat struct {
	width   int // of the terminal
	colours bool
	columns [5]int
}

// tableTitles are the columns' titles.
var tableTitles = [...]string{"TIME", "ACTOR", "ACTION", "RESOURCE", "RESULT"}

const (
	tableGap     = "  "
	tableDefault = 120 // the width without a terminal
)

// newTable divides width among the columns in advance, so that each page can be printed as it
// arrives.
func newTable(width int, colours bool) *tableFormat {
	t := &tableFormat{width: width, colours: colours}
	timeWidth, resultWidth := len(time.DateOnly+"T"+time.TimeOnly+"Z"), len(auditlogsapi.ActionResultSuccess)+1
	rest := max(width-timeWidth-resultWidth-len(tableGap)*(len(t.columns)-1), 3*6)
	actor := rest / 4
	action := rest * 3 / 10
	t.columns = [...]int{timeWidth, actor, action, rest - actor - action, resultWidth}
	return t
}

// Header appends the titles.
func (t *tableFormat) Header(b []byte) []byte { return t.line(b, tableTitles[:], styleBold) }

// Entry appends an entry's line.
func (t *tableFormat) Entry(b []byte, e *auditlogs.Entry) []byte {
	colour := ""
	if e.Action.Result == string(auditlogsapi.ActionResultFailure) {
		colour = styleRed
	}
	return t.line(b, []string{tableTime(e), tableActor(e), tableAction(e), tableResource(e), e.Action.Result}, colour)
}

// line appends one line, which fits into the width.
func (t *tableFormat) line(b []byte, cells []string, colour string) []byte {
	var text strings.Builder
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		if i > 0 {
			text.WriteString(tableGap)
		}
		text.WriteString(fit(clean(cell), t.columns[i]))
	}
	whole := text.String()
	if _, n := measure(whole, t.width); n < len(whole) {
		whole = fit(whole, t.width)
	}
	whole = strings.TrimRight(whole, " ")
	if t.colours && colour != "" {
		whole = colour + whole + styleReset
	}
	return append(append(b, whole...), '\n')
}

// tableTime returns the time in a form that --since and --before accept.
func tableTime(e *auditlogs.Entry) string {
	if e.Action.Time.IsZero() {
		return ""
	}
	return e.Action.Time.UTC().Format(time.RFC3339)
}

func tableActor(e *auditlogs.Entry) string {
	return firstOf(e.Actor.Email, e.Actor.TokenName, e.Actor.ID, e.Actor.Type)
}

func tableAction(e *auditlogs.Entry) string {
	return firstOf(e.Action.Description, e.Action.Type)
}

// tableResource says what was changed, and in which zone.
func tableResource(e *auditlogs.Entry) string {
	var words []string
	for _, word := range []string{e.Resource.Product, e.Resource.Type, shorten(e.Resource.ID)} {
		if word != "" && (len(words) == 0 || word != words[len(words)-1]) {
			words = append(words, word)
		}
	}
	resource, zone := strings.Join(words, " "), firstOf(e.Zone.Name, shorten(e.Zone.ID))
	if resource != "" && zone != "" {
		resource += " / "
	}
	return resource + zone
}

// shorten cuts an identifier to a part that still distinguishes it from others nearby.
func shorten(id string) string {
	if runes := []rune(id); len(runes) > 10 {
		return string(runes[:8]) + "…"
	}
	return id
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
