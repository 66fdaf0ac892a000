package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A record is an entry as the service keeps it.
type record struct {
	number  int
	key     time.Time     // what the service sorts by
	shown   time.Time     // what it shows as the entry's time
	untimed string        // shown in place of the time; empty for an entry with a time
	visible time.Duration // from when on the service shows the entry, since the scenario's start
}

func (r *record) id() string { return "e" + strconv.Itoa(r.number) }

func (r *record) appendJSON(b []byte) []byte {
	b = append(b, `{"id":"e`...)
	b = strconv.AppendInt(b, int64(r.number), 10)
	if r.untimed != "" {
		return append(append(append(b, `","action":{`...), r.untimed...), `}}`...)
	}
	b = append(b, `","action":{"time":"`...)
	b = r.shown.AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}}`...)
}

// An order says by what the service sorts.
type order string

const (
	byTime         order = "by time"
	toTheSecond    order = "only to the second"
	byHidden       order = "by a hidden time, which also filters"
	byHiddenShown  order = "by a hidden time, filtered by the shown one"
	tiesFixed            = "fixed ties"
	tiesPerListing       = "ties anew in each listing"
	tiesPerRequest       = "ties anew in each request"
)

// traits are how a service behaves.
type traits struct {
	sinceIncluded, beforeIncluded bool
	coarse                        time.Duration // bounds are truncated to this; 0 for not at all
	order                         order
	ties                          string
	offset                        bool // cursors count entries, instead of naming the last one
	pageCap                       int
	pace                          pace
	faults                        int    // percent of the requests
	fault                         string // what these meet; empty for any
	refuse                        []int  // these requests are answered with 403
}

// A pace says how long requests take.
type pace struct {
	shape string // "constant", "uniform"; and with a tenth of them ten times as long, "tailed" and "wild"
	mean  time.Duration
	stuck int // this request takes 50 seconds; 0 for none
}

func (p pace) of(random *rand.Rand, request int) time.Duration {
	switch {
	case p.stuck > 0 && request == p.stuck:
		return 50 * time.Second
	}
	takes := p.mean
	if p.shape == "uniform" || p.shape == "wild" {
		takes = p.mean/2 + time.Duration(random.Int64N(int64(p.mean)+1))
	}
	if (p.shape == "tailed" || p.shape == "wild") && random.IntN(10) == 0 {
		takes *= 10
	}
	return takes
}

// documented reports whether the service keeps the order that the API documents: by the time that
// it shows, with equal times in an order that stays the same through one listing.
func (t traits) documented() bool { return t.order == byTime && t.ties != tiesPerRequest }

func (t traits) String() string {
	brackets := map[bool]string{true: "included", false: "excluded"}
	text := fmt.Sprintf("since %s, before %s, bounds to %s, %s, %s, ", brackets[t.sinceIncluded], brackets[t.beforeIncluded], t.coarse, t.order, t.ties)
	if t.offset {
		text += "offset cursors, "
	}
	text += fmt.Sprintf("%d a page, requests %s %s", t.pageCap, t.pace.shape, t.pace.mean)
	if t.pace.stuck > 0 {
		text += fmt.Sprintf(" with request %d stuck", t.pace.stuck)
	}
	if t.faults > 0 {
		text += fmt.Sprintf(", %d %% faults", t.faults)
	}
	if len(t.refuse) > 0 {
		text += fmt.Sprintf(", 403 at request %d", t.refuse)
	}
	return text
}

// A service answers requests for entries. It is an http.RoundTripper.
type service struct {
	traits
	seed    uint64
	records []*record // sorted by primary
	started time.Time

	mu       sync.Mutex
	most     int                // requests; more than that are a reader that does not end
	requests int                // so far
	times    map[string]int     // how often each request was made
	orders   map[uint64][]int32 // records in a listing's order, by what ties are shuffled with
	shown    map[int]bool       // what whole answers have shown
}

// newService returns a service. It must be made in the bubble, at the start of the scenario.
func newService(t traits, seed uint64, records []*record) *service {
	s := &service{traits: t, seed: seed, records: slices.Clone(records), started: time.Now(), most: 2_500 + 20*len(records)/t.pageCap,
		times: map[string]int{}, orders: map[uint64][]int32{}, shown: map[int]bool{}}
	slices.SortStableFunc(s.records, func(a, b *record) int { return s.primary(a).Compare(s.primary(b)) })
	return s
}

// primary is the time that the service sorts by; records with the same one are ties.
func (s *service) primary(r *record) time.Time {
	if s.order == toTheSecond {
		return r.key.Truncate(time.Second)
	}
	return r.key
}

// contains reports whether a record belongs to a window, whose bounds are as the service takes
// them.
func (s *service) contains(r *record, since, before time.Time) bool {
	t := r.key
	if s.order == byHiddenShown && r.untimed == "" {
		t = r.shown
	}
	return (t.After(since) || s.sinceIncluded && t.Equal(since)) && (t.Before(before) || s.beforeIncluded && t.Equal(before))
}

func (s *service) bound(t time.Time) time.Time {
	if s.coarse > 0 {
		return t.Truncate(s.coarse)
	}
	return t
}

// RoundTrip answers a request after its time.
func (s *service) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	s.mu.Lock()
	s.requests++
	number := s.requests
	s.times[request.URL.RawQuery]++
	again := s.times[request.URL.RawQuery]
	s.mu.Unlock()
	// What befalls a request depends on what is asked and how often, and not on what else is under
	// way: so one seed gives one schedule, in whichever order goroutines of the same moment run.
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s %d", request.URL.RawQuery, again)
	random := rand.New(rand.NewPCG(s.seed, hash.Sum64()))
	takes := s.pace.of(random, number)
	fault := ""
	if s.faults > random.IntN(100) {
		fault = faults[random.IntN(len(faults))]
		if s.fault != "" {
			fault = s.fault
		}
	}
	before := time.Duration(random.Int64N(int64(takes) + 1))
	if err := sleep(request.Context(), before); err != nil {
		return nil, err
	}
	status, header, body, ids := s.answer(query, random, number)
	if err := sleep(request.Context(), takes-before); err != nil {
		return nil, err
	}
	var reader io.Reader = bytes.NewReader(body)
	switch {
	case status != 200:
	case fault == "connection":
		return nil, errors.New("connection reset")
	case fault == "503":
		status, reader = 503, strings.NewReader("<html>unavailable</html>")
	case fault == "429":
		status, reader = 429, strings.NewReader(`{"success":false,"errors":[{"message":"slow down"}],"result":null}`)
		header.Set("Retry-After", strconv.Itoa(1+random.IntN(20)))
	case fault == "cut":
		reader = io.MultiReader(bytes.NewReader(body[:random.IntN(len(body))]), cut{})
	default:
		s.mu.Lock()
		for _, id := range ids {
			s.shown[id] = true
		}
		s.mu.Unlock()
	}
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(reader), ContentLength: -1, Request: request,
	}, nil
}

// faults are what can befall a request.
var faults = []string{"503", "429", "cut", "connection"}

// cut is a body that ends too early.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer is what the service says to a request at this moment.
func (s *service) answer(query map[string][]string, random *rand.Rand, number int) (status int, header http.Header, body []byte, ids []int) {
	header = http.Header{"Content-Type": {"application/json"}}
	get := func(name string) string {
		if values := query[name]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	refuse := func(status int, message string) (int, http.Header, []byte, []int) {
		return status, header, fmt.Appendf(nil, `{"success":false,"errors":[{"message":%q}],"messages":[],"result":null}`, message), nil
	}
	if slices.Contains(s.refuse, number) {
		return refuse(403, "not now")
	}
	if number > s.most {
		return refuse(403, tooMany)
	}
	since, err1 := time.Parse(time.RFC3339, get("since"))
	before, err2 := time.Parse(time.RFC3339, get("before"))
	limit, err3 := strconv.Atoi(get("limit"))
	direction := get("direction")
	if err := errors.Join(err1, err2, err3); err != nil || limit < 1 || direction != "asc" && direction != "desc" {
		return refuse(400, "query not understood")
	}
	descends := direction == "desc"
	shuffle, at, ok := readCursor(get("cursor"))
	if !ok {
		return refuse(400, "cursor not understood")
	}
	switch {
	case s.ties == tiesFixed:
		shuffle = s.seed
	case at < 0 || s.ties == tiesPerRequest:
		shuffle = random.Uint64()
	}
	page, next := s.page(s.listing(shuffle), since, before, descends, min(limit, s.pageCap), at)
	body = append(make([]byte, 0, 100+80*len(page)), `{"success":true,"errors":[],"messages":[],"result":[`...)
	for i, r := range page {
		if i > 0 {
			body = append(body, ',')
		}
		body = r.appendJSON(body)
		ids = append(ids, r.number)
	}
	body = fmt.Appendf(body, `],"result_info":{"count":"%d"`, len(page))
	if next >= 0 {
		body = fmt.Appendf(body, `,"cursor":"%x-%d"`, shuffle, next)
	}
	return 200, header, append(body, "}}"...), ids
}

const tooMany = "too many requests for this scenario"

// readCursor returns what a cursor holds: how ties are ordered, and a place. The place is -1 where
// there is no cursor.
func readCursor(cursor string) (shuffle uint64, at int, ok bool) {
	if cursor == "" {
		return 0, -1, true
	}
	first, second, ok := strings.Cut(cursor, "-")
	if !ok {
		return 0, 0, false
	}
	shuffle, err1 := strconv.ParseUint(first, 16, 64)
	at, err2 := strconv.Atoi(second)
	return shuffle, at, err1 == nil && err2 == nil && at >= 0
}

// listing returns the records' indexes in an order: by the primary time, with ties shuffled.
func (s *service) listing(shuffle uint64) []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.orders[shuffle]; ok {
		return o
	}
	o := make([]int32, len(s.records))
	for i := range o {
		o[i] = int32(i)
	}
	random := rand.New(rand.NewPCG(shuffle, 1))
	for from := 0; from < len(o); {
		to := from + 1
		for to < len(o) && s.primary(s.records[to]).Equal(s.primary(s.records[from])) {
			to++
		}
		ties := o[from:to]
		random.Shuffle(len(ties), func(i, j int) { ties[i], ties[j] = ties[j], ties[i] })
		from = to
	}
	if s.ties != tiesPerRequest {
		s.orders[shuffle] = o
	}
	return o
}

// page returns the records of a page, and the place for the next one's cursor: -1 after the last.
func (s *service) page(listing []int32, since, before time.Time, descends bool, limit, at int) (page []*record, next int) {
	reach := map[order]time.Duration{byTime: 0, toTheSecond: time.Second, byHidden: 0, byHiddenShown: 2 * farthest}[s.order]
	since, before = s.bound(since), s.bound(before)
	// Outside of these no record can belong to the window.
	low := sort.Search(len(listing), func(i int) bool {
		return !s.primary(s.records[listing[i]]).Before(since.Add(-reach))
	})
	high := sort.Search(len(listing), func(i int) bool {
		return s.primary(s.records[listing[i]]).After(before.Add(reach))
	})
	step, first, end := 1, low, high
	if descends {
		step, first, end = -1, high-1, low-1
	}
	skip := 0
	switch {
	case at >= 0 && s.offset:
		skip = at
	case at >= 0:
		first = at + step // The cursor names the last record by its place among all, which no arrival changes.
		if descends {
			first = min(first, high-1)
		} else {
			first = max(first, low)
		}
	}
	now := time.Since(s.started)
	last, counted := -1, 0
	for i := first; (end-i)*step > 0; i += step {
		r := s.records[listing[i]]
		if r.visible > now || !s.contains(r, since, before) {
			continue
		}
		if counted++; counted <= skip {
			continue
		}
		if len(page) == limit {
			if s.offset {
				return page, skip + limit
			}
			return page, last
		}
		page = append(page, r)
		last = i
	}
	return page, -1
}

// farthest is how far a shown time is off the hidden one, at the most.
const farthest = 90 * time.Second
