package contract

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// bubbleStart is where the clock of a synctest bubble starts. The fake places entries without a
// readable time there.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A plan is one history, one service, and everything that happens while the history is listed. It
// holds plain values only, so that it can be printed, and lived through again.
type plan struct {
	history []madeEntry

	descends     bool
	plain        bool // without gzip
	cursorsAfter bool
	unkept       bool // a new connection for each request
	largestPage  int
	emptyPages   int
	filters      planFilters
	attempts     int

	steps []planStep // one for each request, over all runs; later requests pass
	runs  []planRun  // later runs are whole
}

// planFilters are the values of the filters; an empty list does not filter.
type planFilters struct {
	emails, notEmails, types, notTypes []string
}

// A madeEntry is an entry of a plan.
type madeEntry struct {
	shape int // how its id looks
	at    int // seconds from bubbleStart
	timed string
	email string
	kind  string
}

// A planStep is what happens around one request.
type planStep struct {
	fault    string
	at       int // where in the body, in percent, for faults that ask for it
	arriving []madeEntry
}

// A planRun is one listing, from where the one before it ended.
type planRun struct {
	limit    int
	byPage   bool
	ahead    bool   // the next page is asked for while this one is looked at
	stop     string // "", "break" or "cancel"
	after    int    // so many entries, or pages where byPage is set
	deadline int    // seconds; 0 for none
}

// GoString is what rapid prints.
func (p plan) GoString() string { return p.String() }

