package auditlogs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// A faultKind is something that can go wrong with a request.
type faultKind struct {
	name    string
	options []auditlogstest.Option
	// broken is what the network says instead of carrying the request; nil where the fault is the
	// server's.
	broken error
	// late is set where the first request cannot be struck; the second is, in its place.
	late bool
	// strike makes one fault of this kind. It is called anew for each request that it strikes.
	strike func() auditlogstest.Fault
	// fatal is what ends the listing at once; nil where another attempt helps.
	fatal error
}

func faultKinds() []faultKind {
	answer := func(status int, header ...string) func() auditlogstest.Fault {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return func() auditlogstest.Fault { return auditlogstest.Fault{Status: status, Header: h} }
	}
	body := func(text string) func() auditlogstest.Fault {
		return func() auditlogstest.Fault { return auditlogstest.Fault{Status: 200, Body: text} }
	}
	fault := func(f auditlogstest.Fault) func() auditlogstest.Fault {
		return func() auditlogstest.Fault { return f }
	}
	kinds := []faultKind{
		{name: "connection refused", broken: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}},
		{name: "connection reset", broken: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}},
		{name: "name not found", broken: nameNotFound, fatal: nameNotFound},
		{name: "name server silent", broken: &net.DNSError{Err: "i/o timeout", Name: "api.cloudflare.com", IsTimeout: true}},
		{name: "certificate not trusted", broken: untrusted, fatal: untrusted},
		{name: "connection dropped", strike: fault(auditlogstest.Fault{Drop: true})},
		{name: "no HTTP", strike: fault(auditlogstest.Fault{Raw: []byte("SSH-2.0-x\r\n")})},
		{name: "headers cut", strike: fault(auditlogstest.Fault{Raw: []byte("HTTP/1.1 200 OK\r\nContent-Le")})},
		{name: "answer too late", strike: fault(auditlogstest.Fault{Delay: time.Hour})},
		{name: "body drips", strike: fault(auditlogstest.Fault{Drip: time.Second})},
		{name: "408", strike: answer(408)},
		{name: "429", strike: answer(429)},
		{name: "429, wait 60 s", strike: answer(429, "Retry-After", "60")},
		{name: "429, budget empty", strike: answer(429, "Ratelimit", `"default";r=0;t=90`)},
		{name: "429, wait a day", strike: answer(429, "Retry-After", "86400"), fatal: auditlogs.ErrRateLimited},
		{name: "500", strike: answer(500)},
		{name: "502 from the edge", strike: fault(auditlogstest.Fault{Status: 502, Body: "<html>bad gateway</html>"})},
		{name: "503, wait until", strike: answer(503, "Retry-After", "Sat, 01 Jan 2000 00:05:00 GMT")},
		{name: "504", strike: answer(504)},
		{name: "520", strike: answer(520)},
		{name: "401", strike: answer(401), fatal: auditlogs.ErrUnauthorized},
		{name: "403", strike: answer(403), fatal: auditlogs.ErrForbidden},
		{name: "404", strike: answer(404), fatal: auditlogs.ErrNotFound},
		{name: "400", strike: answer(400), fatal: auditlogs.ErrInvalidQuery},
		{name: "redirect", strike: answer(302, "Location", "/elsewhere"), fatal: auditlogs.ErrRedirect},
		{name: "HTML under 200", strike: body("<html>maintenance</html>")},
		{name: "nothing under 200", strike: fault(auditlogstest.Fault{Mangle: func([]byte) []byte { return nil }})},
		{name: "JSON cut under 200", strike: body(`{"success":true,"result":[{"id":"x"}`)},
		{name: "success false", strike: body(`{"success":false,"errors":[{"message":"no"}],"result":[]}`)},
		{name: "success missing", strike: body(`{"result":[]}`)},
		{name: "another encoding", strike: fault(auditlogstest.Fault{Header: http.Header{"Content-Encoding": {"br"}}})},
		{name: "not gzip", strike: fault(auditlogstest.Fault{Mangle: func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) }})},
		{name: "cursor comes again", options: []auditlogstest.Option{auditlogstest.WithoutGzip()}, late: true, fatal: auditlogs.ErrCursorLoop,
			strike: fault(auditlogstest.Fault{Header: http.Header{loopHeader: {"yes"}}})},
	}
	for tenth := range 10 {
		at := float64(tenth) / 10
		cut := fault(auditlogstest.Fault{Cut: true, CutAt: at})
		kinds = append(kinds,
			faultKind{name: fmt.Sprintf("cut at %d/10", tenth), strike: cut},
			faultKind{name: fmt.Sprintf("cut at %d/10, plain", tenth), strike: cut, options: []auditlogstest.Option{auditlogstest.WithoutGzip()}},
			faultKind{name: fmt.Sprintf("gzip broken at %d/10", tenth), strike: fault(auditlogstest.Fault{Mangle: func(b []byte) []byte {
				b = bytes.Clone(b)
				b[int(at*float64(len(b)))] ^= 0x55
				return b
			}})},
		)
	}
	return kinds
}

