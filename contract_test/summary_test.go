package contract

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/summary"
	"cfaudit.example/wrapper/auditlogstest"
)

// summarized are 50,000 made-up entries with an incident, fewer in short mode, and then the odd
// ones.
func summarized(t *testing.T) []json.RawMessage {
	t.Helper()
	count := 50_000
	if testing.Short() {
		count /= 10
	}
	server := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{
		Entries: count, Since: windowStart, Before: windowEnd, Incident: windowEnd.AddDate(0, 0, -4),
	}))
	defer server.Close()
	entries := server.Stored(windowStart, windowEnd)
	files, err := filepath.Glob(filepath.Join("testdata", "odd", "*.json"))
	if err != nil || len(entries) != count {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	odd := 0
	for _, name := range files {
		var page struct{ Result json.RawMessage }
		var rows []json.RawMessage
		if json.Unmarshal(testdata(t, "odd", filepath.Base(name)), &page) == nil && json.Unmarshal(page.Result, &rows) == nil {
			entries = append(entries, rows...)
			odd += len(rows)
		}
	}
	if odd < 25 {
		t.Fatalf("only %d odd entries", odd)
	}
	for _, raw := range []string{
		`{"id":"long","raw":{"user_agent":"` + strings.Repeat("ä", 300_000) + `","status_code":0},"actor":{"email":"` + strings.Repeat("x", 257) + `"}}`,
		`{"id":"late","action":{"time":"2024-12-31T23:59:59.999999999Z","type":"delete","result":"failure"}}`,
		`{"id":"early","action":{"time":"0001-01-01T00:00:00Z","result":"failure"}}`,
		`{"id":"nested","resource":{"id":"\u202e<b>","type":"\u0000","product":"a / b","request":[ {"b" : 1.50} , "<" ]}}`,
	} {
		entries = append(entries, json.RawMessage(raw))
	}
	return entries
}

// A recount counts entries as one would who has encoding/json and nothing of ours.
type recount struct {
	t     *testing.T
	raws  []json.RawMessage
	texts []map[string]string // what the fields of each entry count as, by their paths
	times []time.Time
	paths map[string]string // the types of the contract's fields
	in    *time.Location
}

func newRecount(t *testing.T, raws []json.RawMessage) *recount {
	r := &recount{t: t, raws: raws, in: time.UTC, paths: map[string]string{}}
	var walk func(prefix string, members openapi3.Schemas)
	walk = func(prefix string, members openapi3.Schemas) {
		for name, ref := range members {
			schema := ref.Value
			switch {
			case len(schema.Properties) > 0:
				walk(prefix+name+".", schema.Properties)
			case schema.Format == "date-time":
				r.paths[prefix+name] = "time"
			case schema.Type.Is("string"):
				r.paths[prefix+name] = "string"
			case schema.Type.Is("integer"):
				r.paths[prefix+name] = "integer"
			default:
				r.paths[prefix+name] = "any"
			}
		}
	}
	walk("", entrySchema(t, mustLoad(t)).Properties)
	for _, raw := range raws {
		var row map[string]json.RawMessage
		_ = json.Unmarshal(raw, &row) // What is no object has no members.
		objects := map[string]map[string]json.RawMessage{"": row}
		texts := map[string]string{}
		for path := range r.paths {
			object, name := "", path
			if i := strings.LastIndexByte(path, '.'); i >= 0 {
				object, name = path[:i], path[i+1:]
			}
			if objects[object] == nil {
				members := map[string]json.RawMessage{}
				_ = json.Unmarshal(objects[""][object], &members)
				objects[object] = members
			}
			if text := r.parse(path, objects[object][name]); text != "" {
				texts[path] = text
			}
		}
		at, _ := time.Parse(time.RFC3339, texts["action.time"])
		r.texts, r.times = append(r.texts, texts), append(r.times, at)
	}
	return r
}

// text is what the field of an entry counts as; empty for nothing.
func (r *recount) text(i int, path string) string {
	if path == "action.time" && !r.times[i].IsZero() {
		return r.times[i].In(r.in).Format(time.RFC3339Nano)
	}
	return r.texts[i][path]
}

