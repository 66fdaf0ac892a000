package contract

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// secret looks like a token, and has nothing in common with any other text.
const secret = "Qx7vK2mW9zR4tB6nY1pL8sD3fG5hJ0cA_e-Uo"

// An output collects everything that a program could print.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	inner bytes.Buffer // what errors wrap, for programs that take them apart
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// print writes values in every way in which people print them.
func (o *output) print(values ...any) {
	for _, v := range values {
		fmt.Fprint(o, everyWay(v))
		if err, ok := v.(error); ok {
			o.unwrap(err)
		}
	}
}

func everyWay(v any) string {
	text := fmt.Sprintf("%v\n%+v\n%#v\n%s\n%q\n", v, v, v, v, v)
	if data, err := json.Marshal(v); err == nil {
		text += string(data) + "\n"
	}
	return text
}

// unwrap prints all that an error wraps: services that collect errors take them apart in just that
// way.
func (o *output) unwrap(err error) {
	var parts []error
	switch outer := err.(type) {
	case interface{ Unwrap() error }:
		parts = []error{outer.Unwrap()}
	case interface{ Unwrap() []error }:
		parts = outer.Unwrap()
	}
	for _, part := range parts {
		if part != nil {
			o.mu.Lock()
			o.inner.WriteString(everyWay(part))
			o.mu.Unlock()
			o.unwrap(part)
		}
	}
}

// check looks for the token in what was printed, and apart from that in what the errors wrap.
func (o *output) check(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() < 100 {
		t.Errorf("only %q was printed", &o.text)
	}
	findToken(t, o.text.String())
	t.Run("wrapped", func(t *testing.T) { findToken(t, o.inner.String()) })
}

// findToken looks for a good part of the token, as it is and in its usual disguises.
func findToken(t *testing.T, text string) {
	t.Helper()
	for _, disguise := range []string{
		secret[:12], secret[len(secret)-12:], base64.StdEncoding.EncodeToString([]byte(secret))[:20],
		fmt.Sprintf("%x", secret[:8]), strings.Trim(fmt.Sprint([]byte(secret[:8])), "[]"), //nolint:staticcheck // the bytes as numbers
	} {
		if at := strings.Index(text, disguise); at >= 0 {
			t.Errorf("the token is in %q", text[max(0, at-150):min(len(text), at+80)])
		}
	}
}

// observer prints what it is told. It is a function so that a client that is printed does not show
// the output again.
type observer func(values ...any)

func (o observer) Attempted(a auditlogs.Attempt) {
	o(a)
	if a.Err != nil {
		o(a.Err)
	}
}

func (o observer) Waiting(d time.Duration) { o(d) }

