//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// The window of the history: whole days, since the SDK knows no others.
var (
	since  = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)
	before = time.Date(2024, 10, 31, 0, 0, 0, 0, time.UTC)
)

// A service is what the clients list from: the fake, whose answers are made once and then kept, so
// that making them takes no time from the clients.
type service struct {
	fake      *auditlogstest.Server
	ownFake   *auditlogstest.Server // with the cursor where the service has it
	http      *httptest.Server
	gzip      bool
	ownCursor bool

	mu      sync.Mutex
	answers map[string]*httptest.ResponseRecorder
	asked   []string
}

func newService(entries, size int, gzip bool) *service {
	history := auditlogstest.WithHistory(auditlogstest.History{Entries: entries, Since: since, Before: before, EntryBytes: size})
	s := &service{gzip: gzip, answers: map[string]*httptest.ResponseRecorder{},
		fake: auditlogstest.NewServer(history, auditlogstest.WithCursorsAfter()), ownFake: auditlogstest.NewServer(history)}
	s.http = httptest.NewServer(s)
	return s
}

func (s *service) close() {
	s.http.Close()
	s.fake.Close()
	s.ownFake.Close()
}

// ServeHTTP answers as before where the same was asked before.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gzip {
		r.Header.Del("Accept-Encoding")
	}
	s.asked = append(s.asked, r.URL.RawQuery)
	key := fmt.Sprint(r.URL, r.Header["Accept-Encoding"], s.ownCursor)
	answer := s.answers[key]
	if answer == nil {
		answer = httptest.NewRecorder()
		fake := s.fake
		if s.ownCursor {
			fake = s.ownFake
		}
		fake.ServeHTTP(answer, r)
		s.answers[key] = answer
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// lastWindow is the window of the last request.
func (s *service) lastWindow() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var window []string
	for part := range strings.SplitSeq(s.asked[len(s.asked)-1], "&") {
		if strings.HasPrefix(part, "since=") || strings.HasPrefix(part, "before=") {
			window = append(window, part)
		}
	}
	return strings.Join(window, "&")
}

// run lets a client list everything, in a process of its own.
func (s *service) run(name string) (f figures) {
	own, err := os.Executable()
	if err != nil {
		fatal("%v", err)
	}
	cmd := exec.Command(own, s.http.URL+"/client/v4")
	cmd.Env = append(os.Environ(), asClient+"="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		fatal("%s: %v", name, err)
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&f); err != nil {
		fatal("%s: %q: %v", name, out, err)
	}
	return f
}