func (r *recount) time(i int) (at time.Time, ok bool) { return r.times[i], !r.times[i].IsZero() }

func (r *recount) parse(path string, value json.RawMessage) string {
	var text string
	isText := json.Unmarshal(value, &text) == nil
	switch r.paths[path] {
	case "string":
	case "integer":
		text = ""
		if n, err := strconv.Atoi(string(value)); err == nil && n != 0 {
			text = string(value)
		}
	case "time":
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || at.IsZero() {
			return ""
		}
		text = at.UTC().Format(time.RFC3339Nano)
	default:
		if !isText && len(value) > 0 {
			var compact bytes.Buffer
			if err := json.Compact(&compact, value); err != nil {
				r.t.Fatal(err)
			}
			text = compact.String()
		}
	}
	return text
}

// A counted is what a value of a group comes to.
type counted struct {
	entries, failed int64
	first, last     time.Time
}

// group counts the values of some fields: of the first that an entry has, or of all together.
func (r *recount) group(fields []string, firstOf bool, needs string) (values map[string]*counted, absent int64) {
	values = map[string]*counted{}
	for i := range r.raws {
		is := map[string]string{}
		for _, path := range fields {
			if text := r.text(i, path); text != "" && !(firstOf && len(is) > 0) {
				is[path] = text
			}
		}
		if len(is) == 0 || needs != "" && is[needs] == "" {
			absent++
			continue
		}
		key := keyOf(is)
		if values[key] == nil {
			values[key] = &counted{}
		}
		v := values[key]
		v.entries++
		if r.text(i, "action.result") == "failure" {
			v.failed++
		}
		if at, ok := r.time(i); ok {
			if v.first.IsZero() || at.Before(v.first) {
				v.first = at
			}
			if at.After(v.last) {
				v.last = at
			}
		}
	}
	return values, absent
}

var shortened = regexp.MustCompile(`^(?s)(.*)… \((\d+) bytes, SHA-256 ([0-9a-f]{32})\)$`)

// keyOf names a value, with a long text replaced by its start, length and digest, which is
// what a summary shows of it.
func keyOf(is map[string]string) string {
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(is)) {
		text := is[path]
		if cut := shortened.FindStringSubmatch(text); cut != nil {
			text = cut[2] + " bytes from " + cut[1][:100] + cut[3]
		} else if len(text) > 256 {
			sum := sha256.Sum256([]byte(text))
			text = fmt.Sprintf("%d bytes from %s%x", len(text), text[:100], sum[:16])
		}
		parts = append(parts, path+"="+text)
	}
	return strings.Join(parts, "\x00")
}

// TestSummaryIsRight recounts every number of a summary, by hour in a zone whose hours start at
// another minute than those of UTC, and by day in one that changes its clock.
func TestSummaryIsRight(t *testing.T) {
	entries := summarized(t)
	decoded := make([]*auditlogs.Entry, len(entries))
	for i, raw := range entries {
		decoded[i] = new(auditlogs.Entry)
		if err := json.Unmarshal(raw, decoded[i]); err != nil {
			t.Fatal(err)
		}
	}
	fields := summary.Fields()
	var by [][]string
	for _, path := range fields {
		by = append(by, []string{path})
	}
	by = append(by, []string{"action.type", "resource.product"}, []string{"actor.type", "actor.context", "raw.method", "resource.scope"})
	r := newRecount(t, entries)
	for i, bys := range slices.Collect(slices.Chunk(by, summary.MaxBy)) {
		options := summary.Options{Since: windowStart, Before: windowEnd, Top: summary.MaxTop, By: bys}
		zone := "Europe/Berlin"
		if i%2 == 1 {
			zone, options.Since = "Asia/Kolkata", windowEnd.Add(-48*time.Hour)
		}
		var err error
		if options.Location, err = time.LoadLocation(zone); err != nil {
			t.Fatal(err)
		}
		collector, err := summary.New(options)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range decoded {
			collector.Add(e)
		}
		text, err := json.Marshal(collector.Summary())
		if err != nil {
			t.Fatal(err)
		}
		var got summary.Summary
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		r.in = options.Location
		r.compare(got, options, i == 0)
		if t.Failed() {
			return
		}
	}
}