func (p plan) String() string {
	var b strings.Builder
	options := []string{}
	for _, option := range []struct {
		on   bool
		name string
	}{
		{p.descends, "desc"}, {!p.descends, "asc"}, {p.plain, "no gzip"}, {p.cursorsAfter, "cursors.after"},
		{p.unkept, "new connections"}, {p.largestPage > 0, fmt.Sprintf("at most %d a page", p.largestPage)},
		{p.emptyPages > 0, fmt.Sprintf("an empty page before every %d.", p.emptyPages)},
	} {
		if option.on {
			options = append(options, option.name)
		}
	}
	fmt.Fprintf(&b, "\n  service: %s; %d attempts\n", strings.Join(options, ", "), p.attempts)
	if f := p.filters; len(f.emails)+len(f.notEmails)+len(f.types)+len(f.notTypes) > 0 {
		fmt.Fprintf(&b, "  filters: email %q not %q, type %q not %q\n", f.emails, f.notEmails, f.types, f.notTypes)
	}
	for i, e := range p.history {
		fmt.Fprintf(&b, "  entry %2d: %s\n", i, e.text(i))
	}
	arrived := len(p.history)
	for i, s := range p.steps {
		fmt.Fprintf(&b, "  request %2d: %s", i+1, s.fault)
		if strings.HasSuffix(s.fault, " at") {
			fmt.Fprintf(&b, " %d %%", s.at)
		}
		for _, e := range s.arriving {
			fmt.Fprintf(&b, "; before it arrives %s", e.text(arrived))
			arrived++
		}
		b.WriteString("\n")
	}
	for i, r := range p.runs {
		fmt.Fprintf(&b, "  run %d: limit %d", i+1, r.limit)
		if r.byPage {
			b.WriteString(", by the page")
		}
		if r.ahead {
			b.WriteString(", a page ahead")
		}
		if r.stop != "" {
			fmt.Fprintf(&b, ", %s after %d", r.stop, r.after)
		}
		if r.deadline > 0 {
			fmt.Fprintf(&b, ", deadline %d s", r.deadline)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// text is the entry's JSON. Its number makes it differ from all others, with or without an id.
func (e madeEntry) text(number int) string {
	ids := [...]string{
		fmt.Sprintf(`"id":"e%d",`, number), "", `"id":"",`, `"id":null,`, fmt.Sprintf(`"id":%d,`, number),
	}
	id := ids[e.shape]
	when := map[string]string{"": "", "null": `"time":null,`, "odd": `"time":"yesterday",`}[e.timed]
	if e.timed == "yes" {
		when = fmt.Sprintf(`"time":%q,`, bubbleStart.Add(time.Duration(e.at)*time.Second).Format(time.RFC3339))
	}
	actor := "{}"
	if e.email != "" {
		actor = fmt.Sprintf(`{"email":%q}`, e.email)
	}
	return fmt.Sprintf(`{%s"action":{%s"type":%q},"actor":%s,"n":%d}`, id, when, e.kind, actor, number)
}

// keeps says whether a listing with these filters has the entry. It reads the JSON by itself.
func (f planFilters) keeps(raw []byte) bool {
	var e struct {
		Action struct{ Type *string }
		Actor  struct{ Email *string }
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		panic(err)
	}
	in := func(value *string, values []string) bool { return value != nil && slices.Contains(values, *value) }
	return (len(f.emails) == 0 || in(e.Actor.Email, f.emails)) && !in(e.Actor.Email, f.notEmails) &&
		(len(f.types) == 0 || in(e.Action.Type, f.types)) && !in(e.Action.Type, f.notTypes)
}

const (
	wrongCursorHeader = "Wrong-Cursor"
	garbageCursor     = "no-cursor-at-all"
)

// planFaults are the faults of a schedule, by name. At is where in the body, from 0 to 1. Those
// that are not here, and cancel, are up to the transport.
var planFaults = map[string]func(at float64) auditlogstest.Fault{
	"pass":         func(float64) auditlogstest.Fault { return auditlogstest.Fault{} },
	"cut at":       func(at float64) auditlogstest.Fault { return auditlogstest.Fault{Cut: true, CutAt: min(at, 0.99)} },
	"shortened at": mangled(func(b []byte, at int) []byte { return b[:at] }),
	"gzip broken at": mangled(func(b []byte, at int) []byte {
		// Without gzip, nobody could notice.
		if b = bytes.Clone(b); bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
			b[at] ^= 0x55
		}
		return b
	}),
	"trailing rubbish": mangled(func(b []byte, _ int) []byte { return append(bytes.Clone(b), "}x"...) }),
	"drop":             func(float64) auditlogstest.Fault { return auditlogstest.Fault{Drop: true} },
	"no HTTP":          func(float64) auditlogstest.Fault { return auditlogstest.Fault{Raw: []byte("SSH-2.0-x\r\n")} },
	"headers cut": func(float64) auditlogstest.Fault {
		return auditlogstest.Fault{Raw: []byte("HTTP/1.1 200 OK\r\nContent-Le")}
	},
	"too late":        func(float64) auditlogstest.Fault { return auditlogstest.Fault{Delay: time.Hour} },
	"slow":            func(float64) auditlogstest.Fault { return auditlogstest.Fault{Delay: 41 * time.Second} },
	"drips":           func(float64) auditlogstest.Fault { return auditlogstest.Fault{Drip: 11 * time.Second} },
	"408":             status(408),
	"429":             status(429),
	"429 wait":        status(429, "Retry-After", "60"),
	"429 wait a day":  status(429, "Retry-After", "86400"),
	"429 no budget":   status(429, "Ratelimit", `"default";r=0;t=90`),
	"200 last budget": func(float64) auditlogstest.Fault { return auditlogstest.Fault{Header: ratelimit(0, 50)} },
	"500":             status(500),
	"502":             status(502),
	"503 wait":        status(503, "Retry-After", "30"),
	"520":             status(520),
	"400":             status(400),
	"401":             status(401),
	"403":             status(403),
	"404":             status(404),
	"204":             status(204),
	"redirect":        status(302, "Location", "/elsewhere"),
	"HTML under 200":  body("<html>maintenance</html>"),
	"cut under 200":   body(`{"success":true,"result":[{"id":"x"}`),
	"success false":   body(`{"success":false,"errors":[{"message":"no"}],"result":[]}`),
	"no success":      body(`{"result":[],"result_info":{}}`),
	"not an answer":   body(`[]`),
	"encoded as br": func(float64) auditlogstest.Fault {
		return auditlogstest.Fault{Header: http.Header{"Content-Encoding": {"br"}}}
	},
	"cursor again":   wrongCursor("again"),
	"cursor garbage": wrongCursor("garbage"),
	// Cancelled before the request, while it waits for the answer, and within the body.
	"cancel":           nil,
	"cancel in answer": func(float64) auditlogstest.Fault { return auditlogstest.Fault{Delay: 30 * time.Second} },
	"cancel in body":   func(float64) auditlogstest.Fault { return auditlogstest.Fault{Drip: 10 * time.Second} },
}

func mangled(change func(b []byte, at int) []byte) func(at float64) auditlogstest.Fault {
	return func(at float64) auditlogstest.Fault {
		return auditlogstest.Fault{Mangle: func(b []byte) []byte {
			if len(b) == 0 {
				return b
			}
			return change(b, min(int(at*float64(len(b))), len(b)-1))
		}}
	}
}

func status(code int, header ...string) func(float64) auditlogstest.Fault {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(float64) auditlogstest.Fault { return auditlogstest.Fault{Status: code, Header: h} }
}

func body(text string) func(float64) auditlogstest.Fault {
	return func(float64) auditlogstest.Fault { return auditlogstest.Fault{Status: 200, Body: text} }
}

func ratelimit(left, seconds int) http.Header {
	return http.Header{"Ratelimit": {fmt.Sprintf(`"default";r=%d;t=%d`, left, seconds)}}
}

func wrongCursor(how string) func(float64) auditlogstest.Fault {
	return func(float64) auditlogstest.Fault {
		return auditlogstest.Fault{Header: http.Header{wrongCursorHeader: {how}}}
	}
}

// faultNames puts what passes first, since that is what a schedule shrinks to.
func faultNames() []string {
	names := []string{}
	for name := range planFaults {
		if name != "pass" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return append([]string{"pass"}, names...)
}

// uniform draws an index without rapid's preference for small ones, and shrinks to 0.
func uniform(t *rapid.T, n int, label string) int {
	return int(rapid.Uint16().Draw(t, label)) % n
}

// joined draws lists and joins them, since rapid by itself makes short ones, and shortens these
// best.
func joined[T any](t *rapid.T, of *rapid.Generator[T], lists, most int, label string) (all []T) {
	for range 1 + uniform(t, lists, label+" lists") {
		all = append(all, rapid.SliceOfN(of, 0, most).Draw(t, label)...)
	}
	return all
}

var (
	planEmails = []string{"alice@example.com", "bob@example.com", "carol@example.com"}
	planTypes  = []string{"create", "delete", "update"}
)

// drawPlan makes plans.
func drawPlan(names []string) *rapid.Generator[plan] {
	entries := func(earliest, latest int, untimed bool) *rapid.Generator[madeEntry] {
		return rapid.Custom(func(t *rapid.T) madeEntry {
			e := madeEntry{
				timed: "yes",
				at:    rapid.IntRange(earliest, latest).Draw(t, "at"),
				email: append(planEmails, "")[rapid.IntRange(0, len(planEmails)).Draw(t, "email")],
				kind:  rapid.SampledFrom(planTypes).Draw(t, "kind"),
			}
			if rapid.IntRange(0, 3).Draw(t, "odd id") == 3 {
				e.shape = rapid.IntRange(0, 4).Draw(t, "shape")
			}
			if untimed && rapid.IntRange(0, 5).Draw(t, "odd time") == 5 {
				e.timed = rapid.SampledFrom([]string{"yes", "", "null", "odd"}).Draw(t, "timed")
			}
			return e
		})
	}
	values := func(of []string) *rapid.Generator[[]string] {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 2, rapid.ID[string])
	}
	return rapid.Custom(func(t *rapid.T) plan {
		flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
		p := plan{
			descends: flag("desc"), plain: flag("plain"), cursorsAfter: flag("after"),
			unkept:      flag("unkept"),
			largestPage: rapid.IntRange(0, 12).Draw(t, "largest page"),
			emptyPages:  rapid.IntRange(0, 4).Draw(t, "empty pages"),
			attempts:    rapid.IntRange(1, 3).Draw(t, "attempts"),
			history:     joined(t, entries(-20, 20, true), 6, 10, "history"),
		}
		if flag("filtered") {
			p.filters = planFilters{
				emails: values(planEmails).Draw(t, "emails"), notEmails: values(planEmails).Draw(t, "not emails"),
				types: values(planTypes).Draw(t, "types"), notTypes: values(planTypes).Draw(t, "not types"),
			}
		}
		late := rapid.OneOf(entries(3600, 3700, false), entries(-20, 20, true))
		arriving := rapid.SliceOfN(late, 0, 3)
		p.steps = joined(t, rapid.Custom(func(t *rapid.T) planStep {
			s := planStep{fault: "pass"}
			if rapid.Bool().Draw(t, "struck") {
				s.fault, s.at = names[uniform(t, len(names), "fault")], uniform(t, 101, "at")
			}
			s.arriving = arriving.Draw(t, "arriving")
			return s
		}), 4, 6, "steps")
		p.runs = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) planRun {
			r := planRun{limit: rapid.IntRange(1, 20).Draw(t, "limit"), byPage: rapid.Bool().Draw(t, "by page"), ahead: rapid.Bool().Draw(t, "ahead")}
			switch r.stop = []string{"", "break", "cancel"}[uniform(t, 3, "stop")]; {
			case r.stop != "":
				r.after = rapid.IntRange(1, 30).Draw(t, "after")
			case rapid.Bool().Draw(t, "has deadline"):
				r.deadline = []int{7, 67, 97}[uniform(t, 3, "deadline")]
			}
			return r
		}), 1, 5).Draw(t, "runs")
		return p
	})
}

