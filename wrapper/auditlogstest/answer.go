package auditlogstest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"cfaudit.example/wrapper/auditlogs"
)

// The codes of the error envelope.
const (
	codeBadRequest   = 400
	codeNotRouted    = 7003
	codeForbidden    = 10000
	codeUnauthorized = 10001
	codeRateLimited  = 971
)

// An answer is the response to the client. As an http.ResponseWriter it collects what the generated
// server and its router write, so that a fault can still change it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newAnswer makes the answer to the n-th request, with a Ray ID that is the same in every run.
func newAnswer(n uint64) *answer {
	ray := (n + 1) * 0x9e3779b97f4a7c15
	ray = (ray ^ ray>>30) * 0xbf58476d1ce4e5b9
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set("CF-Ray", fmt.Sprintf("%016x-AMS", ray^ray>>27))
	return &answer{status: http.StatusOK, header: header}
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }
func (a *answer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}

// page fills in a page. It is assembled by hand because entries must not change by a single byte. A
// page of a log has no status.
func (a *answer) page(entries []*entry, cursor string, cursorsAfter bool, status string) {
	size := 256
	for _, e := range entries {
		size += len(e.text) + 1
	}
	b := append(make([]byte, 0, size), `{"errors":[],"messages":[],"result":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.text...)
	}
	if status == "" {
		b = fmt.Appendf(b, `],"result_info":{"count":"%d"`, len(entries))
	} else {
		b = fmt.Appendf(b, `],"result_info":{"count":%d,"history_status":"%s"`, len(entries), status)
	}
	// A cursor needs no quoting: JSON escapes none of its characters.
	switch {
	case cursor == "":
	case cursorsAfter && status == "":
		b = fmt.Appendf(b, `,"cursors":{"after":"%s"}`, cursor)
	default:
		b = fmt.Appendf(b, `,"cursor":"%s"`, cursor)
	}
	a.body = append(b, `},"success":true}`...)
}

// list fills in an answer without pages.
func (a *answer) list(rows any) {
	text, _ := json.Marshal(rows)
	a.body = fmt.Appendf(nil, `{"errors":[],"messages":[],"result":%s,"success":true}`, text)
}

// noEntry is the service's answer to a history of an entry that does not exist.
func (a *answer) noEntry() {
	a.fail(http.StatusNotFound, http.StatusNotFound, "audit log entry not found")
	a.body = fmt.Appendf(a.body[:len(a.body)-1], `,"result_info":{"count":0,"history_status":"%s"}}`, auditlogs.HistoryUnavailable)
}

func (a *answer) fail(status, code int, messages ...string) {
	b := []byte(`{"success":false,"errors":[`)
	for i, message := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		quoted, _ := json.Marshal(message)
		b = fmt.Appendf(b, `{"code":%d,"message":%s}`, code, quoted)
	}
	a.status = status
	a.body = append(b, `],"messages":[],"result":null}`...)
}

// notRouted is the service's answer to an unknown path, or to a path with a malformed ID.
func notRouted(a *answer, r *http.Request) {
	message := "Could not route to " + r.URL.Path + ", perhaps your object identifier is invalid?"
	a.fail(http.StatusNotFound, codeNotRouted, message)
}

// failDefault fills in the answer of a fault with this status and without a body of its own.
func (a *answer) failDefault(status int) {
	a.status = status
	a.body = nil
	switch {
	case status >= 500:
		// Server errors mostly come from the edge in front of the server, which answers with HTML.
		a.body = fmt.Appendf(nil, "<!DOCTYPE html>\n<html>\n<head><title>%[1]d: %[2]s</title></head>\n"+
			"<body><h1>%[1]d %[2]s</h1><p>Ray ID: %[3]s</p></body>\n</html>\n",
			status, http.StatusText(status), a.header.Get("CF-Ray"))
	case status >= 400:
		code := status
		message := http.StatusText(status)
		switch status {
		case http.StatusUnauthorized:
			code = codeUnauthorized
		case http.StatusForbidden:
			code, message = codeForbidden, "Authentication error"
		case http.StatusNotFound:
			code = codeNotRouted
		case http.StatusTooManyRequests:
			code = codeRateLimited
		}
		a.fail(status, code, message)
	}
}

func bearerToken(header []string) (string, bool) {
	if len(header) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	return token, strings.EqualFold(scheme, "Bearer") && validToken(token)
}

func validToken(token string) bool { return token != "" && !strings.ContainsAny(token, " \t") }

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(parameters), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}

var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return w
}}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w := compressors.Get().(*gzip.Writer)
	w.Reset(&out)
	_, _ = w.Write(body)
	_ = w.Close()
	compressors.Put(w)
	return out.Bytes()
}