func (r *recount) compare(got summary.Summary, options summary.Options, all bool) {
	t := r.t
	same := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, and a recount says %v", what, got, want)
		}
	}
	var success, failure, untimed, outside, odd int64
	var first, last time.Time
	var week [7][24]int64
	periods := map[string][2]int64{}
	unit, layout := "day", time.DateOnly
	if options.Before.Sub(options.Since) <= 48*time.Hour {
		unit, layout = "hour", "2006-01-02T15Z07:00"
	}
	for i, raw := range r.raws {
		result := r.text(i, "action.result")
		switch result {
		case "success":
			success++
		case "failure":
			failure++
		}
		if at, ok := r.time(i); ok {
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
			local := at.In(r.in)
			week[(int(local.Weekday())+6)%7][local.Hour()]++
			if at.Before(options.Since) || !at.Before(options.Before) {
				outside++
			} else {
				p := periods[local.Format(layout)]
				p[0]++
				if result == "failure" {
					p[1]++
				}
				periods[local.Format(layout)] = p
			}
		} else {
			untimed++
		}
		if r.odd(raw) {
			odd++
		}
	}
	n := int64(len(r.raws))
	same("entries", got.Entries, n)
	same("success", got.Success, success)
	same("failure", got.Failure, failure)
	same("unknown", got.Unknown, n-success-failure)
	same("untimed", got.Untimed, untimed)
	same("outside", got.Outside, outside)
	same("malformed", got.Malformed, odd)
	same("first", got.First.UTC(), first.UTC())
	same("last", got.Last.UTC(), last.UTC())
	same("week", got.Week, week)
	same("unit", got.Timeline.Unit, unit)
	same("time zone", got.TimeZone, r.in)
	for i, p := range got.Timeline.Periods {
		at := p.Start.In(r.in)
		want := periods[at.Format(layout)]
		same("period "+at.Format(layout), [2]int64{p.Entries, p.Failed}, want)
		delete(periods, at.Format(layout))
		if i > 0 && !got.Timeline.Periods[i-1].Start.Before(p.Start) {
			t.Errorf("period %s is not after the one before it", p.Start)
		}
	}
	if len(periods) > 0 {
		t.Errorf("periods are missing: %v", periods)
	}
	if all {
		r.compareHints(got.Hints)
	}
	names := []string{"actors", "tokens", "addresses", "user agents", "actions", "action types", "products", "zones", "resources"}
	for _, paths := range options.By {
		names = append(names, strings.Join(paths, ","))
	}
	for i, g := range got.Groups {
		same("name of a group", g.Name, names[i])
		if all || i >= len(names)-len(options.By) {
			r.compareGroup(g, int(options.Top))
		}
	}
	same("groups", len(got.Groups), len(names))
}

// odd reports whether a field of an entry does not have its type.
func (r *recount) odd(raw json.RawMessage) bool {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		r.t.Fatal(err)
	}
	row, isObject := value.(map[string]any)
	if !isObject {
		return true
	}
	for path, kind := range r.paths {
		at := any(row)
		for name := range strings.SplitSeq(path, ".") {
			if at == nil {
				break
			}
			members, isObject := at.(map[string]any)
			if !isObject {
				return true
			}
			at = members[name]
		}
		text, isText := at.(string)
		number, isNumber := at.(json.Number)
		switch {
		case at == nil:
		case kind == "string" && !isText, kind == "integer" && !isNumber, kind == "time" && !isText:
			return true
		case kind == "integer":
			if _, err := strconv.Atoi(number.String()); err != nil {
				return true
			}
		case kind == "time":
			if _, err := time.Parse(time.RFC3339, text); err != nil {
				return true
			}
		}
	}
	return false
}

