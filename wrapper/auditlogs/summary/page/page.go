// Package page writes a summary, or what is new, as one file of html that loads nothing from
// anywhere: charts, hints, and a table of entries that can be searched, sorted and filtered by a
// click on a bar.
//
// Texts of entries are what other people typed. They are escaped by html/template, and characters
// that cannot be seen or that change the direction of the text around them are written as \u202e. A
// content security policy in the file allows only its own script and its own style.
package page

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/detail"
	"cfaudit.example/wrapper/auditlogs/summary"
)

// A Page is what a file of html shows: a Summary or News, and entries.
type Page struct {
	Command string    // the command line that made it
	Log     string    // the name of the log
	Made    time.Time // when it was made
	Notes   []string  // what must be known about it, such as that entries can still be missing

	Summary *summary.Summary
	News    *summary.News
	Entries []Entry // see [Keeper]

	Location *time.Location // of times; nil for UTC
}

//go:embed page.html.tmpl page.css page.js
var files embed.FS

var (
	style  = read("page.css")
	script = read("page.js")
	markup = template.Must(template.New("page").Funcs(template.FuncMap{
		"shown": shown, "count": entries, "top": func(h summary.Hint) summary.Hint { return h.Top(maxCases) },
		"fold": func(text string) string { return shown(detail.Fold(text)) },
	}).Parse(read("page.html.tmpl")))

	// The policy forbids everything but the file's own style and script, which it knows by their
	// digests.
	policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", digest(style), digest(script))
)

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // It is embedded.
	}
	return string(text)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	b := bufio.NewWriterSize(w, 64<<10)
	if err := markup.Execute(b, p.view()); err != nil {
		return err
	}
	return b.Flush()
}

// shown makes a text visible: what cannot be seen, and what changes the direction of the text
// around it, becomes its code.
func shown(text string) string {
	hidden := func(r rune) bool {
		return r != '\n' && r != '\t' && r != ' ' && !unicode.IsGraphic(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r)
	}
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// A view is what the template gets.
type view struct {
	*Page
	Policy string
	Style  template.CSS
	Script template.JS

	Title, Since, Before, Zone, Baseline string

	Timeline summary.Timeline
	Periods  []bar // of the timeline
	Week     []weekday
	Tops     [summary.HeatLevels + 1]int64
	Groups   []group
	Kinds    []kind
	Rows     []row
	Total    int64 // entries of the window

	places map[string]int // of the rows by the ids of their entries
}

// A bar is a part of a chart. A click on it shows the entries whose key in that chart is its own.
type bar struct {
	Chart, Key    string
	Label         string
	Entries       int64
	Failed        int64
	Height        float64 // of 100
	FailedHeight  float64
	Text          string
	Number, Share string
	First, Last   string
	Level         int
}

type weekday struct {
	Name  string
	Hours []bar
}

type group struct {
	Name, Remark string
	Fields       string
	Bars         []bar
}

type kind struct {
	Name, Remark string
	Values       []novelty
}

type novelty struct {
	bar
	First summary.Reference
}

type reference struct {
	summary.Reference
	Time string
	Row  int // of the table; -1 where it is not there
}

// A row is an entry in the table.
type row struct {
	Entry
	N                 int
	Keys              []key
	Time, At          string
	Who, What, Result string
	Details, Bodies   []text
	Left              bool // its details are left out
}

// A key says which bar of a chart an entry belongs to.
type key struct{ Chart, Key string }

type text struct{ Label, Text string }

// The bounds of what a page shows.
const (
	maxPeriods = 92       // bars of a timeline; beyond, a bar is a week
	maxDetails = 16 << 20 // bytes of details of all entries
	maxLines   = 60       // fields of an entry, one in each line
	maxCases   = 20       // actors of a hint
)

func (p *Page) view() *view {
	if p.Location == nil {
		p.Location = time.UTC
	}
	v := &view{Page: p, Policy: policy, Style: template.CSS(style), Script: template.JS(script)}
	switch {
	case p.Summary != nil:
		v.Title = "Summary"
		v.Since, v.Before, v.Zone, v.Total = v.Minute(p.Summary.Since), v.Minute(p.Summary.Before), p.Summary.TimeZone, p.Summary.Entries
		v.charts()
	case p.News != nil:
		v.Title = "New"
		v.Since, v.Before, v.Zone, v.Total = v.Minute(p.News.Since), v.Minute(p.News.Before), p.News.TimeZone, p.News.Entries
		v.Baseline = v.Minute(p.News.BaselineSince)
		v.kinds()
	}
	v.rows()
	return v
}

const minutes = "2006-01-02 15:04"

// Minute writes a time; the template uses it too.
func (v *view) Minute(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(v.Location).Format(minutes)
}

func (v *view) charts() {
	s := v.Summary
	layout := "Mon 2006-01-02"
	v.Timeline = s.Timeline.Fit(maxPeriods)
	if v.Timeline.Unit == summary.UnitHour {
		layout = minutes
	}
	most := v.Timeline.Most()
	for i, period := range v.Timeline.Periods {
		text := period.Start.Format(layout)
		b := bar{Chart: "time", Key: strconv.Itoa(i), Label: "time " + text, Text: text, Entries: period.Entries, Failed: period.Failed}
		b.scale(most)
		v.Periods = append(v.Periods, b)
	}
	v.heatMap()
	for i, g := range s.Groups {
		made := group{Name: g.Name, Fields: strings.Join(g.Fields, ", "), Remark: remark(g)}
		if g.FirstOf {
			made.Fields = "the first of " + made.Fields
		}
		for j, value := range g.Values {
			b := bar{
				Chart: "g" + strconv.Itoa(i), Key: strconv.Itoa(j), Label: g.Name + " " + value.Text, Text: value.Text, Entries: value.Entries, Failed: value.Failed,
				Number: strconv.FormatInt(value.Entries, 10), Share: summary.Percent(value.Share), First: v.Minute(value.First), Last: v.Minute(value.Last),
			}
			if value.AtMost > 0 {
				b.Number += "+"
			}
			b.scale(g.Values[0].Entries)
			made.Bars = append(made.Bars, b)
		}
		v.Groups = append(v.Groups, made)
	}
}

// scale computes the heights of a bar whose longest has so many entries. None that has an entry is
// invisible.
func (b *bar) scale(most int64) {
	if most == 0 || b.Entries == 0 {
		return
	}
	b.Height = max(round(100*float64(b.Entries)/float64(most)), 1)
	b.FailedHeight = round(b.Height * float64(b.Failed) / float64(b.Entries))
	if b.Failed > 0 {
		b.FailedHeight = max(b.FailedHeight, 1)
	}
}

// Y is where the bar starts, from the top.
func (b bar) Y() float64 { return round(100 - b.Height) }

// FailedY is where its failed part starts.
func (b bar) FailedY() float64 { return round(100 - b.FailedHeight) }

func round(f float64) float64 { return float64(int64(f*100+0.5)) / 100 }

func entries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return strconv.FormatInt(n, 10) + " entries"
}