// spy makes a client that tells all it can tell, at debug level.
func spy(t *testing.T, out *output, base string, next http.RoundTripper, options ...auditlogs.Option) *auditlogs.Client {
	t.Helper()
	level := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	handler := slog.NewTextHandler(out, level)
	options = append([]auditlogs.Option{
		auditlogs.WithBaseURL(base), auditlogs.WithHTTPClient(&http.Client{Transport: next}), auditlogs.WithRate(0),
		auditlogs.WithRetry(2, 0, 0), auditlogs.WithLogger(slog.New(handler)), auditlogs.WithObserver(observer(out.print)),
	}, options...)
	client, err := auditlogs.New(secret, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// use lists, and prints everything that comes of it.
func use(t *testing.T, out *output, client *auditlogs.Client) error {
	t.Helper()
	var last error
	for page, err := range client.Account(account).Pages(t.Context(), window()) {
		if last = err; err != nil {
			out.print(err)
			log := slog.New(slog.NewJSONHandler(out, nil))
			log.Error("failed", "error", err)
			var incomplete *auditlogs.IncompleteError
			if errors.As(err, &incomplete) {
				out.print(incomplete.Position, *incomplete)
			}
			var answered *auditlogs.Error
			if errors.As(err, &answered) {
				out.print(*answered, answered.Details)
				log.Error("failed", "answer", answered)
			}
			break
		}
		out.print(page, *page, page.Next)
		for _, entry := range page.Entries {
			out.print(entry, *entry, entry.Position(), entry.Err())
		}
	}
	out.print(client, *client)
	return last
}

func TestTokenIsNotPrintedByFake(t *testing.T) {
	var out output
	history := auditlogstest.History{Entries: 5, Since: windowStart, Before: windowEnd}
	server := auditlogstest.NewServer(
		auditlogstest.WithT(t), auditlogstest.WithTokens(secret), auditlogstest.WithHistory(history))
	defer server.Close()
	client := spy(t, &out, server.URL, server.Client().Transport)
	if err := use(t, &out, client); err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{400, 401, 403, 404, 429, 500, 503} {
		server.FailNext(auditlogstest.Fault{Status: status}, auditlogstest.Fault{Status: status})
		if err := use(t, &out, client); err == nil {
			t.Errorf("status %d: no error", status)
		}
	}
	for _, fault := range []auditlogstest.Fault{
		{Drop: true}, {Cut: true, CutAt: 0.5}, {Raw: []byte("no HTTP")}, {Raw: []byte(secret)}, {Raw: []byte("HTTP/1.1 " + secret + "\r\n\r\n")}, {Body: "{"}, {Body: "<html>"},
	} {
		server.FailNext(fault, fault, fault, fault)
		if err := use(t, &out, client); err == nil {
			t.Errorf("fault %+v: no error", fault)
		}
	}
	requests := server.Requests()
	if len(requests) == 0 {
		t.Error("no requests were recorded")
	}
	out.print(requests, server.Stored(windowStart, windowEnd))
	for _, request := range requests {
		out.print(request, request.Header, request.URL)
	}
	out.check(t)
}

// TestTokenIsNotEchoed lets a service, or something in between, send the token back in every place
// that it can fill.
func TestTokenIsNotEchoed(t *testing.T) {
	const envelope = `{"success":false,"errors":[{"code":1,"message":%q}],"messages":[{"message":%[1]q}],"result":null}`
	header := "Bearer " + secret
	long := strings.Repeat("x", 300-len(secret)/2)
	many := strings.Repeat(`{"message":"`+secret+`"},`, 9)
	type reply struct {
		status int
		header map[string]string
		body   string
	}
	replies := map[string]reply{
		"redirect":                {302, map[string]string{"Location": "https://elsewhere.example/?token=" + secret}, ""},
		"redirect for good":       {308, map[string]string{"Location": "/" + secret}, ""},
		"redirect to nowhere":     {302, map[string]string{"Location": "http://[" + secret}, ""},
		"redirect with long path": {302, map[string]string{"Location": "http://[" + long + secret + secret}, ""},
		"content type":            {200, map[string]string{"Content-Type": secret + "/x"}, "{"},
		"content encoding":        {200, map[string]string{"Content-Encoding": secret}, "{}"},
		"retry after":             {429, map[string]string{"Retry-After": secret}, ""},
		"rate limit":              {200, map[string]string{"Ratelimit": secret + ";r=" + secret}, string(lastPage)},
		"ray":                     {200, map[string]string{"CF-Ray": secret}, string(lastPage)},
		"two rays":                {500, map[string]string{"CF-Ray": secret + secret}, "<html>" + secret},
		"token for JSON":          {200, nil, secret},
		"token after JSON":        {200, nil, `{"success":true}` + secret},
		"token as a field":        {200, nil, `{"` + secret + `":}`},
		"token as success":        {200, nil, `{"success":"` + secret + `"}`},
		"token as number":         {200, nil, `{"success":true,"result_info":{"cursor":-` + secret + `}}`},
		"token in an object":      {200, nil, `{"success":true,"result_info":{"cursor":{"` + secret + `":1}}}`},
		"no success":              {200, nil, fmt.Sprintf(envelope, header)},
		"escaped":                 {403, nil, fmt.Sprintf(envelope, "x") + " "},
		"escapes in the message":  {403, nil, `{"success":false,"errors":[{"message":"` + escaped(secret) + `"}]}`},
		"long message":            {403, nil, fmt.Sprintf(envelope, long+secret)},
		"many messages":           {403, nil, `{"success":false,"errors":[` + many + `{"message":"end"}]}`},
		"control characters":      {403, nil, fmt.Sprintf(envelope, "\x1b["+secret+"\u202e")},
		"content type, lower":     {200, map[string]string{"Content-Type": "text/" + strings.ToLower(secret)}, "x"},
		"cursor":                  {200, nil, `{"success":true,"result":[],"result_info":{"cursor":"` + header + `"}}`},
		"status of a history":     {200, nil, `{"success":true,"result":[],"result_info":{"history_status":"` + secret + `"}}`},
		"status of no history":    {404, nil, `{"success":false,"errors":[],"result_info":{"history_status":"` + secret + `"}}`},
		"plain text":              {502, map[string]string{"Content-Type": "text/plain"}, header},
	}
	for _, status := range []int{400, 401, 403, 404, 408, 418, 429, 500, 503, 599} {
		body := fmt.Sprintf(envelope, "cannot use "+header+" here")
		replies[fmt.Sprintf("status %d", status)] = reply{status, map[string]string{"CF-Ray": "ray " + secret}, body}
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			var out output
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != header {
					t.Errorf("the token came as %q", r.Header.Get("Authorization"))
				}
				w.Header().Set("Content-Type", "application/json")
				for name, value := range reply.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(reply.status)
				_, _ = w.Write([]byte(reply.body))
			}))
			defer server.Close()
			_ = use(t, &out, spy(t, &out, server.URL, http.DefaultTransport))
			out.check(t)
		})
	}
}

