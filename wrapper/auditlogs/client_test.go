package auditlogs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestWrongOptions(t *testing.T) {
	for _, test := range []struct {
		token  string
		option auditlogs.Option
		says   string
	}{
		{"", nil, "CLOUDFLARE_API_TOKEN"},
		{token + "\n", nil, "line breaks"},
		{"two words", nil, "spaces"},
		{"tok\x00en", nil, "characters"},
		{"töken", nil, "characters"},
		{token, auditlogs.WithBaseURL("api.cloudflare.com"), "https://"},
		{token, auditlogs.WithBaseURL("ftp://api.cloudflare.com"), "https://"},
		{token, auditlogs.WithBaseURL("https://"), "https://"},
		{token, auditlogs.WithBaseURL("https://user:pass@api.cloudflare.com"), "a user"},
		{token, auditlogs.WithBaseURL("https://api.cloudflare.com?x=1"), "query"},
		{token, auditlogs.WithBaseURL("https://api.cloudflare.com/client/v4?/"), "query"},
		{token, auditlogs.WithBaseURL("https://api.cloudflare.com/client/v4#/"), "fragment"},
		{token, auditlogs.WithBaseURL("http://api.cloudflare.com/client/v4"), "WithInsecureHTTP"},
		{token, auditlogs.WithBaseURL("http://127.0.0.1.example.com"), "WithInsecureHTTP"},
		{token, auditlogs.WithBaseURL("http://%zz"), "absolute URL"},
		{token, auditlogs.WithHTTPClient(nil), "nil"},
		{token, auditlogs.WithTokenSource(nil), "nil"},
		{token, auditlogs.WithTokenSource(func(context.Context) (string, error) { return "", nil }), "one of them"},
		{token, auditlogs.WithTimeout(0), "30s"},
		{token, auditlogs.WithRetry(0, 0, 0), "at least 1"},
		{token, auditlogs.WithRetry(1, time.Second, 0), "1s"},
		{token, auditlogs.WithRetry(1, -1, 0), "back-off"},
		{token, auditlogs.WithMaxWait(-1), "10m"},
		{token, auditlogs.WithRate(-1), "3.5"},
		{token, auditlogs.WithRate(1e-12), "3.5"},
		{token, auditlogs.WithLimits(auditlogs.Limits{Depth: 10_000}), "9990"},
		{token, auditlogs.WithBaseURL(token), "absolute URL"},
		{token, auditlogs.WithBaseURL("ftp://host/?token=" + token), "absolute URL"},
		{token, auditlogs.WithLogger(nil), "nil"},
		{token, auditlogs.WithObserver(nil), "nil"},
		{token, auditlogs.WithUserAgent("a\r\nX-Evil: 1"), "control"},
		{token, auditlogs.WithLimits(auditlogs.Limits{Depth: -1}), "Limits.Depth"},
	} {
		options := []auditlogs.Option{}
		if test.option != nil {
			options = append(options, test.option)
		}
		c, err := auditlogs.New(test.token, options...)
		if c != nil || err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q is not in %v", test.says, err)
			continue
		}
		if strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "pass") || strings.Contains(err.Error(), "two words") {
			t.Errorf("%v shows a secret", err)
		}
	}
	for _, base := range []string{"http://localhost:8790/client/v4/", "http://[::1]/client/v4", "http://127.8.8.8/", "https://proxy.example.com/cf"} {
		if _, err := auditlogs.New(token, auditlogs.WithBaseURL(base)); err != nil {
			t.Error(err)
		}
	}
	if _, err := auditlogs.New(token, auditlogs.WithBaseURL("http://proxy.internal"), auditlogs.WithInsecureHTTP()); err != nil {
		t.Error(err)
	}
}

func TestEmptyBaseURLIsTheDefault(t *testing.T) {
	var asked string
	client, err := auditlogs.New(token, auditlogs.WithBaseURL(""), auditlogs.WithRetry(1, 0, 0),
		auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.String()
			return nil, errors.New("no network in this test")
		})}))
	if err != nil {
		t.Fatal(err)
	}
	for range client.Account(auditlogstest.AccountID).Entries(t.Context(), auditlogs.Query{Since: "2026-10-01", Before: "2026-10-02"}) {
		break
	}
	if !strings.HasPrefix(asked, auditlogs.DefaultBaseURL+"/accounts/") {
		t.Errorf("asked %q: want an address below %s", asked, auditlogs.DefaultBaseURL)
	}
}

