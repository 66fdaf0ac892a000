package auditlogstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// A Fault is what goes wrong with one request. Its fields can be combined. The zero value changes
// nothing. The request is always recorded, and counts for the rate limit.
type Fault struct {
	// Status replaces the status of the answer, and its body with it: from 400 the error envelope,
	// from 500 an HTML page as the edge sends it, else nothing. 0 leaves the usual answer.
	Status int

	// Header is set in the answer, and replaces headers of the same names. A name without values
	// removes a header. nil changes nothing.
	Header http.Header

	// Body replaces the body, also that of the usual answer. It counts as HTML when it starts with
	// "<" and as JSON otherwise, unless Header says something else. Empty means the body that
	// belongs to Status.
	Body string

	// Delay is how long the answer, or the fault in its place, is delayed. 0 does not wait.
	Delay time.Duration

	// Drip is the pause between single bytes of the body. 0 sends the body at once.
	Drip time.Duration

	// Cut closes the connection after the part of the body that CutAt selects. The header promises
	// the full length, so that the client can notice. Without Cut the body is sent completely.
	Cut bool

	// CutAt is how much of the body is sent before it is cut, from 0 for nothing to 1 for
	// everything, counted in bytes as sent. It needs Cut.
	CutAt float64

	// Mangle changes the bytes of the body as sent, after compression. The promised length is that
	// of the result. nil changes nothing.
	Mangle func(body []byte) []byte

	// Raw is written to the connection in place of an HTTP answer; then the connection is closed.
	// nil sends the answer.
	Raw []byte

	// Drop closes the connection without a byte. Mind that Go's http.Transport repeats a GET by
	// itself when that happens to a connection that has carried a request before: then two requests
	// arrive, and the caller sees nothing.
	Drop bool
}

func (f *Fault) check() error {
	switch {
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("its Status %d is not between 200 and 599", f.Status)
	case f.Delay < 0 || f.Drip < 0:
		return errors.New("its Delay or Drip is negative")
	case !(f.CutAt >= 0 && f.CutAt <= 1):
		return fmt.Errorf("CutAt %v is not between 0 and 1", f.CutAt)
	case f.CutAt != 0 && !f.Cut:
		return errors.New("CutAt without Cut")
	case f.Drop && f.Raw != nil:
		return errors.New("its Drop and Raw exclude each other")
	}
	return nil
}

// change applies the part of the fault that replaces the answer.
func (f *Fault) change(a *answer) {
	if f.Status != 0 {
		a.header.Del("Retry-After")
		a.failDefault(f.Status)
	}
	if f.Body != "" {
		a.body = []byte(f.Body)
	}
	if bytes.HasPrefix(a.body, []byte("<")) {
		a.header.Set("Content-Type", "text/html; charset=UTF-8")
	}
}

// send sends the answer, or the fault in its place.
func (s *Server) send(w http.ResponseWriter, r *http.Request, v *visit) {
	fault, a := &v.fault, v.answer
	if fault.Drop || fault.Raw != nil {
		s.hangUp(w, fault.Raw)
		return
	}
	fault.change(a)
	if !s.config.withoutGzip && len(a.body) > 0 && acceptsGzip(r) {
		a.body = compress(a.body)
		a.header.Set("Content-Encoding", "gzip")
	}
	if fault.Mangle != nil {
		a.body = fault.Mangle(a.body)
	}
	hasBody := a.status != http.StatusNoContent && a.status != http.StatusNotModified
	if hasBody {
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	for name, values := range fault.Header {
		a.header[http.CanonicalHeaderKey(name)] = values
	}
	maps.Copy(w.Header(), a.header)

	s.mu.Lock()
	v.request.Status = a.status
	s.mu.Unlock()
	w.WriteHeader(a.status)
	if hasBody && r.Method != http.MethodHead {
		body := a.body
		if fault.Cut {
			body = body[:int(fault.CutAt*float64(len(body)))]
		}
		s.sendBody(r.Context(), w, body, fault.Drip)
	}
	if fault.Cut {
		_ = http.NewResponseController(w).Flush()
		s.hangUp(w, nil)
	}
}

func (s *Server) sendBody(ctx context.Context, w http.ResponseWriter, body []byte, drip time.Duration) {
	if drip == 0 {
		_, _ = w.Write(body)
		return
	}
	for i := range body {
		if i > 0 && !s.wait(ctx, drip) {
			return
		}
		if _, err := w.Write(body[i : i+1]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// hangUp closes the connection after the last bytes, without sending more than has been sent.
func (s *Server) hangUp(w http.ResponseWriter, last []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2 has no connection to hijack. Its server ends the stream instead.
		panic(http.ErrAbortHandler)
	}
	if len(last) > 0 {
		// The HTTP server no longer tracks this connection, so its Close does not reach it.
		stop := context.AfterFunc(s.ctx, func() { _ = conn.Close() })
		defer stop()
		_, _ = conn.Write(last)
	}
	_ = conn.Close()
}