func (r *recount) compareGroup(g summary.Group, top int) {
	t := r.t
	needs := ""
	if g.Name == "resources" {
		needs = "resource.id"
	}
	values, absent := r.group(g.Fields, g.FirstOf, needs)
	n := int64(len(r.raws))
	others := n - absent
	if g.Absent != absent {
		t.Errorf("%s: %d absent, and a recount says %d", g.Name, g.Absent, absent)
	}
	if !g.AtLeast && (g.Distinct != int64(len(values)) || g.MayMiss != 0) || g.Distinct > int64(len(values)) {
		t.Errorf("%s: %d distinct (at least: %t), and a recount says %d", g.Name, g.Distinct, g.AtLeast, len(values))
	}
	text := 0
	for key := range values {
		text += len(key)
	}
	if len(values) <= 50_000 && text <= 4<<20 && g.AtLeast {
		t.Errorf("%s: %d values are not counted exactly", g.Name, len(values))
	}
	least := int64(0)
	for i, v := range g.Values {
		if i > 0 && v.Entries > g.Values[i-1].Entries {
			t.Errorf("%s: %q is not in order", g.Name, v.Text)
		}
		is := keyOf(v.Is)
		want := values[is]
		if want == nil {
			t.Errorf("%s: a recount does not know %q", g.Name, v.Text)
			continue
		}
		delete(values, is)
		others -= v.Entries
		least = v.Entries
		if share := math.Round(float64(v.Entries)/float64(n)*1e6) / 1e6; v.Share != share {
			t.Errorf("%s: %q has a share of %v, and a recount says %v", g.Name, v.Text, v.Share, share)
		}
		if v.AtMost != 0 {
			if !g.AtLeast || v.Entries > want.entries || v.AtMost < want.entries || v.Failed > want.failed || v.First.Before(want.first) || v.Last.After(want.last) {
				t.Errorf("%s: %q is %+v, and a recount says %+v", g.Name, v.Text, v, want)
			}
			continue
		}
		if v.Entries != want.entries || v.Failed != want.failed || !v.First.Equal(want.first) || !v.Last.Equal(want.last) {
			t.Errorf("%s: %q is %+v, and a recount says %+v", g.Name, v.Text, v, want)
		}
	}
	if g.Others != others {
		t.Errorf("%s: %d entries with others, and a recount says %d", g.Name, g.Others, others)
	}
	if len(values) > 0 && len(g.Values) < top && !g.AtLeast {
		t.Errorf("%s: %d values are missing", g.Name, len(values))
	}
	for key, left := range values {
		if left.entries > least+g.MayMiss {
			t.Errorf("%s: %q has %d entries and is missing", g.Name, key, left.entries)
		}
	}
}

var (
	weakRequest = regexp.MustCompile(`^\{"value":"(off|flexible|1\.0|1\.1|essentially_off)"\}$`)
	weakSetting = regexp.MustCompile(`/settings/(ssl|min_tls_version|always_use_https|automatic_https_rewrites|tls_1_3|opportunistic_encryption|waf|browser_check|security_level)$`)
	turnedOff   = regexp.MustCompile(`^[^\[]*"(enabled":false|paused":true)`)
)

