package auditlogstest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// transports are the ways to a server. Every connection is new, because a transport repeats what
// fails on an old one.
var transports = map[string]func(*testing.T, *auditlogstest.Server) *http.Client{
	"memory": func(_ *testing.T, s *auditlogstest.Server) *http.Client {
		c := s.Client()
		c.Transport = c.Transport.(*http.Transport).Clone()
		c.Transport.(*http.Transport).DisableKeepAlives = true
		return c
	},
	"loopback": func(*testing.T, *auditlogstest.Server) *http.Client {
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	},
	"mounted": func(t *testing.T, s *auditlogstest.Server) *http.Client {
		outer := httptest.NewServer(s)
		t.Cleanup(outer.Close)
		s.URL = outer.URL + "/client/v4"
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	},
}

func TestFaults(t *testing.T) {
	const body = `{"errors":[],"messages":[],"result":[],"result_info":{"count":"0"},"success":true}`
	mangle := func(b []byte) []byte { return append([]byte("x"), b...) }
	for _, test := range []struct {
		name   string
		fault  auditlogstest.Fault
		status int    // 0: there is no answer
		body   string // as far as it arrives
		broken bool   // the body ends too early
		header string // "Name: value" that the answer has
	}{
		{name: "none", status: 200, body: body, header: "Content-Type: application/json"},
		{name: "client error", fault: auditlogstest.Fault{Status: 403}, status: 403,
			header: "Content-Type: application/json",
			body:   `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[],"result":null}`},
		{name: "edge error", fault: auditlogstest.Fault{Status: 502}, status: 502, body: "<!DOCTYPE html>…",
			header: "Content-Type: text/html; charset=UTF-8"},
		{name: "redirect", fault: auditlogstest.Fault{Status: 307, Header: http.Header{"location": {"/x"}}}, status: 307,
			header: "Location: /x"},
		{name: "no content", fault: auditlogstest.Fault{Status: 204}, status: 204},
		{name: "status, header and body", status: 429, body: "{}", header: "Retry-After: 7",
			fault: auditlogstest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: "{}"}},
		{name: "header taken away", fault: auditlogstest.Fault{Header: http.Header{"CF-Ray": nil}}, status: 200,
			body:   body,
			header: "Cf-Ray: "},
		{name: "body alone", fault: auditlogstest.Fault{Body: "<p>"}, status: 200, body: "<p>",
			header: "Content-Type: text/html; charset=UTF-8"},
		{name: "cut in half", fault: auditlogstest.Fault{Cut: true, CutAt: 0.5}, status: 200,
			body: body[:len(body)/2], broken: true},
		{name: "cut at once", fault: auditlogstest.Fault{Cut: true}, status: 200, broken: true},
		{name: "cut at the end", fault: auditlogstest.Fault{Cut: true, CutAt: 1}, status: 200, body: body},
		{name: "cut and dripping", fault: auditlogstest.Fault{Cut: true, CutAt: 0.1, Drip: 1}, status: 200,
			body: body[:8], broken: true},
		{name: "cut error", fault: auditlogstest.Fault{Status: 400, Body: "0123456789", Cut: true, CutAt: 0.3},
			status: 400, body: "012", broken: true},
		{name: "dripping", fault: auditlogstest.Fault{Drip: time.Microsecond}, status: 200, body: body},
		{name: "mangled", fault: auditlogstest.Fault{Mangle: mangle}, status: 200, body: "x" + body},
		{name: "mangled to nothing", fault: auditlogstest.Fault{Mangle: func([]byte) []byte { return nil }}, status: 200},
		{name: "raw nonsense", fault: auditlogstest.Fault{Raw: []byte("nonsense\r\n\r\n")}},
		{name: "raw answer", fault: auditlogstest.Fault{Raw: []byte("HTTP/1.1 299 Odd\r\nX-Odd: 1\r\n\r\nabc")},
			status: 299, body: "abc",
			header: "X-Odd: 1"},
		{name: "raw nothing", fault: auditlogstest.Fault{Raw: []byte{}}},
		{name: "dropped", fault: auditlogstest.Fault{Drop: true}},
		{name: "dropped later", fault: auditlogstest.Fault{Drop: true, Delay: time.Millisecond}},
	} {
		for way, client := range transports {
			t.Run(test.name+"/"+way, func(t *testing.T) {
				s := newServer(t, auditlogstest.WithoutGzip())
				c := client(t, s)
				c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				s.FailNext(test.fault)
				response, err := c.Do(newRequest(t, s, window().Encode()))
				if (err != nil) != (test.status == 0) {
					t.Fatalf("%v %v", response, err)
				}
				if err == nil {
					defer response.Body.Close()
					got, err := io.ReadAll(response.Body)
					if start, ok := strings.CutSuffix(test.body, "…"); response.StatusCode != test.status ||
						(ok && !bytes.HasPrefix(got, []byte(start))) || (!ok && string(got) != test.body) {
						t.Errorf("%d %s", response.StatusCode, got)
					}
					if errors.Is(err, io.ErrUnexpectedEOF) != test.broken || (err != nil) != test.broken {
						t.Errorf("the body ended with %v", err)
					}
					if name, value, ok := strings.Cut(test.header, ": "); ok && response.Header.Get(name) != value {
						t.Errorf("%s: %s", name, response.Header.Get(name))
					}
				}
				if after := do(t, c, newRequest(t, s, window().Encode())); after.text != body {
					t.Errorf("the next request got %s", after.text)
				}
				if n := len(s.Requests()); n != 2 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

func TestFaultsQueueUp(t *testing.T) {
	s := newServer(t)
	s.FailNext(auditlogstest.Fault{Status: 500}, auditlogstest.Fault{})
	s.FailNext(auditlogstest.Fault{Status: 429})
	var got []int
	for range 4 {
		got = append(got, get(t, s, window()).status)
	}
	if want := []int{500, 200, 429, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWrongFaultsPanic(t *testing.T) {
	s := newServer(t)
	for _, f := range []auditlogstest.Fault{
		{Status: 99}, {Status: 100}, {Status: 600}, {Delay: -1}, {Drip: -1}, {Cut: true, CutAt: 1.1}, {Cut: true,
			CutAt: math.NaN()},
		{CutAt: 0.5}, {Drop: true, Raw: []byte{}},
	} {
		if got := panics(func() { s.FailNext(auditlogstest.Fault{}, f) }); !strings.Contains(got, "fault 1") {
			t.Errorf("%+v: %q", f, got)
		}
	}
	if got := get(t, s, window()).status; got != 200 {
		t.Error("a refused fault was queued")
	}
}

func TestGzip(t *testing.T) {
	for _, test := range []struct {
		accept string
		opts   []auditlogstest.Option
		want   bool
	}{
		{"", nil, false}, {"gzip", nil, true}, {"br, GZIP;q=0.5", nil, true}, {"gzip;q=0", nil, false}, {"br", nil,
			false},
		{"gzip", opts(auditlogstest.WithoutGzip()), false},
	} {
		s := newServer(t, test.opts...)
		r := newRequest(t, s, window().Encode())
		r.Header["Accept-Encoding"] = nil
		if test.accept != "" {
			r.Header.Set("Accept-Encoding", test.accept)
		}
		response, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if got := bytes.HasPrefix(body, []byte{0x1f, 0x8b}); err != nil || got != test.want ||
			(response.Header.Get("Content-Encoding") == "gzip") != test.want {
			t.Errorf("%q: %v %v", test.accept, err, response.Header)
		}
	}
	// A broken stream breaks the client's own inflating.
	s := newServer(t)
	s.FailNext(auditlogstest.Fault{Mangle: func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b }})
	response, err := s.Client().Do(newRequest(t, s, window().Encode()))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err == nil || !response.Uncompressed {
		t.Errorf("a mangled stream inflated, or came without gzip: %v", err)
	}
}

func TestVirtualTime(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		s := auditlogstest.NewServer(auditlogstest.WithLatency(time.Second))
		defer s.Close()
		if s.URL != "http://127.0.0.1/client/v4" {
			t.Errorf("URL is %s", s.URL)
		}
		start := time.Now()
		s.FailNext(auditlogstest.Fault{Delay: time.Hour}, auditlogstest.Fault{Body: "abc", Drip: time.Minute})
		get(t, s, window())
		if took := time.Since(start); took != time.Hour+time.Second {
			t.Errorf("a delay of an hour took %v", took)
		}
		start = time.Now()
		r := newRequest(t, s, window().Encode())
		r.Header.Set("Accept-Encoding", "identity")
		response, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(response.Body)
		response.Body.Close()
		if took := time.Since(start); took != 2*time.Minute+time.Second {
			t.Errorf("three bytes took %v", took)
		}
		// A client that gives up ends the wait.
		s.FailNext(auditlogstest.Fault{Delay: time.Hour})
		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = s.Client().Do(newRequest(t, s, "").WithContext(ctx))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("virtual hours took %v", took)
	}
}

func TestCloseEndsEveryWait(t *testing.T) {
	for name, fault := range map[string]auditlogstest.Fault{
		"delay": {Delay: time.Hour}, "drip": {Drip: time.Hour}, "delayed drop": {Delay: time.Hour, Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := auditlogstest.NewServer()
				s.FailNext(fault)
				start := time.Now()
				go func() {
					time.Sleep(time.Minute)
					s.Close()
					s.Close()
				}()
				response, err := s.Client().Do(newRequest(t, s, window().Encode()))
				if err == nil {
					_, err = io.ReadAll(response.Body)
					response.Body.Close()
				}
				if err == nil || time.Since(start) != time.Minute {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				if _, err := s.Client().Do(newRequest(t, s, "")); err == nil {
					t.Error("a closed server answers")
				}
			})
		})
	}
}

// The outer server knows nothing of the fake's end, so that the fake has to end the wait by itself.
func TestCloseEndsWaitsOfAMountedServer(t *testing.T) {
	s := newServer(t)
	client := transports["mounted"](t, s)
	for _, fault := range []auditlogstest.Fault{{Delay: time.Hour}, {}} {
		s.FailNext(fault)
		time.AfterFunc(50*time.Millisecond, s.Close)
		client.Timeout = 20 * time.Second
		began := time.Now()
		if _, err := client.Do(newRequest(t, s, window().Encode())); err == nil || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		s := auditlogstest.NewServer()
		s.FailNext(auditlogstest.Fault{})
		get(t, s, window())
		loopback := &http.Transport{}
		do(t, &http.Client{Transport: loopback}, newRequest(t, s, "colour=red"))
		loopback.CloseIdleConnections()
		s.Close()
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines before, now:\n%s", before, stacks[:runtime.Stack(stacks, true)])
}

func TestAnyAddressLeadsHere(t *testing.T) {
	s := newServer(t)
	s.Add(at("1", "12:00:00"))
	for _, base := range []string{"https://api.cloudflare.com/client/v4", "http://[::1]:9/client/v4"} {
		r := newRequest(t, s, window().Encode())
		r.URL.Scheme, _, _ = strings.Cut(base, ":")
		r.URL.Host = strings.Split(base, "/")[2]
		if got := do(t, s.Client(), r).ids(); got != "1" {
			t.Errorf("%s: %s", base, got)
		}
	}
}