// A planRig lives through one plan.
type planRig struct {
	plan   plan
	server *auditlogstest.Server
	next   http.RoundTripper
	client *auditlogs.Client
	query  auditlogs.Query

	want  [][]byte        // what was there at the start, in the order of the listing
	seen  int             // how many of these were delivered
	taken map[string]bool // what was delivered
	tally *planTally

	mu      sync.Mutex      // for what follows: a page may be asked for while the one before is looked at
	late    map[string]bool // the entries that arrived since the start
	asked   int             // requests
	arrived int             // entries
	cancel  context.CancelFunc
	struck  bool            // something went wrong, in this run
	spoilt  map[string]bool // the Ray IDs of the answers that had a cursor that leads nowhere
	givenUp bool            // a request was given up, and may have left what was to strike it to a later one
	misuses []string
	resumed bool // a run has started from a position
}

// A planTally counts what all plans together were about, since a property that meets nothing also
// holds.
type planTally struct {
	plans, runs, requests, entries, late int
	faults                               map[string]int
}

// Errorf makes the rig what the fake reports to.
func (r *planRig) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.misuses = append(r.misuses, fmt.Sprintf(format, args...))
}

// Helper belongs to Errorf.
func (r *planRig) Helper() {}

// live goes through a plan, and returns what is wrong.
func (p plan) live(tally *planTally) (err error) {
	r := &planRig{plan: p, late: map[string]bool{}, spoilt: map[string]bool{}, taken: map[string]bool{}, arrived: len(p.history), tally: tally}
	options := []auditlogstest.Option{auditlogstest.WithT(r)}
	if p.plain {
		options = append(options, auditlogstest.WithoutGzip())
	}
	if p.cursorsAfter {
		options = append(options, auditlogstest.WithCursorsAfter())
	}
	if p.largestPage > 0 {
		options = append(options, auditlogstest.WithMaxPageSize(p.largestPage))
	}
	if p.emptyPages > 0 {
		options = append(options, auditlogstest.WithEmptyPages(p.emptyPages))
	}
	r.server = auditlogstest.NewServer(options...)
	defer r.server.Close()
	for i, e := range p.history {
		r.server.Add(e.text(i))
	}

	since, before := bubbleStart.Add(-15*time.Second), bubbleStart.Add(2*time.Hour)
	for _, raw := range r.server.Stored(since, before) {
		if p.filters.keeps(raw) {
			r.want = append(r.want, raw)
		}
	}
	r.query = auditlogs.Query{
		Since: auditlogs.Time(since), Before: auditlogs.Time(before),
		ActorEmail: p.filters.emails, ActorEmailNot: p.filters.notEmails,
		ActionType: p.filters.types, ActionTypeNot: p.filters.notTypes,
	}
	if p.descends {
		slices.Reverse(r.want)
		r.query.Direction = new("desc")
	}

	kept := r.server.Client().Transport.(*http.Transport).Clone()
	kept.DisableKeepAlives = p.unkept
	defer kept.CloseIdleConnections()
	r.next = kept
	r.client, err = auditlogs.New(goodToken, auditlogs.WithBaseURL(r.server.URL), auditlogs.WithRate(0),
		auditlogs.WithHTTPClient(&http.Client{Transport: r}), auditlogs.WithRetry(p.attempts, 0, 0))
	if err != nil {
		return err
	}
	tally.plans++
	tally.entries += len(r.want)
	defer func() { tally.requests += r.asked }()

	place := ""
	for i := range len(p.steps) + len(p.runs) + 2 {
		run := planRun{limit: p.runs[len(p.runs)-1].limit}
		if i < len(p.runs) {
			run = p.runs[i]
		}
		tally.runs++
		next, done, err := r.list(run, place)
		switch {
		case err != nil:
			return fmt.Errorf("run %d: %w", i+1, err)
		case len(r.misuses) > 0:
			return fmt.Errorf("run %d: %s", i+1, strings.Join(r.misuses, "; "))
		case done && r.seen < len(r.want):
			return fmt.Errorf("run %d ended without an error, with %d of %d entries: the next is %s",
				i+1, r.seen, len(r.want), r.want[r.seen])
		case done:
			return nil
		}
		place = next
	}
	return fmt.Errorf("no run came to an end, with %d of %d entries", r.seen, len(r.want))
}

