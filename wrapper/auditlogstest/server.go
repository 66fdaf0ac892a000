package auditlogstest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"sync"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/gen/auditlogsserver"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/match"
)

// basePath is where the API starts, on the fake as on the service.
const basePath = "/client/v4"

// A Server is a fake of the audit log API. Use [NewServer] to get one; the zero value is of no use.
// All methods may be called at the same time from several goroutines.
type Server struct {
	// URL is the base URL, without a slash at its end. Programs reach it through loopback. Inside a
	// testing/synctest bubble, and where loopback is not available, only [Server.Client] reaches
	// it.
	URL string

	config          config
	store           store // of the accounts
	ofOrganizations store
	cursors         cursorMaker
	router          http.Handler
	network         network

	// ctx ends with Close, and every wait with it.
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	budget   budget
	faults   []Fault
	requests []*Request
	received uint64 // requests so far, including those that are no longer remembered

	// reporting is separate from mu, so that the test's Errorf may call the server's methods. Close
	// takes it, so that nothing is reported after the server is closed.
	reporting sync.Mutex
}

// A Request is one request that the server received.
type Request struct {
	Method string
	URL    *url.URL    // as in the request line: path and query
	Query  url.Values  // the readable part of the query
	Header http.Header // credentials are replaced by "REDACTED"
	Time   time.Time   // when the request arrived
	Status int         // the status it was answered with; 0 for none, or none yet
}

// NewServer starts a server. Without options its store is empty, every token and every well-formed
// ID of an account or an organization is valid, and no limit is enforced. An option with a wrong
// value panics.
func NewServer(opts ...Option) *Server {
	c := newConfig(opts)
	s := &Server{config: c, budget: c.budget, cursors: newCursorMaker(c.history)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.store.lateness, s.ofOrganizations.lateness = s.config.newLateness(), s.config.newLateness()
	if s.config.history != nil {
		s.store.insert(s.config.history.generate())
		s.ofOrganizations.insert(s.config.history.generateForOrganization())
	}
	s.router = s.newRouter()
	s.URL = s.network.start(s)
	return s
}

func (s *Server) newRouter() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { notRouted(w.(*answer), r) })
	return auditlogsserver.HandlerWithOptions((*api)(s), auditlogsserver.StdHTTPServerOptions{
		BaseURL:          basePath,
		BaseRouter:       mux,
		ErrorHandlerFunc: (*api)(s).bindingFailed,
	})
}

// Client returns a client whose connections to any address, over http or https, lead to this
// server, in memory. Apart from that it is an ordinary client: the HTTP on these connections is
// real. Each call returns a new client; all share their connections.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.network.transport} }

// Add puts entries into the store. A json.RawMessage, []byte or string is kept byte for byte,
// without space around it; anything else goes through json.Marshal. Add panics when one of them is
// not a single JSON object, and keeps none.
//
// An entry with an organization.id is listed for organizations, and any other one for accounts. The
// store is ordered by action.time, and by arrival where times are equal. An entry without a
// readable action.time counts as of the moment at which it was added.
func (s *Server) Add(entries ...any) {
	now := time.Now()
	var added, addedToOrganizations []*entry
	for i, value := range entries {
		text, err := entryText(value)
		if err != nil {
			panic(fmt.Sprintf("auditlogstest: Add: entry %d: %v", i, err))
		}
		if e, ofOrganization := newEntry(text, now); ofOrganization {
			addedToOrganizations = append(addedToOrganizations, e)
		} else {
			added = append(added, e)
		}
	}
	s.store.insert(added)
	s.ofOrganizations.insert(addedToOrganizations)
}

// Stored returns the accounts' entries of a window, oldest first: what a complete listing without
// filters has to return. Whether entries at exactly since or before belong to the window is decided
// as for listings, by [WithInclusive].
func (s *Server) Stored(since, before time.Time) []json.RawMessage {
	return s.stored(&s.store, since, before)
}

// StoredOrganization returns the organizations' entries of a window, as [Server.Stored] does
// for accounts.
func (s *Server) StoredOrganization(since, before time.Time) []json.RawMessage {
	return s.stored(&s.ofOrganizations, since, before)
}

func (s *Server) stored(log *store, since, before time.Time) []json.RawMessage {
	entries, _ := log.page(listing{window: s.config.window(since, before)}, position{}, -1)
	out := make([]json.RawMessage, len(entries))
	for i, e := range entries {
		out[i] = json.RawMessage(e.text)
	}
	return out
}

