package auditlogs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// A Client reads audit logs. It is made by [New]; the zero Client is of no use. Make one and keep
// it: it is safe for use by several goroutines, which share its request budget.
//
// No print or dump of a Client shows its token, however deep it follows pointers and unexported
// fields: the token and the HTTP client, whose connections keep what they have sent, are only
// reachable through function values. This covers what the client itself holds. It does not cover
// the memory of the process, a request that an [http.RoundTripper] of the caller's keeps, or the
// caller's own reference to the client or transport given to [WithHTTPClient].
type Client struct {
	config config
}

// New returns a client that sends the given API token, which needs the permission "Account
// Settings: Read" (or Write) on the accounts to be read. It returns an error when the token cannot
// be one or an option is wrong, and makes no request.
func New(token string, options ...Option) (*Client, error) {
	c := config{
		baseURL:     DefaultBaseURL,
		httpClient:  hide(defaultHTTPClient()),
		timeout:     DefaultTimeout,
		attempts:    DefaultAttempts,
		backoff:     DefaultBackoff,
		backoffCap:  DefaultMaxBackoff,
		maxWait:     DefaultMaxWait,
		pace:        newPacer(budgetRequests, budgetWindow, false),
		clockOffset: new(atomic.Int64),
		logger:      slog.New(slog.DiscardHandler),
		observer:    noObserver{},
		userAgent:   defaultUserAgent(),
		limits:      defaultLimits,
	}
	if err := c.apply(token, options); err != nil {
		return nil, fmt.Errorf("auditlogs: %w", err)
	}
	return &Client{config: c}, nil
}

func (c *config) apply(token string, options []Option) error {
	for i, option := range options {
		if option == nil {
			return fmt.Errorf("option %d is nil: want one, or leave it out", i+1)
		}
		if err := option(c); err != nil {
			return err
		}
	}
	if err := c.checkBaseURL(); err != nil {
		return err
	}
	switch {
	case c.token == nil:
		c.token = func(context.Context) (string, error) { return token, nil }
		return checkToken(token)
	case token != "":
		return errors.New("both a token and a token source are given: want one of them")
	}
	return nil
}

// CloseIdleConnections closes the connections that are kept for further requests. The client can be
// used all the same.
func (c *Client) CloseIdleConnections() { c.config.httpClient().CloseIdleConnections() }

// A ListOption changes one listing.
type ListOption func(*listOptions)

type listOptions struct {
	from     Position
	ahead    bool
	backfill bool
}

// Prefetch says whether the next page is requested while the caller works on the one before: one
// page ahead, and never more. That is the default. Without it, each page is requested only when the
// loop gets to it, for callers who expect to stop early.
func Prefetch(on bool) ListOption {
	return func(o *listOptions) { o.ahead = on }
}

// From resumes after position instead of starting at the start of the window. The query must be the
// one that the position came from, in the same window; its Limit may differ. The zero Position
// changes nothing. If entries that arrived in the meantime have moved the place, the listing
// searches for it; if the place is gone, everything from the start of its page is delivered again.
func From(position Position) ListOption {
	return func(o *listOptions) { o.from = position }
}