// list makes one run, and returns where the next one continues, or that the listing is done.
func (r *planRig) list(run planRun, from string) (place string, done bool, err error) {
	position, err := auditlogs.ParsePosition(from)
	if err != nil {
		return "", false, err
	}
	r.resumed = r.resumed || from != ""
	ctx, cancel := context.WithCancel(context.Background())
	if run.deadline > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(run.deadline)*time.Second)
	}
	defer cancel()
	r.cancel, r.struck = cancel, run.deadline > 0 || r.givenUp
	r.query.Limit = &run.limit
	place = from

	delivered := 0
	var end error
	for page, err := range r.pages(ctx, run, position) {
		switch {
		case end != nil:
			return "", false, fmt.Errorf("the iteration goes on after the error %w", end)
		case err != nil && page != nil:
			return "", false, fmt.Errorf("a value comes with the error %w", err)
		case err != nil:
			end = err
			continue
		}
		for _, entry := range page.Entries {
			if err := r.take(entry); err != nil {
				return "", false, err
			}
			place = entry.Position().String()
		}
		if run.byPage && !r.leadsNowhere(page) {
			if place = page.Next.String(); place == "" {
				done = true
			}
		}
		if delivered++; delivered == run.after {
			switch run.stop {
			case "break":
				return place, done, nil
			case "cancel":
				r.strike()
				cancel()
			}
		}
	}
	if end == nil {
		return "", true, nil
	}
	var incomplete *auditlogs.IncompleteError
	switch {
	case !errors.As(end, &incomplete):
		return "", false, fmt.Errorf("not an IncompleteError: %w", end)
	case !r.struck:
		return "", false, fmt.Errorf("an error although nothing went wrong: %w", end)
	}
	return incomplete.Position.String(), false, nil
}