// FailNext makes the next requests fail: the first fault is for the next request, the second for
// the one after it, and so on. Faults of further calls are appended. A fault with a wrong value
// panics.
func (s *Server) FailNext(faults ...Fault) {
	for i, f := range faults {
		if err := f.check(); err != nil {
			panic(fmt.Sprintf("auditlogstest: FailNext: fault %d: %v", i, err))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Requests returns the requests so far, in order of arrival: the last 100,000 requests, or as many
// as [WithRequestLog] says. The result is the caller's own.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.requests[max(0, len(s.requests)-s.config.requestLog):]
	out := make([]Request, len(last))
	for i, r := range last {
		out[i] = *r
		address := *r.URL
		out[i].URL = &address
		out[i].Header = r.Header.Clone()
		out[i].Query = url.Values(http.Header(r.Query).Clone())
	}
	return out
}

// Close closes the listeners and all connections, and ends every wait. Requests that still arrive,
// where the server is mounted in another one, get their connection closed. Closing again does
// nothing.
func (s *Server) Close() {
	s.reporting.Lock()
	s.stop()
	s.reporting.Unlock()
	s.network.close()
}

// ServeHTTP answers one request, whose path starts like that of [Server.URL]. So the whole fake,
// with its faults, can be mounted in another server.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.ctx.Err() != nil {
		s.hangUp(w, nil)
		return
	}
	visit := s.arrive(r)
	if !s.wait(r.Context(), s.config.latency+visit.fault.Delay) {
		s.hangUp(w, nil)
		return
	}
	s.answer(visit, r)
	s.send(w, r, visit)
}

// A visit is one request on its way through the server.
type visit struct {
	fault   Fault
	request *Request
	answer  *answer
	refused bool // the request is beyond the rate limit
}

// arrive records the request, and decides everything that depends on the order in which requests
// arrive.
func (s *Server) arrive(r *http.Request) *visit {
	now := time.Now()
	header := r.Header.Clone()
	for _, name := range []string{"Authorization", "X-Auth-Key", "X-Auth-User-Service-Key"} {
		for i := range header[name] {
			header[name][i] = "REDACTED"
		}
	}
	address := *r.URL
	request := &Request{Method: r.Method, URL: &address, Query: r.URL.Query(), Header: header, Time: now}

	s.mu.Lock()
	defer s.mu.Unlock()
	v := &visit{request: request, answer: newAnswer(s.received)}
	s.requests = append(s.requests, request)
	s.received++
	if most := s.config.requestLog; len(s.requests) >= 2*most {
		// Not at each request beyond the bound, as that would move them all each time.
		s.requests = slices.Clone(s.requests[len(s.requests)-most:])
	}
	if len(s.faults) > 0 {
		v.fault = s.faults[0]
		s.faults = s.faults[1:]
	}
	var wait time.Duration
	wait, v.refused = s.budget.spend(now, v.answer.header)
	if v.refused {
		v.answer.header.Set("Retry-After", fmt.Sprint(seconds(wait)))
	}
	return v
}

// answer makes the answer without a fault.
func (s *Server) answer(v *visit, r *http.Request) {
	switch {
	case v.refused:
		v.answer.fail(http.StatusTooManyRequests, codeRateLimited, "Rate limit exceeded: wait before you ask again.")
	case path.Clean(r.URL.Path) != r.URL.Path:
		// The router would redirect to the cleaned path, which hides an empty or dotted account ID.
		notRouted(v.answer, r)
	default:
		s.router.ServeHTTP(v.answer, r)
	}
}

// wait returns false if the client or the server closed before the time was up.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil && s.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	return false
}

// report fails the test, if there is one.
func (s *Server) report(format string, args ...any) {
	if s.config.t == nil {
		return
	}
	s.reporting.Lock()
	defer s.reporting.Unlock()
	if s.ctx.Err() == nil {
		s.config.t.Helper()
		s.config.t.Errorf(format, args...)
	}
}

// api is the server's implementation of the generated interface: a type of its own, so that the
// methods of the API do not appear among those of Server.
type api Server

var _ auditlogsserver.ServerInterface = (*api)(nil)

// ListAccountAuditLogs answers with one page.
func (a *api) ListAccountAuditLogs(w http.ResponseWriter, r *http.Request, _ auditlogsapi.AccountID, params auditlogsapi.ListAccountAuditLogsParams) {
	(*Server)(a).list(w.(*answer), r, &a.store, &params)
}

// GetAccountAuditLogHistory answers with one page.
func (a *api) GetAccountAuditLogHistory(w http.ResponseWriter, r *http.Request, _ auditlogsapi.AccountID, id auditlogsapi.EntryID,
	params auditlogsapi.GetAccountAuditLogHistoryParams,
) {
	(*Server)(a).history(w.(*answer), r, &a.store, id, params.ActionTime, &params)
}

// ListOrganizationAuditLogs answers with one page.
func (a *api) ListOrganizationAuditLogs(w http.ResponseWriter, r *http.Request, _ auditlogsapi.OrganizationID, params auditlogsapi.ListOrganizationAuditLogsParams) {
	(*Server)(a).list(w.(*answer), r, &a.ofOrganizations, &params)
}