func TestWhatIsSent(t *testing.T) {
	s := newFake(t, 1, auditlogstest.WithTokens(token))
	c := newClient(t, s, auditlogs.WithUserAgent("my-service/1.2"))
	q := day
	q.ActorEmailNot = []string{"a+b@example.com", "c d&e=f"}
	q.ActorType = []string{"user"}
	if _, err := collect(t, c.Account(account).Entries(t.Context(), q)); err != nil {
		t.Fatal(err)
	}
	asked := s.Requests()[0]
	if got := asked.Header.Get("User-Agent"); got != "my-service/1.2" {
		t.Errorf("user agent %q", got)
	}
	if !strings.Contains(asked.URL.RawQuery, "actor_email.not=a%2Bb%40example.com&actor_email.not=c+d%26e%3Df") {
		t.Errorf("query %s", asked.URL.RawQuery)
	}
	s = newFake(t, 1)
	if _, err := collect(t, newClient(t, s).Account(account).Entries(t.Context(), day)); err != nil {
		t.Fatal(err)
	}
	if got := s.Requests()[0].Header.Get("User-Agent"); !strings.HasPrefix(got, "cfaudit/") {
		t.Errorf("user agent %q", got)
	}
}

func TestTokenSource(t *testing.T) {
	s := newFake(t, 10, auditlogstest.WithTokens("first", "second"))
	tokens := []string{"first", "second", "third"}
	source := func(context.Context) (string, error) {
		if len(tokens) == 0 {
			return "", errors.New("vault is sealed")
		}
		next := tokens[0]
		tokens = tokens[1:]
		return next, nil
	}
	c, err := auditlogs.New("", auditlogs.WithTokenSource(source), auditlogs.WithBaseURL(s.URL), auditlogs.WithHTTPClient(s.Client()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(t, c.Account(account).Entries(t.Context(), paged(5)))
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, got, counted(0, 9))
	if _, err = collect(t, c.Account(account).Entries(t.Context(), day)); !errors.Is(err, auditlogs.ErrForbidden) {
		t.Errorf("with a third token: %v", err)
	}
	if _, err = collect(t, c.Account(account).Entries(t.Context(), day)); err == nil || !strings.Contains(err.Error(), "vault is sealed") {
		t.Errorf("without a token: %v", err)
	}
	if n := len(s.Requests()); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	other := newFake(t, 3)
	for _, location := range []string{other.URL + "/accounts/" + account + "/logs/audit", "/elsewhere", "https://evil.example/"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			s := newFake(t, 3)
			s.FailNext(auditlogstest.Fault{Status: status, Header: http.Header{"Location": {location}}})
			c, err := auditlogs.New(token, auditlogs.WithBaseURL(s.URL), auditlogs.WithHTTPClient(&http.Client{Transport: s.Client().Transport,
				CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := collect(t, c.Account(account).Entries(t.Context(), day)); !errors.Is(err, auditlogs.ErrRedirect) || len(got) > 0 {
				t.Errorf("%d to %s: %v, %v", status, location, got, err)
			}
			if n := len(s.Requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
		}
	}
	if n := len(other.Requests()); n != 0 {
		t.Errorf("%d requests arrived elsewhere", n)
	}
}

func TestDefaultHTTPClientReachesTheRealURL(t *testing.T) {
	s := newFake(t, 3)
	c, err := auditlogs.New(token, auditlogs.WithBaseURL(s.URL+"/"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(t, c.Account(account).Entries(t.Context(), day))
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, got, counted(0, 2))
}

func TestBodyIsClosed(t *testing.T) {
	s := newFake(t, 3)
	open := 0
	counting := doer(func(r *http.Request) (*http.Response, error) {
		response, err := s.Client().Transport.RoundTrip(r)
		if err == nil {
			open++
			response.Body = &closer{response.Body, &open}
		}
		return response, err
	})
	s.FailNext(auditlogstest.Fault{Status: 500}, auditlogstest.Fault{Cut: true, CutAt: 0.2}, auditlogstest.Fault{}, auditlogstest.Fault{Status: 403})
	c := newClient(t, s, auditlogs.WithHTTPClient(&http.Client{Transport: counting}))
	for range 2 {
		for range c.Account(account).Entries(t.Context(), day) {
			break
		}
	}
	if open != 0 {
		t.Errorf("%d bodies are left open", open)
	}
}

type closer struct {
	io.ReadCloser
	open *int
}

func (c *closer) Close() error {
	*c.open--
	return c.ReadCloser.Close()
}