// What does not pass while a listing waits.
var (
	nameNotFound = &net.DNSError{Err: "no such host", Name: "api.cloudflare.com", IsNotFound: true}
	untrusted    = &tls.CertificateVerificationError{Err: errors.New("certificate has expired")}
)

// loopHeader marks an answer whose cursor is to be the one that was just asked for.
const loopHeader = "Cursor-Again"

// breaking fails the requests that the faults strike, in order, as a network would.
func breaking(faults []auditlogstest.Fault, err error, next http.RoundTripper) doer {
	return func(r *http.Request) (*http.Response, error) {
		if len(faults) > 0 {
			struck := faults[0].Drop
			if faults = faults[1:]; struck {
				return nil, err
			}
		}
		return next.RoundTrip(r)
	}
}

// looping makes loops of answers that are marked.
func looping(next http.RoundTripper) doer {
	return func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil || response.Header.Get(loopHeader) == "" {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		cursor := fmt.Sprintf(`"cursor":%q,`, r.URL.Query().Get("cursor"))
		body = bytes.Replace(body, []byte(`"result_info":{`), []byte(`"result_info":{`+cursor), 1)
		if _, after, found := bytes.Cut(body, []byte(cursor)); found {
			// The cursor that was there before is renamed, since of two the last one counts.
			body = append(body[:len(body)-len(after)], bytes.Replace(after, []byte(`"cursor":`), []byte(`"former":`), 1)...)
		}
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return response, nil
	}
}

// A strike says which requests a fault hits.
type strike struct {
	name     string
	schedule func(fault func() auditlogstest.Fault) []auditlogstest.Fault
}

const (
	faultPages    = 6
	faultAttempts = 3
)

var strikes = []strike{
	{"first page", func(f func() auditlogstest.Fault) []auditlogstest.Fault { return hits(f, 0, 1) }},
	{"middle page", func(f func() auditlogstest.Fault) []auditlogstest.Fault { return hits(f, faultPages/2, 1) }},
	{"last page", func(f func() auditlogstest.Fault) []auditlogstest.Fault { return hits(f, faultPages-1, 1) }},
	{"every other", func(f func() auditlogstest.Fault) []auditlogstest.Fault {
		var faults []auditlogstest.Fault
		for range 2 * faultPages {
			faults = append(faults, auditlogstest.Fault{}, f())
		}
		return faults
	}},
	{"until it gives up", func(f func() auditlogstest.Fault) []auditlogstest.Fault { return hits(f, faultPages/2, faultAttempts) }},
}

// hits lets some requests pass, and then strikes some.
func hits(fault func() auditlogstest.Fault, pass, times int) []auditlogstest.Fault {
	faults := make([]auditlogstest.Fault, pass, pass+times)
	for range times {
		faults = append(faults, fault())
	}
	return faults
}

// A verdict is what came of one combination.
type verdict struct {
	expected, delivered, lost, twice int
	errors                           []error // that runs ended with; each was resumed
	requests                         int
	took                             time.Duration
	hung                             bool
}

func (v *verdict) String() string {
	end := "complete"
	if n := len(v.errors); n > 0 {
		end = fmt.Sprintf("error, complete after %d resumed: %s", n, kindOf(v.errors[0]))
	}
	if v.hung {
		end = "HUNG"
	}
	return end
}