// GetOrganizationAuditLogHistory answers with one page.
func (a *api) GetOrganizationAuditLogHistory(w http.ResponseWriter, r *http.Request, _ auditlogsapi.OrganizationID, id auditlogsapi.EntryID,
	params auditlogsapi.GetOrganizationAuditLogHistoryParams,
) {
	(*Server)(a).history(w.(*answer), r, &a.ofOrganizations, id, params.ActionTime, &params)
}

// ListAccountAuditLogProductCategories answers with all categories.
func (a *api) ListAccountAuditLogProductCategories(w http.ResponseWriter, r *http.Request, _ auditlogsapi.AccountID) {
	if out := w.(*answer); (*Server)(a).admit(out, r) {
		out.list(a.config.categories)
	}
}

// list answers with one page of a log.
func (s *Server) list(out *answer, r *http.Request, log *store, params parameters) {
	if q, ok := s.admitListing(out, r, params); ok {
		s.page(out, r, log, params, q, "")
	}
}

// history answers with one page of the entries about the same resource as the one with an ID.
func (s *Server) history(out *answer, r *http.Request, log *store, id string, actionTime string, params parameters) {
	q, ok := s.admitListing(out, r, params)
	if !ok {
		return
	}
	at, err := auditlogsapi.ParseTime(actionTime)
	if err != nil {
		out.fail(http.StatusBadRequest, codeBadRequest, err.Error())
		return
	}
	source := log.find(id, at, q.now)
	if source == nil {
		out.noEntry()
		return
	}
	var status auditlogs.HistoryStatus
	if q.filters, status = match.SameResource(source.read()); status == auditlogs.HistoryUnavailable {
		out.page(nil, "", false, string(status))
		return
	}
	s.page(out, r, log, params, q, string(status))
}

// admitListing reads the parameters of a request for a page, or answers what is wrong with them.
func (s *Server) admitListing(out *answer, r *http.Request, params parameters) (listing, bool) {
	if !s.admit(out, r) {
		return listing{}, false
	}
	q, err := s.newListing(operations[r.Pattern], params)
	if err != nil {
		out.fail(http.StatusBadRequest, codeBadRequest, err.Error())
	}
	return q, err == nil
}

// page answers with the page at the cursor.
func (s *Server) page(out *answer, r *http.Request, log *store, params parameters, q listing, status string) {
	given := params.Listing()
	size := defaultLimit
	if *given.Limit != nil {
		size = **given.Limit
	}
	if s.config.maxPageSize > 0 {
		size = min(size, s.config.maxPageSize)
	}
	digest := queryDigest(s.config.shifting, r.URL.Path, r.URL.Query())
	var from position
	if *given.Cursor != nil {
		var err error
		if from, err = s.cursors.parse(**given.Cursor, digest); err != nil {
			out.fail(http.StatusBadRequest, codeBadRequest, err.Error())
			return
		}
	}
	if n := s.config.emptyPages; n > 0 && !from.Waited && (from.Pages+1)%n == 0 {
		from.Waited = true
		out.page(nil, s.cursors.format(from, digest), s.config.cursorsAfter, status)
		return
	}
	entries, more := log.page(q, from, size)
	cursor := ""
	if more {
		cursor = s.cursors.format(from.after(entries, s.config.shifting), digest)
	}
	out.page(entries, cursor, s.config.cursorsAfter, status)
}

// bindingFailed is called by the generated code when it cannot read a parameter.
func (a *api) bindingFailed(w http.ResponseWriter, r *http.Request, err error) {
	if out := w.(*answer); (*Server)(a).admit(out, r) {
		out.fail(http.StatusBadRequest, codeBadRequest, err.Error())
	}
}

// admit checks everything that the generated code does not, and answers invalid requests.
func (s *Server) admit(out *answer, r *http.Request) bool {
	operation := operations[r.Pattern]
	problems := s.checkQuery(operation, r.URL.RawQuery)
	messages := make([]string, len(problems))
	for i, p := range problems {
		if messages[i] = p.message; p.misuse {
			s.report("auditlogstest: %s %s: %s", r.Method, r.URL.Path, p.message)
		}
	}
	for _, p := range operation.Parameters {
		if p.In == "path" && p.Check(r.PathValue(p.Name)) != nil {
			notRouted(out, r)
			return false
		}
	}
	switch token, ok := bearerToken(r.Header.Values("Authorization")); {
	case !ok:
		out.fail(http.StatusUnauthorized, codeUnauthorized, "Unable to authenticate request")
		return false
	case s.config.tokens != nil && !slices.Contains(s.config.tokens, token):
		out.fail(http.StatusForbidden, codeForbidden, "Authentication error")
		return false
	}
	for name, ids := range s.config.owners {
		if id := r.PathValue(name); id != "" && !slices.Contains(ids, id) {
			out.fail(http.StatusForbidden, codeForbidden, "Authentication error")
			return false
		}
	}
	if len(problems) > 0 {
		out.fail(http.StatusBadRequest, codeBadRequest, messages...)
		return false
	}
	return true
}
