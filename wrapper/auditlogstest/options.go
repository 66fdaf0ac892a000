package auditlogstest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"cfaudit.example/gen/auditlogsapi"
)

// An Option changes how a [Server] behaves.
type Option func(*config)

// A T is the part of *testing.T that [WithT] needs.
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

type config struct {
	t             T
	history       *History
	tokens        []string
	owners        map[string][]string // the IDs that exist, by the parameter in the path
	categories    []auditlogsapi.ProductCategory
	maxPageSize   int
	shifting      bool
	afterSince    bool
	throughBefore bool
	budget        budget
	latency       time.Duration
	emptyPages    int
	cursorsAfter  bool
	withoutGzip   bool
	requestLog    int
	strictEnums   bool
	precision     time.Duration
	lateness      func(*rand.Rand) time.Duration
}

// defaultRequestLog is far more than a test needs, and takes some hundred MB.
const defaultRequestLog = 100_000

func newConfig(opts []Option) config {
	c := config{budget: published, requestLog: defaultRequestLog, owners: map[string][]string{}, categories: defaultCategories}
	for _, o := range opts {
		o(&c)
	}
	return c
}

func (c *config) window(since, before time.Time) window {
	if c.precision > 0 {
		since, before = since.Truncate(c.precision), before.Truncate(c.precision)
	}
	return window{since: since, before: before, afterSince: c.afterSince, throughBefore: c.throughBefore}
}

func require(ok bool, format string, args ...any) {
	if !ok {
		panic("auditlogstest: " + fmt.Sprintf(format, args...))
	}
}

// WithT fails the test when a request has a parameter that the contract does not know, or repeats
// one that takes a single value. Such a request is answered with status 400 in any case.
func WithT(t T) Option {
	require(t != nil, "WithT: no test")
	return func(c *config) { c.t = t }
}

// WithHistory fills the store with a made-up history. Given several times, the last one counts.
func WithHistory(h History) Option {
	require(h.Entries >= 0, "WithHistory: %d entries", h.Entries)
	require(h.EntryBytes >= 0 && h.EntryBytes <= 1<<20, "WithHistory: entries of %d bytes", h.EntryBytes)
	require(h.AccountID == "" || validAccount(h.AccountID), "WithHistory: %q is not an account ID", h.AccountID)
	h = h.withDefaults()
	require(h.Since.Before(h.Before), "WithHistory: Since %v is not earlier than Before %v", h.Since, h.Before)
	return func(c *config) { c.history = &h }
}

// WithTokens names the valid tokens. Others are answered with status 403. Without this option,
// every token is valid that is not empty.
func WithTokens(tokens ...string) Option {
	require(len(tokens) > 0, "WithTokens: no tokens")
	for i, token := range tokens {
		require(validToken(token), "WithTokens: token %d is empty or holds a space", i)
	}
	return func(c *config) { c.tokens = tokens }
}

// WithAccounts names the accounts that exist. Each of them sees all entries of accounts; others are
// answered with status
// 403. Without this option, every well-formed account ID sees them.
func WithAccounts(ids ...string) Option {
	require(len(ids) > 0, "WithAccounts: no accounts")
	for _, id := range ids {
		require(validAccount(id), "WithAccounts: %q is not an account ID", id)
	}
	return func(c *config) { c.owners[accountParameter.Name] = ids }
}

// WithOrganizations names the organizations that exist. Each of them sees all entries of
// organizations; others are answered with status 403. Without this option, every well-formed
// organization ID sees them.
func WithOrganizations(ids ...string) Option {
	require(len(ids) > 0, "WithOrganizations: no organizations")
	for _, id := range ids {
		require(organizationParameter.Check(id) == nil, "WithOrganizations: %q is not an organization ID", id)
	}
	return func(c *config) { c.owners[organizationParameter.Name] = ids }
}

// WithProductCategories replaces the product categories, and the products that each stands for.
// Without this option there are some made-up ones, among them zerotrust, which group the products
// of a made-up history.
func WithProductCategories(categories ...auditlogsapi.ProductCategory) Option {
	for i, category := range categories {
		require(category.Value != "", "WithProductCategories: category %d has no value", i)
	}
	return func(c *config) { c.categories = append([]auditlogsapi.ProductCategory{}, categories...) }
}

// WithMaxPageSize caps the size of a page on the server's side: no page holds more entries,
// whatever limit is asked for. Without this option, only limit decides.
func WithMaxPageSize(n int) Option {
	require(n > 0, "WithMaxPageSize: %d is less than 1", n)
	return func(c *config) { c.maxPageSize = n }
}

// WithShiftingCursors makes a cursor count entries, as stores do that know pages only by number: an
// entry that arrives before the cursor moves all later ones, and the next page repeats an entry.
// Without this option, a cursor stays after the last entry that was returned.
func WithShiftingCursors() Option {
	return func(c *config) { c.shifting = true }
}

// WithInclusive says whether entries at exactly since and at exactly before are part of a window.
// Without this option, those at since are, and those at before are not.
func WithInclusive(since, before bool) Option {
	return func(c *config) { c.afterSince, c.throughBefore = !since, before }
}

// WithBoundPrecision uses since and before less precisely than they are written: rounded down to a
// whole second, minute or day, or the given unit. A window whose ends are rounded to the same time
// is empty, and not an error. Without this option both count as they are.
func WithBoundPrecision(unit time.Duration) Option {
	require(unit > 0, "WithBoundPrecision: %v is not positive", unit)
	return func(c *config) { c.precision = unit }
}

// WithStrictEnums answers a filter's value that the contract does not list with status 400. What
// the service does is not documented. Without this option such a value is accepted, and matches the
// entries that have it.
func WithStrictEnums() Option {
	return func(c *config) { c.strictEnums = true }
}

// WithRateLimit allows a number of requests in any window of the given length. The first one beyond
// it is answered with status 429, and so is everything else until the window has passed once more.
// Without this option nothing is enforced, and the headers about the limit always show an unused
// budget of 1200 in five minutes.
func WithRateLimit(requests int, window time.Duration) Option {
	require(requests > 0, "WithRateLimit: %d requests", requests)
	require(window > 0, "WithRateLimit: window of %v", window)
	return func(c *config) { c.budget = budget{enforced: true, requests: requests, window: window} }
}

// WithLatency delays every answer. A fault's delay is added to it. Without this option, answers are
// not delayed.
func WithLatency(d time.Duration) Option {
	require(d >= 0, "WithLatency: %v is negative", d)
	return func(c *config) { c.latency = d }
}

// WithEmptyPages puts an empty page, with a cursor, before every n-th page of a listing. Without
// this option, only a listing that matches nothing has an empty page.
func WithEmptyPages(n int) Option {
	require(n > 0, "WithEmptyPages: %d is less than 1", n)
	return func(c *config) { c.emptyPages = n }
}

// WithCursorsAfter gives the cursor only as result_info.cursors.after, where Cloudflare's published
// specification has it. Without this option it is only in result_info.cursor, where the service has
// it.
func WithCursorsAfter() Option {
	return func(c *config) { c.cursorsAfter = true }
}

// WithoutGzip never compresses. Without this option, every answer is compressed for clients that
// accept gzip.
func WithoutGzip() Option {
	return func(c *config) { c.withoutGzip = true }
}

// WithRequestLog bounds how many requests [Server.Requests] remembers, which are the last ones.
// Without this option, they are 100,000.
func WithRequestLog(n int) Option {
	require(n > 0, "WithRequestLog: %d requests", n)
	return func(c *config) { c.requestLog = n }
}