// pages lists by the page. Where the run lists by the entry, each makes a page of its own.
func (r *planRig) pages(ctx context.Context, run planRun, from auditlogs.Position) iter.Seq2[*auditlogs.Page, error] {
	options := []auditlogs.ListOption{auditlogs.From(from), auditlogs.Prefetch(run.ahead)}
	if run.byPage {
		return r.client.Account(account).Pages(ctx, r.query, options...)
	}
	return func(yield func(*auditlogs.Page, error) bool) {
		for entry, err := range r.client.Account(account).Entries(ctx, r.query, options...) {
			var page *auditlogs.Page
			if entry != nil {
				page = &auditlogs.Page{Entries: []*auditlogs.Entry{entry}}
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// take checks that an entry is the next one. Those that arrived since the start may come or not,
// but once at most.
func (r *planRig) take(entry *auditlogs.Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw := string(entry.Raw)
	if r.taken[raw] {
		// After a stop nothing tells the last moment's entries, or those without a time, from what
		// has arrived among them.
		if r.resumed && (entry.Action.Time.IsZero() || len(r.late) > 0) {
			return nil
		}
		return fmt.Errorf("twice: %s", raw)
	}
	r.taken[raw] = true
	if r.late[raw] && r.plan.filters.keeps(entry.Raw) {
		r.tally.late++
		return nil
	}
	at := slices.IndexFunc(r.want, func(w []byte) bool { return string(w) == raw })
	switch {
	case at < 0:
		return fmt.Errorf("not asked for: %s", raw)
	case at != r.seen:
		return fmt.Errorf("%s comes before %s", raw, r.want[r.seen])
	}
	r.seen++
	return nil
}

// RoundTrip lets the next step happen, and then passes the request on.
func (r *planRig) RoundTrip(request *http.Request) (*http.Response, error) {
	r.happen()
	response, err := r.next.RoundTrip(request)
	if errors.Is(request.Context().Err(), context.Canceled) {
		r.mu.Lock()
		r.givenUp = true
		r.mu.Unlock()
	}
	if err != nil || response.Header.Get(wrongCursorHeader) == "" {
		return response, err
	}
	return r.spoil(response)
}

// happen lets the next step happen.
func (r *planRig) happen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	step := planStep{fault: "pass"}
	if r.asked < len(r.plan.steps) {
		step = r.plan.steps[r.asked]
		r.tally.faults[step.fault]++
	}
	r.asked++
	for _, e := range step.arriving {
		text := e.text(r.arrived)
		r.arrived++
		r.late[text] = true
		r.server.Add(text)
	}
	r.struck = r.struck || step.fault != "pass"
	if step.fault == "cancel" {
		r.cancel()
	} else {
		// One at a time, so that a request that never reaches the server leaves no fault for the
		// next.
		r.server.FailNext(planFaults[step.fault](float64(step.at) / 100))
		if strings.HasPrefix(step.fault, "cancel") {
			time.AfterFunc(15*time.Second, r.cancel)
		}
	}
}

// strike notes that something goes wrong in this run.
func (r *planRig) strike() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.struck = true
}

// leadsNowhere reports whether a page came with a cursor that leads nowhere.
func (r *planRig) leadsNowhere(page *auditlogs.Page) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spoilt[page.RayID]
}

// spoil puts another cursor into an answer.
func (r *planRig) spoil(response *http.Response) (*http.Response, error) {
	defer response.Body.Close()
	var text io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if text, err = gzip.NewReader(text); err != nil {
			return nil, err
		}
		response.Header.Del("Content-Encoding")
	}
	page, err := io.ReadAll(text)
	if err != nil {
		return nil, err
	}
	if i := bytes.LastIndex(page, []byte(`"result_info":`)); i >= 0 {
		cursor := response.Request.URL.Query().Get("cursor")
		if response.Header.Get(wrongCursorHeader) != "again" || cursor == "" {
			cursor = garbageCursor
			r.mu.Lock()
			r.spoilt[response.Header.Get("CF-Ray")] = true
			r.mu.Unlock()
		}
		info := `{"cursor":` + strconv.Quote(cursor) + `}}`
		if r.plan.cursorsAfter {
			info = `{"cursors":{"after":` + strconv.Quote(cursor) + `}}}`
		}
		page = append(page[:i], `"result_info":`+info...)
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(page)), int64(len(page))
	response.Header.Del("Content-Length")
	return response, nil
}