func remark(g summary.Group) string {
	text := fmt.Sprintf("%d different", g.Distinct)
	if g.AtLeast {
		text = fmt.Sprintf("at least %s; + means at least, and %d more at most", text, g.MayMiss)
	}
	if g.Others > 0 {
		text += "; " + entries(g.Others) + " with others"
	}
	if g.Absent > 0 {
		text += "; " + entries(g.Absent) + " without"
	}
	return text
}

func (v *view) heatMap() {
	var levels [7][24]int
	if levels, v.Tops = v.Summary.Heat(); v.Tops[summary.HeatLevels] == 0 {
		return
	}
	for i, day := range v.Summary.Week {
		name := time.Weekday((i + 1) % 7).String()
		w := weekday{Name: name[:3]}
		for hour, n := range day {
			w.Hours = append(w.Hours, bar{
				Chart: "week", Key: fmt.Sprint(i, "-", hour), Label: fmt.Sprintf("%s at %d", name, hour), Entries: n,
				Text: fmt.Sprintf("%s, %02d:00 to %02d:59", name, hour, hour), Level: levels[i][hour],
			})
		}
		v.Week = append(v.Week, w)
	}
}

// rows makes the table's rows.
func (v *view) rows() {
	v.places = map[string]int{}
	var indexes []func(*auditlogs.Entry) int
	found := map[string][]string{} // the rules that name an entry, by its id
	if v.Summary != nil {
		for _, g := range v.Summary.Groups {
			indexes = append(indexes, g.Index(v.Location))
		}
		for _, h := range v.Summary.Hints {
			for _, c := range h.Cases {
				for _, r := range c.Found {
					if r.ID != "" {
						found[r.ID] = append(found[r.ID], h.Rule)
					}
				}
			}
		}
	}
	left := maxDetails
	for n, e := range v.Entries {
		made := row{Entry: e, N: n, Who: actor(e), Result: result(e)}
		made.What = strings.TrimSpace(cmp.Or(e.Resource.Type, e.Resource.Product) + " " + e.Resource.ID)
		if at := e.Action.Time; !at.IsZero() {
			made.Time, made.At = at.In(v.Location).Format(time.DateTime), at.UTC().Format("2006-01-02T15:04:05.000000000Z")
			made.Keys = append(made.Keys, v.times(at)...)
		}
		for i, index := range indexes {
			if place := index(e.Entry); place >= 0 {
				made.Keys = append(made.Keys, key{"g" + strconv.Itoa(i), strconv.Itoa(place)})
			}
		}
		for _, rule := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.Rules, found[e.ID])))) {
			made.Keys = append(made.Keys, key{"hint", rule})
		}
		if left > 0 {
			left -= made.details(e.Entry)
		} else {
			made.Left = true
		}
		if _, known := v.places[e.ID]; !known && e.ID != "" {
			v.places[e.ID] = n
		}
		v.Rows = append(v.Rows, made)
	}
}

