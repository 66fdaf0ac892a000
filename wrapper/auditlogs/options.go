package auditlogs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// An Option changes how a [Client] works. [New] returns the error of an option that is wrong.
type Option func(*config) error

type config struct {
	baseURL     string
	insecure    bool
	httpClient  func() *http.Client // see hide
	token       func(context.Context) (string, error)
	timeout     time.Duration
	attempts    int
	backoff     time.Duration
	backoffCap  time.Duration
	maxWait     time.Duration
	pace        *pacer
	clockOffset *atomic.Int64 // see [Client.ClockOffset]
	logger      *slog.Logger
	observer    Observer
	userAgent   string
	limits      Limits
	source      stored.Source // answers in place of the service; nil for the service
}

// The defaults of a client.
const (
	// DefaultBaseURL is where the API is.
	DefaultBaseURL = "https://api.cloudflare.com/client/v4"
	// DefaultTimeout bounds one attempt; see [WithTimeout].
	DefaultTimeout = time.Minute
	// DefaultAttempts, DefaultBackoff and DefaultMaxBackoff bound the attempts and the pauses
	// between them; see [WithRetry].
	DefaultAttempts   = 8
	DefaultBackoff    = 500 * time.Millisecond
	DefaultMaxBackoff = 30 * time.Second
	// DefaultMaxWait bounds the waits that the service asks for; see [WithMaxWait].
	DefaultMaxWait = 10 * time.Minute
)

// SettleTime is how long after its end a window counts as complete, since the service shows entries
// late. Measurements on one account in September 2026 found that they appear 167 to 450 seconds
// after their time, half of them within 289 seconds.
const SettleTime = 10 * time.Minute

// The documented budget, 1200 requests in any five minutes, less a margin for the user's dashboard
// and other tools. The window is somewhat longer than the service's, for requests that arrive after
// the client has given up waiting, and for clocks that run at different speeds.
const (
	budgetRequests = 1000
	budgetWindow   = 5*time.Minute + 10*time.Second
)

// Limits bounds the responses that the client accepts. A zero field means its default, which real
// data does not reach. A response beyond a bound ends the listing with an error that is
// [ErrLimitExceeded] and names the field.
type Limits struct {
	Body       int // bytes of one body as it is transferred; default 32 MiB
	Inflated   int // bytes of one body after decompression; default 48 MiB
	Entries    int // entries on one page; default 10,000, ten times what the service gives
	Entry      int // bytes of one entry; default 16 MiB
	Depth      int // how deep an entry nests; default 1000, at most 9990
	Cursor     int // bytes of a cursor; default 16 KiB
	EmptyPages int // pages without an entry in a row; default 1000
	Remembered int // entries remembered, so that one that the service repeats is not delivered twice; default 2000
}

var defaultLimits = Limits{
	Body:       32 << 20,
	Inflated:   48 << 20,
	Entries:    10_000,
	Entry:      16 << 20,
	Depth:      1000,
	Cursor:     16 << 10,
	EmptyPages: 1000,
	Remembered: 2000,
}

// WithBaseURL replaces [DefaultBaseURL]; an empty base keeps it. Plain http is refused for every
// host but this machine's own; see [WithInsecureHTTP].
func WithBaseURL(base string) Option {
	return func(c *config) error {
		c.baseURL = cmp.Or(base, c.baseURL)
		return nil
	}
}

// WithInsecureHTTP allows a base URL with plain http for any host. The token then crosses the
// network unencrypted.
func WithInsecureHTTP() Option {
	return func(c *config) error {
		c.insecure = true
		return nil
	}
}

// option returns an option that sets a valid value, and fails for another one.
func option(valid bool, set func(*config), wrong string, a ...any) Option {
	return func(c *config) error {
		if !valid {
			return fmt.Errorf(wrong, a...)
		}
		set(c)
		return nil
	}
}

// WithHTTPClient sends requests through a copy of client, whose redirect policy is replaced:
// redirects are never followed, so that the token cannot reach another host. Without it, the client
// uses a transport of its own, made like the default one.
func WithHTTPClient(client *http.Client) Option {
	return option(client != nil, func(c *config) {
		copied := *client
		c.httpClient = hide(&copied)
	}, "HTTP client is nil: want one, or leave the option out")
}

// WithTokenSource asks source for the token before each request, for tokens that are rotated. The
// token given to [New] must then be empty. An error of the source ends the listing.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return option(source != nil, func(c *config) { c.token = source },
		"token source is nil: want a function, or leave the option out")
}

// WithTimeout bounds one attempt, from the request to the last byte of its answer. The default is
// one minute.
func WithTimeout(timeout time.Duration) Option {
	return option(timeout > 0, func(c *config) { c.timeout = timeout },
		"timeout is %s: want more than 0, such as 30s", timeout)
}

// WithRetry bounds the requests for one page, the first included, and the pauses between them. A
// pause is drawn at random between 0 and a bound, which is backoff after the first attempt and
// doubles up to most. The default is 8 attempts, half a second and 30 seconds. No attempt starts
// after the time of [WithMaxWait] plus, for each attempt, its timeout and longest pause.
func WithRetry(attempts int, backoff, most time.Duration) Option {
	return option(attempts >= 1 && backoff >= 0 && most >= backoff, func(c *config) {
		c.attempts, c.backoff, c.backoffCap = attempts, backoff, most
	}, "retry is %d attempts, back-off %s up to %s: want at least 1 attempt, and a back-off from 0 up to a bound, such as 5, 1s, 30s",
		attempts, backoff, most)
}