// TestSchedules draws histories, services and what malformed answers these can give, and resumes
// each listing through the text of its positions until it ends without an error. All runs of a plan
// together deliver what was there at the start, in order and each entry once, and nothing ends
// without an error before that.
//
// Each plan is lived through in a bubble, where nothing waits. Set the number of plans with
// -rapid.checks.
func TestSchedules(t *testing.T) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		checks := flag.Lookup("rapid.checks")
		before := checks.Value.String()
		_ = checks.Value.Set("300")
		defer func() { _ = checks.Value.Set(before) }()
	}
	names := faultNames()
	plans := drawPlan(names)
	tally := &planTally{faults: map[string]int{}}
	rapid.Check(t, func(r *rapid.T) {
		p := plans.Draw(r, "plan")
		var err error
		synctest.Test(t, func(*testing.T) {
			// A panic would end the process here, and nobody would see the plan.
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("panic: %v", v)
				}
			}()
			err = p.live(tally)
		})
		if err != nil {
			r.Fatal(err)
		}
	})
	missing := []string{}
	for _, name := range names {
		if tally.faults[name] == 0 {
			missing = append(missing, name)
		}
	}
	t.Logf("%d plans with %d entries: %d runs, %d requests, %d entries that arrived late; faults: %v",
		tally.plans, tally.entries, tally.runs, tally.requests, tally.late, tally.faults)
	if tally.plans >= 300 && len(missing) > 0 {
		t.Errorf("faults that struck nothing: %q", missing)
	}
}