// times returns the bars of the timeline and of the heat map that a time belongs to.
func (v *view) times(at time.Time) (keys []key) {
	if v.Summary == nil {
		return nil
	}
	local := at.In(v.Location)
	keys = append(keys, key{"week", fmt.Sprint((int(local.Weekday())+6)%7, "-", local.Hour())})
	if at.Before(v.Summary.Since) || !at.Before(v.Summary.Before) {
		return keys
	}
	i, exact := slices.BinarySearchFunc(v.Timeline.Periods, at, func(p summary.Period, at time.Time) int { return p.Start.Compare(at) })
	if !exact {
		i--
	}
	return append(keys, key{"time", strconv.Itoa(i)})
}

// details adds what "cfaudit show" prints, and returns how many bytes that are.
func (r *row) details(e *auditlogs.Entry) (bytes int) {
	page := detail.Of(e)
	for i, field := range page.Rows {
		if i == maxLines {
			r.Details = append(r.Details, text{"…", fmt.Sprintf("%d more", len(page.Rows)-maxLines)})
			break
		}
		r.Details = append(r.Details, text{detail.Fold(field.Label), field.Text(false)})
		bytes += len(field.Text(false))
	}
	for _, b := range page.Bodies[:min(len(page.Bodies), maxLines)] {
		var lines strings.Builder
		for _, l := range detail.Lines(b.Raw, false) {
			lines.WriteString(strings.Repeat("  ", l.Depth))
			if l.Name != "" {
				lines.WriteString(l.Name + ": ")
			}
			lines.WriteString(l.Value)
			if l.Comma {
				lines.WriteByte(',')
			}
			if l.Note != "" {
				lines.WriteString("  (" + l.Note + ")")
			}
			lines.WriteByte('\n')
		}
		r.Bodies = append(r.Bodies, text{detail.Fold(b.Path), lines.String()})
		bytes += lines.Len()
	}
	return bytes
}

func actor(e Entry) string {
	who := cmp.Or(e.Actor.Email, e.Actor.ID, e.Actor.Type)
	if token := cmp.Or(e.Actor.TokenName, e.Actor.TokenID); token != "" {
		return strings.TrimSpace(who + " [" + token + "]")
	}
	return who
}

func result(e Entry) string {
	if e.Action.Result == "failure" && e.Entry.Entry.Raw.StatusCode != 0 {
		return fmt.Sprintf("failure %d", e.Entry.Entry.Raw.StatusCode)
	}
	return e.Action.Result
}

// Refer returns a reference with the row of its entry.
func (v *view) Refer(r summary.Reference) reference {
	made := reference{Reference: r, Time: v.Minute(r.Time), Row: -1}
	if place, known := v.places[r.ID]; known {
		made.Row = place
	}
	return made
}

func (v *view) kinds() {
	for i, k := range v.News.Kinds {
		made := kind{Name: k.Name}
		var most int64
		for _, n := range k.Values {
			most = max(most, n.Entries)
		}
		for j, n := range k.Values {
			b := bar{
				Chart: "k" + strconv.Itoa(i), Key: strconv.Itoa(j), Text: n.Text, Entries: n.Entries, Failed: n.Failed,
				Number: strconv.FormatInt(n.Entries, 10), Last: v.Minute(n.Last),
			}
			b.scale(most)
			made.Values = append(made.Values, novelty{b, n.First})
		}
		made.Remark = fmt.Sprintf("%d new, %d in the baseline", int64(len(k.Values))+k.More, k.Baseline)
		if k.AtLeast {
			made.Remark = "at least " + made.Remark
		}
		if k.More > 0 {
			made.Remark += fmt.Sprintf("; %d new ones are not shown", k.More)
		}
		v.Kinds = append(v.Kinds, made)
	}
}