// kindOf names an error by what errors.Is says of it.
func kindOf(err error) string {
	for _, kind := range []error{auditlogs.ErrUnauthorized, auditlogs.ErrForbidden, auditlogs.ErrNotFound, auditlogs.ErrRateLimited,
		auditlogs.ErrCursorLoop, auditlogs.ErrInvalidQuery, auditlogs.ErrRedirect, auditlogs.ErrMalformedResponse, auditlogs.ErrTimeout, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "request failed"
}

// suffer lists a history while faults strike, resumes as often as an error says where, and compares
// with the store.
func suffer(t *testing.T, kind faultKind, strike strike, direction string) *verdict {
	const entries = 10*faultPages - 3
	v := &verdict{expected: entries}
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, entries, kind.options...)
		defer s.Close()
		if kind.late && strike.name == "first page" {
			s.FailNext(auditlogstest.Fault{})
		}
		var network http.RoundTripper
		ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
		defer cancel()
		// Without kept connections, as http.Transport hides a dropped one by asking again itself.
		transport := s.Client().Transport.(*http.Transport).Clone()
		transport.DisableKeepAlives = true
		if kind.broken != nil {
			drop := func() auditlogstest.Fault { return auditlogstest.Fault{Drop: true} }
			network = breaking(strike.schedule(drop), kind.broken, transport)
		} else {
			s.FailNext(strike.schedule(kind.strike)...)
			network = looping(transport)
		}
		c := newClient(t, s, auditlogs.WithRetry(faultAttempts, time.Second, time.Minute), auditlogs.WithHTTPClient(&http.Client{Transport: network}))
		q := paged(10)
		q.Direction = &direction

		var got []string
		var from auditlogs.Position
		start := time.Now()
		for range 4 * faultPages {
			ids, err := collect(t, c.Account(account).Entries(ctx, q, auditlogs.From(from)))
			got = append(got, ids...)
			if err == nil {
				break
			}
			v.errors = append(v.errors, err)
			if ctx.Err() != nil {
				v.hung = true
				break
			}
			// As a program would that was started again: through text.
			from, err = auditlogs.ParsePosition(position(t, err).String())
			if err != nil {
				t.Fatal(err)
			}
		}
		v.took, v.requests, v.delivered = time.Since(start), len(s.Requests()), len(got)
		seen := map[string]int{}
		for _, id := range got {
			if seen[id]++; seen[id] > 1 {
				v.twice++
			}
		}
		want := counted(0, entries-1)
		if direction == "desc" {
			want = counted(entries-1, 0)
		}
		for _, id := range want {
			if seen[id] == 0 {
				v.lost++
			}
		}
		if v.lost == 0 && v.twice == 0 && strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s, %s, %s: out of order: %v", kind.name, strike.name, direction, got)
		}
	})
	return v
}

// TestFaults goes through every kind of fault, everywhere, in both directions. Whatever strikes,
// each entry is delivered exactly once, in the run that was struck or in those that resume it, and
// a run that did not see everything says so.
func TestFaults(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "%-22s %-18s %-5s %8s %9s %5s %5s %8s %9s  %s\n",
		"fault", "strikes", "order", "expected", "delivered", "lost", "twice", "requests", "took", "ended")
	var combinations, resumed, lost, twice, hung, silent int
	for _, kind := range faultKinds() {
		for _, strike := range strikes {
			for _, direction := range []string{"asc", "desc"} {
				v := suffer(t, kind, strike, direction)
				fmt.Fprintf(&table, "%-22s %-18s %-5s %8d %9d %5d %5d %8d %9s  %v\n", kind.name, strike.name, direction,
					v.expected, v.delivered, v.lost, v.twice, v.requests, v.took.Round(time.Second), v)
				combinations++
				lost += v.lost
				twice += v.twice
				if len(v.errors) > 0 {
					resumed++
				}
				if v.hung {
					hung++
				}
				if v.lost > 0 && len(v.errors) == 0 {
					silent++
				}
				mustEnd := kind.fatal != nil || strike.name == "until it gives up" && !strings.HasPrefix(kind.name, "gzip broken")
				switch {
				case v.lost > 0 || v.twice > 0 || v.hung:
					t.Errorf("%s, %s, %s: %d lost, %d twice, ended %v: %v", kind.name, strike.name, direction, v.lost, v.twice, v, v.errors)
				case mustEnd && len(v.errors) == 0:
					t.Errorf("%s, %s, %s: no error", kind.name, strike.name, direction)
				case kind.fatal == nil && strike.name != "until it gives up" && len(v.errors) > 0:
					t.Errorf("%s, %s, %s: not overcome: %v", kind.name, strike.name, direction, v.errors)
				case kind.fatal != nil && !errors.Is(v.errors[0], kind.fatal):
					t.Errorf("%s, %s, %s: ended with %v", kind.name, strike.name, direction, v.errors[0])
				}
			}
		}
	}
	fmt.Fprintf(&table, "\n%d combinations: %d lost, %d twice, %d hung, %d silent; %d overcome without the caller, %d by resuming\n",
		combinations, lost, twice, hung, silent, combinations-resumed, resumed)
	if os.Getenv("CFAUDIT_FAULT_TABLE") != "" {
		fmt.Print(table.String())
	}
	if combinations < 300 {
		t.Errorf("only %d combinations", combinations)
	}
}