// TestTokenIsNotInFieldErrors has an entry with the token where its type is wrong: its bytes are
// its own, but not its error.
func TestTokenIsNotInFieldErrors(t *testing.T) {
	var e auditlogs.Entry
	_ = e.UnmarshalJSON([]byte(`{"action":{"time":"` + secret + `"},"raw":{"status_code":"` + secret + `"}}`))
	if e.Err() == nil {
		t.Error("no error")
	}
	var out output
	out.print(e.Err())
	out.check(t)
}

// escaped writes a text as JSON may: with every character as an escape.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

// TestTokenIsNotPrintedByTransport lets the transport fail with errors that hold the request.
func TestTokenIsNotPrintedByTransport(t *testing.T) {
	failures := map[string]func(r *http.Request) error{
		"header": func(r *http.Request) error { return fmt.Errorf("cannot send %v", r.Header) },
		"long": func(r *http.Request) error {
			return errors.New(strings.Repeat("x", 290-len(secret)/2) + r.Header.Get("Authorization"))
		},
		"quoted": func(r *http.Request) error { return fmt.Errorf("cannot send %q", r.Header) },
		"wrapped": func(r *http.Request) error {
			return &url.Error{Op: "Get", URL: "https://" + secret, Err: errors.New(r.Header.Get("Authorization"))}
		},
		"joined": func(r *http.Request) error {
			return errors.Join(context.DeadlineExceeded, errors.New(r.Header.Get("Authorization")))
		},
	}
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			var out output
			next := transport(func(r *http.Request) (*http.Response, error) { return nil, failure(r) })
			if err := use(t, &out, spy(t, &out, "https://api.example", next)); err == nil {
				t.Error("no error")
			}
			out.check(t)
		})
	}
}

// TestTokenIsNotPrintedByNew tries what can go wrong before the first request.
func TestTokenIsNotPrintedByNew(t *testing.T) {
	var out output
	for _, token := range []string{secret + "\n", " " + secret, "Bearer " + secret, `"` + secret + `"`, secret + "é"} {
		_, err := auditlogs.New(token)
		if err == nil && !strings.Contains(token, `"`) {
			t.Errorf("the token %q was taken", strings.ReplaceAll(token, secret, "…"))
		}
		out.print(err)
	}
	source := func(context.Context) (string, error) { return "", fmt.Errorf("cannot read the token") }
	_, err := auditlogs.New(secret, auditlogs.WithTokenSource(source))
	out.print(err)
	for _, base := range []string{"ftp://x", "https://user:" + secret + "@x", "://" + secret} {
		client, err := auditlogs.New(secret, auditlogs.WithBaseURL(base))
		if err == nil {
			t.Errorf("base URL was taken")
		}
		out.print(client, err)
	}
	rotated := auditlogs.WithTokenSource(func(context.Context) (string, error) { return secret + "\r\n", nil })
	client, err := auditlogs.New("", rotated, auditlogs.WithRetry(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := use(t, &out, client); err == nil {
		t.Error("a token with a line break was sent")
	}
	out.check(t)
}