// WithMaxWait bounds how long the client waits when the service asks it to. If the service asks for
// longer, the listing ends with [ErrRateLimited]. The default is 10 minutes, twice as long as the
// documented block.
func WithMaxWait(wait time.Duration) Option {
	return option(wait >= 0, func(c *config) { c.maxWait = wait },
		"longest wait is %s: want 0 or more, such as 10m", wait)
}

// WithRate bounds the requests a second, strictly: each starts at least 1/perSecond after the one
// before, over all goroutines that use the client. 0 means no bound. Without the option, the client
// stays below the documented budget of 1200 requests in any five minutes, with a margin for the
// user's dashboard, which shares it: 1000 requests in any five minutes, however they are spread;
// while more than 50 requests wait or are under way, further ones are spaced evenly. With or
// without the option, requests are sent in the order in which they arrive, and more slowly when the
// service's Ratelimit headers say that little is left.
func WithRate(perSecond float64) Option {
	const slowest, fastest = 1.0 / (24 * 60 * 60), 1e6
	return option(perSecond == 0 || perSecond >= slowest && perSecond <= fastest, func(c *config) {
		c.pace = newPacer(0, time.Second, true)
		if perSecond > 0 {
			c.pace = newPacer(1, time.Duration(float64(time.Second)/perSecond), true)
		}
	}, "rate is %g requests a second: want 0 for no bound, or from one a day to a million a second, such as 3.5", perSecond)
}

// WithLogger logs each request and each wait to logger at debug level, and what is unexpected at
// warning level. The default logs nothing. No token is logged.
func WithLogger(logger *slog.Logger) Option {
	return option(logger != nil, func(c *config) { c.logger = logger },
		"logger is nil: want one, or leave the option out")
}

// WithUserAgent replaces the client's User-Agent header.
func WithUserAgent(agent string) Option {
	return option(visible(agent, true), func(c *config) { c.userAgent = agent },
		"user agent contains control or other unusual characters: want text such as my-service/1.2")
}

// WithLimits bounds the responses that the client accepts.
func WithLimits(limits Limits) Option {
	return func(c *config) error {
		given, taken := reflect.ValueOf(limits), reflect.ValueOf(&c.limits).Elem()
		for i := range given.NumField() {
			switch bound := given.Field(i).Int(); {
			case bound < 0:
				return fmt.Errorf("limit Limits.%s is %d: want 0 for the default, or more", given.Type().Field(i).Name, bound)
			case bound > 0:
				taken.Field(i).SetInt(bound)
			}
		}
		if limits.Depth > decoderDepth {
			return fmt.Errorf("limit Limits.Depth is %d: want at most %d", limits.Depth, decoderDepth)
		}
		return nil
	}
}

// checkBaseURL is called after all options have been applied.
func (c *config) checkBaseURL() error {
	c.baseURL = strings.TrimRight(c.baseURL, "/")
	u, err := url.Parse(c.baseURL)
	switch {
	// The refused value is not shown: it may be a secret in the wrong place.
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.Opaque != "":
		return errors.New("base URL is not an absolute URL: want one such as " + DefaultBaseURL)
	case u.User != nil, strings.ContainsAny(c.baseURL, "?#"):
		return errors.New("base URL has a user, a query or a fragment: want one without, such as " + DefaultBaseURL)
	}
	address, _ := netip.ParseAddr(u.Hostname())
	if local := address.IsLoopback() || u.Hostname() == "localhost"; u.Scheme == "http" && !c.insecure && !local {
		return fmt.Errorf("base URL %q would send the token unencrypted: want https, or allow it with WithInsecureHTTP", c.baseURL)
	}
	return nil
}

// hide returns an HTTP client that no print or dump reaches, since it is in a closure: the buffers
// and header tables of its connections contain the token once a request has been sent.
func hide(client *http.Client) func() *http.Client {
	// Redirects are never followed, so that the token cannot reach another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func() *http.Client { return client }
}

// defaultHTTPClient is not http.DefaultClient, which other code in the program may have changed.
func defaultHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
}

// visible reports whether text consists of visible ASCII characters, and of spaces where these are
// allowed.
func visible(text string, spaces bool) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c > '~' || c < ' ' || c == ' ' && !spaces })
}

// checkToken refuses a text that cannot be a token, without showing it.
func checkToken(token string) error {
	switch {
	case token == "":
		return errors.New("token is empty: want an API token, mostly from the environment variable CLOUDFLARE_API_TOKEN")
	case !visible(token, false):
		return errors.New("token contains spaces, line breaks or other characters that no token has: want it exactly as Cloudflare shows it")
	}
	return nil
}

func defaultUserAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range append(info.Deps, &info.Main) {
			if module.Path == modulePath && module.Version != "" && module.Version != "(devel)" {
				version = module.Version
			}
		}
	}
	return "cfaudit/" + version
}

// modulePath is the module of this package.
const modulePath = "cfaudit.example"