// compareHints finds the entries of each rule anew, by the rules' words.
func (r *recount) compareHints(hints []summary.Hint) {
	patterns := map[string]*regexp.Regexp{}
	about := func(i int, words string) bool {
		if patterns[words] == nil {
			patterns[words] = regexp.MustCompile(`(?i)(^|[^a-z])(` + words + `)($|[^a-z])`)
		}
		path, _, _ := strings.Cut(r.text(i, "raw.uri"), "?")
		text := strings.Join([]string{r.text(i, "resource.product"), r.text(i, "resource.type"), path}, " ")
		return patterns[words].MatchString(text)
	}
	kind := func(i int) string { return r.text(i, "action.type") }
	failed := func(i int) bool { return r.text(i, "action.result") == "failure" }
	path := func(i int) string {
		path, _, _ := strings.Cut(r.text(i, "raw.uri"), "?")
		return strings.TrimSuffix(path, "/")
	}
	weak := func(i int) bool {
		if about(i, "dnssec") {
			return kind(i) == "delete" || kind(i) != "view" && kind(i) != "login" && strings.Contains(r.text(i, "resource.request"), `"disabled"`)
		}
		value := weakRequest.FindStringSubmatch(r.text(i, "resource.request"))
		return kind(i) == "update" && value != nil && weakSetting.MatchString(path(i))
	}
	actor := func(i int) string {
		return cmp.Or(r.text(i, "actor.email"), r.text(i, "actor.id"), r.text(i, "actor.type"))
	}
	// burst marks the entries of which so many came within ten minutes.
	burst := func(who func(i int) string, n int, counts func(i int) bool) map[int]bool {
		by := map[string][]int{}
		for i := range r.raws {
			if _, timed := r.time(i); timed && who(i) != "" && counts(i) {
				by[who(i)] = append(by[who(i)], i)
			}
		}
		found := map[int]bool{}
		for _, all := range by {
			for end := n; end <= len(all); end++ {
				first, last := r.times[all[end-n]], r.times[all[end-n]]
				for _, i := range all[end-n : end] {
					if r.times[i].Before(first) {
						first = r.times[i]
					}
					if r.times[i].After(last) {
						last = r.times[i]
					}
				}
				if last.Sub(first) <= 10*time.Minute {
					for _, i := range all[end-n : end] {
						found[i] = true
					}
				}
			}
		}
		return found
	}
	each := func(counts func(i int) bool) map[int]bool {
		found := map[int]bool{}
		for i := range r.raws {
			if !failed(i) && counts(i) {
				found[i] = true
			}
		}
		return found
	}
	want := map[string]map[int]bool{
		"token-created": each(func(i int) bool { return kind(i) == "create" && about(i, "tokens?") }),
		"token-rolled":  each(func(i int) bool { return kind(i) == "update" && about(i, "tokens?") }),
		"token-deleted": each(func(i int) bool { return kind(i) == "delete" && about(i, "tokens?") }),
		"members-changed": each(func(i int) bool {
			return slices.Contains([]string{"create", "update", "delete"}, kind(i)) && about(i, "members?|memberships?|roles?")
		}),
		"security-weakened": each(weak),
		"protection-removed": each(func(i int) bool {
			return about(i, "firewall|waf|rulesets?|access|logpush") && !about(i, "tokens?") && (kind(i) == "delete" ||
				kind(i) == "update" && turnedOff.MatchString(r.text(i, "resource.request")))
		}),
		"bulk-deletion":         burst(actor, 20, func(i int) bool { return kind(i) == "delete" && !failed(i) && !about(i, "cache") }),
		"sign-in-burst":         burst(actor, 10, func(i int) bool { return kind(i) == "login" }),
		"sign-in-burst-address": burst(func(i int) string { return r.text(i, "actor.ip_address") }, 10, func(i int) bool { return kind(i) == "login" }),
		"failure-burst":         burst(actor, 20, failed),
	}
	ids := map[string]int{}
	for i := range r.raws {
		ids[r.text(i, "id")] = i
	}
	for _, h := range hints {
		wanted := want[h.Rule]
		delete(want, h.Rule)
		var fails, inCases int64
		for i := range wanted {
			if failed(i) {
				fails++
			}
		}
		if h.Entries != int64(len(wanted)) || h.Failed != fails {
			r.t.Errorf("%s: %d entries, %d of them failed, and a recount says %d and %d", h.Rule, h.Entries, h.Failed, len(wanted), fails)
		}
		for _, c := range h.Cases {
			inCases += c.Entries
			if c.Entries != int64(len(c.Found))+c.More || len(c.Found) > 10 {
				r.t.Errorf("%s: %d entries of %s are not the %d found and %d more", h.Rule, c.Entries, c.Who, len(c.Found), c.More)
			}
			var own int64
			for i := range wanted {
				if who := actor(i); who == c.Who || h.Rule == "sign-in-burst-address" && r.text(i, "actor.ip_address") == c.Who {
					own++
				}
			}
			if own != c.Entries {
				r.t.Errorf("%s: %d entries of %s, and a recount says %d", h.Rule, c.Entries, c.Who, own)
			}
			for _, f := range c.Found {
				if i, known := ids[f.ID]; !known || !wanted[i] || f.Actor != actor(i) || f.Address != r.text(i, "actor.ip_address") {
					r.t.Errorf("%s: a recount does not find %+v", h.Rule, f)
				}
			}
		}
		if inCases+h.More != h.Entries {
			r.t.Errorf("%s: %d entries of actors and %d more are not %d", h.Rule, inCases, h.More, h.Entries)
		}
	}
	for rule, found := range want {
		if len(found) > 0 {
			r.t.Errorf("%s is missing: a recount finds %d entries", rule, len(found))
		}
	}
}