// TestFoundSchedules lives through plans that once went wrong.
func TestFoundSchedules(t *testing.T) {
	for name, p := range map[string]plan{
		// The last entry before the place has no time, and what arrives directly before it lies
		// beyond the last time that was known.
		"arrival before a place without a time": {
			descends: true, attempts: 1,
			history: []madeEntry{
				{timed: "", kind: "create"}, {timed: "yes", at: 1, kind: "create"}, {timed: "yes", at: -1, kind: "create"},
			},
			steps: []planStep{{fault: "pass"}, {fault: "204", arriving: []madeEntry{{timed: "yes", at: 0, kind: "create"}}}},
			runs:  []planRun{{limit: 2}},
		},
		// As before, while the answer is looked at that the next request overtakes.
		"arrival while the page before is looked at": {
			descends: true, attempts: 1,
			history: []madeEntry{
				{timed: "", kind: "create"}, {timed: "yes", at: 1, kind: "create"}, {timed: "yes", at: -1, kind: "create"},
			},
			steps: []planStep{{fault: "pass"}, {fault: "204", arriving: []madeEntry{{timed: "yes", at: 0, kind: "create"}}}},
			runs:  []planRun{{limit: 2, ahead: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := p.live(&planTally{faults: map[string]int{}}); err != nil {
					t.Errorf("%s%v", p, err)
				}
			})
		})
	}
}