// TestNewIsRight recounts what is new in the second half of the window.
func TestNewIsRight(t *testing.T) {
	entries := summarized(t)
	middle := windowStart.Add(windowEnd.Sub(windowStart) / 2)
	comparer, err := summary.NewComparer(summary.NewsOptions{BaselineSince: windowStart, Since: middle, Before: windowEnd})
	if err != nil {
		t.Fatal(err)
	}
	r := newRecount(t, entries)
	kinds := map[string]func(i int) string{
		"actors": func(i int) string {
			return cmp.Or(r.text(i, "actor.email"), r.text(i, "actor.id"), r.text(i, "actor.type"))
		},
		"tokens":      func(i int) string { return withSlash(r.text(i, "actor.token_name"), r.text(i, "actor.token_id")) },
		"addresses":   func(i int) string { return r.text(i, "actor.ip_address") },
		"user agents": func(i int) string { return r.text(i, "raw.user_agent") },
		"actions and products": func(i int) string {
			return withSlash(r.text(i, "action.type"), r.text(i, "resource.product"))
		},
		"networks": func(i int) string {
			at, err := netip.ParseAddr(r.text(i, "actor.ip_address"))
			if err != nil {
				return ""
			}
			parts := strings.SplitN(at.StringExpanded(), ":", 5)
			if at.Is4() {
				return regexp.MustCompile(`\.\d+$`).ReplaceAllString(at.String(), ".0/24")
			}
			return netip.MustParseAddr(strings.Join(parts[:4], ":")+"::").String() + "/64"
		},
	}
	old, fresh := map[string]map[string]bool{}, map[string]map[string]int64{}
	for name := range kinds {
		old[name], fresh[name] = map[string]bool{}, map[string]int64{}
	}
	for i, raw := range entries {
		e := new(auditlogs.Entry)
		if err := json.Unmarshal(raw, e); err != nil {
			t.Fatal(err)
		}
		at, timed := r.time(i)
		if timed && at.Before(middle) {
			comparer.Baseline(e)
			for name, of := range kinds {
				old[name][of(i)] = true
			}
			continue
		}
		comparer.Add(e)
		for name, of := range kinds {
			if text := of(i); text != "" && !old[name][text] {
				fresh[name][text]++
			}
		}
	}
	found := 0
	for _, k := range comparer.News().Kinds {
		for _, v := range k.Values {
			found++
			text := v.Text
			if len(text) > 200 { // It is shown by its start.
				for whole := range fresh[k.Name] {
					if strings.HasPrefix(whole, text[:100]) {
						text = whole
					}
				}
			}
			if fresh[k.Name][text] != v.Entries {
				t.Errorf("%s: %q has %d entries, and a recount says %d", k.Name, v.Text, v.Entries, fresh[k.Name][text])
			}
			delete(fresh[k.Name], text)
		}
		delete(old[k.Name], "")
		if len(fresh[k.Name]) > 0 || k.More > 0 || k.AtLeast || k.Baseline != int64(len(old[k.Name])) {
			t.Errorf("%s: %d are missing, the baseline has %d, and a recount says %d", k.Name, len(fresh[k.Name]), k.Baseline, len(old[k.Name]))
		}
	}
	if found < 8 {
		t.Errorf("only %d values are new", found)
	}
}

func withSlash(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), " / ")
}
