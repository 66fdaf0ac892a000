package auditlogs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"

	"cfaudit.example/gen/auditlogsapi"
)

// An answer is one page as the service sent it.
type answer struct {
	Page
	cursor   string
	more     bool // pages follow
	bytes    int  // of memory, estimated
	at       *pageStart
	logs     []string // for each stored entry, the log that it is from
	overlaps bool     // other stretches of a backfill show some of the entries too
}

// fetch requests one page until it has been received completely. Request, transfer and decoding are
// one step, which is retried as a whole. Most bounds the bytes of the answer, unless it is 0, and
// sent is called whenever the budget has released a request, unless it is nil.
func (r *reader) fetch(ctx context.Context, most int, sent func()) (*answer, error) {
	if r.source != nil {
		return r.answerStored(ctx)
	}
	l := r.listing
	pause := &backoff.ExponentialBackOff{
		// A randomization of 1 draws from 0 to twice the interval: full jitter below a bound of
		// twice the interval.
		RandomizationFactor: 1,
		InitialInterval:     r.backoff / 2,
		MaxInterval:         r.backoffCap / 2,
		Multiplier:          2,
	}
	attempts, limited := 0, 0
	var last error
	waiting := func(pause time.Duration) {
		r.observer.Waiting(pause)
		r.logger.DebugContext(ctx, "audit log request waits", slog.String("path", l.path), slog.Duration("pause", pause))
	}
	result, err := backoff.Retry(ctx, func() (*answer, error) {
		attempts++
		if err := r.pace.wait(ctx, waiting); err != nil {
			return nil, backoff.Permanent(err)
		}
		if sent != nil {
			sent()
		}
		a := Attempt{Number: attempts, Remaining: -1}
		start := time.Now()
		page, err := r.attempt(ctx, most, &a)
		r.pace.answered()
		a.Duration, a.Err = time.Since(start), err
		if a.StatusCode == http.StatusTooManyRequests {
			limited++
			r.logger.WarnContext(ctx, "audit log request refused: too many requests for the token's user",
				slog.String("path", l.path), slog.Any("error", err))
		}
		if err != nil {
			last = err
			a.Retried = attempts < r.attempts && ctx.Err() == nil && r.passesSoon(err)
		}
		r.observer.Attempted(a)
		r.logger.DebugContext(ctx, "audit log request", slog.String("path", l.path), slog.Int("attempt", attempts),
			slog.Int("status", a.StatusCode), slog.String("ray", printable(a.RayID)), slog.Int64("bytes", a.Received),
			slog.Duration("duration", a.Duration), slog.Any("error", err), slog.Bool("retried", a.Retried))
		if err != nil && !a.Retried {
			return nil, backoff.Permanent(err)
		}
		return page, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(r.maxWait+time.Duration(r.attempts)*(r.timeout+r.backoffCap)),
		backoff.WithNotify(func(_ error, pause time.Duration) { waiting(pause) }))
	if err == nil {
		result.Attempts, result.RateLimited = attempts, limited
		return result, nil
	}
	if ctx.Err() != nil {
		err = ended(ctx)
		if last != nil && !errors.Is(last, err) { // The earlier failure explains why it took so long.
			err = fmt.Errorf("%w; before that: %w", err, last)
		}
		return nil, fmt.Errorf("%s: %w", l, err)
	}
	if answered, ok := errors.AsType[*Error](err); ok {
		answered.Attempts = attempts
	} else if attempts > 1 {
		err = fmt.Errorf("%w; after %d attempts", err, attempts)
	}
	return nil, err
}

// ended returns why a context has ended; nil as long as it has not.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// passesSoon reports whether a failed request may succeed within the few attempts of a client.
func (c *config) passesSoon(err error) bool {
	if answered, ok := errors.AsType[*Error](err); ok && answered.RetryAfter > c.maxWait {
		return false
	}
	// A name that does not exist, and a certificate that is not trusted, stay so for longer than
	// that.
	name, unresolved := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return Retryable(err) && !errors.Is(err, errToken) && !untrusted && !(unresolved && name.IsNotFound)
}

var errToken = errors.New("no token")

// attempt makes one request and reads its complete answer.
func (r *reader) attempt(ctx context.Context, most int, a *Attempt) (_ *answer, err error) {
	l := r.listing
	token, err := r.token(ctx)
	if err == nil {
		err = checkToken(token)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", l, errToken, err)
	}
	defer func() {
		if err != nil {
			err = hideToken(err, token, l)
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("%w: no whole answer within %s", ErrTimeout, r.timeout))
	defer cancel()
	request, err := l.request(ctx, r.baseURL, r.cursor)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	// Requested here, and not by the transport, so that the sizes before and after decompression
	// are both bounded.
	request.Header.Set("Accept-Encoding", "gzip")
	request.Header.Set("User-Agent", r.userAgent)
	request.Header.Set("Authorization", "Bearer "+token)
	sent := time.Now()
	response, err := r.httpClient().Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // Without the method and the URL, which are long, and in the message anyway.
		}
		return nil, cmp.Or(context.Cause(ctx), err) // The cause is the timeout.
	}
	defer func() { _ = response.Body.Close() }()
	a.StatusCode, a.RayID = response.StatusCode, redact(response.Header.Get("CF-Ray"), token)
	a.ClockOffset = r.compareClocks(ctx, response, sent)
	a.Remaining = r.obey(response.Header)
	t := r.transfer()
	defer r.release(t)
	limits := r.limits
	if most > 0 {
		limits.Body, limits.Inflated = min(limits.Body, most), min(limits.Inflated, most)
	}
	if response.StatusCode != http.StatusOK {
		limits.Body, limits.Inflated = min(limits.Body, largestError), min(limits.Inflated, largestError)
	}
	body, err := t.read(response, limits, a)
	switch {
	case response.StatusCode != http.StatusOK:
		// The status says more than a body that is cut short or too large.
		return nil, newError(l, response, body)
	case err != nil:
		return nil, cmp.Or(context.Cause(ctx), err) // The cause is the timeout.
	}
	entries, info, err := decodePage(body, r.limits)
	switch {
	case errors.Is(err, errNoSuccess):
		return nil, newError(l, response, body)
	case errors.Is(err, ErrMalformedResponse):
		if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
			err = fmt.Errorf("%w (it says it is %q)", err, printable(kind))
		}
		return nil, err
	case err != nil:
		return nil, err
	case redact(info.Cursor, token) != info.Cursor:
		// It would become part of positions, which are printed and stored.
		return nil, fmt.Errorf("%w: the cursor holds the token", ErrMalformedResponse)
	}
	page := Page{Entries: entries, History: HistoryStatus(redact(info.HistoryStatus, token)), RayID: a.RayID}
	return &answer{Page: page, cursor: info.Cursor}, nil
}

// A transfer holds the memory that one answer is read into. It is used again for the next one:
// decoding copies, so that callers never get a part of it.
type transfer struct {
	received []byte // as transferred
	inflated []byte
	inflater gzip.Reader // of compress: decompression is half of a page's cost, and the standard library takes half as long again
}

// largestKept bounds the memory that is kept after an unusually large answer.
const largestKept = 16 << 20

// maxTransfers is how many transfers are kept for further pages. A run that reads one page after
// the other needs one.
const maxTransfers = 4

// transfer returns memory for an answer, until its release. A sync.Pool would lose it on every
// other page, to the other processor or to the garbage collector.
func (r *reader) transfer() *transfer {
	select {
	case t := <-r.transfers:
		return t
	default:
		return new(transfer)
	}
}

func (r *reader) release(t *transfer) {
	if cap(t.received)+cap(t.inflated) > largestKept {
		return
	}
	select {
	case r.transfers <- t:
	default:
	}
}

// read reads a complete body, and decompresses it if the transport did not. The result is valid
// until the transfer's release.
func (t *transfer) read(response *http.Response, limits Limits, a *Attempt) (body []byte, err error) {
	t.received, err = fill(t.received, response.Body, response.ContentLength, limits.Body, "Body")
	a.Received = int64(len(t.received))
	if err != nil {
		return t.received, err
	}
	switch encoding := response.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
		a.Inflated = a.Received
		if len(t.received) > limits.Inflated {
			return nil, tooLarge("Inflated", limits.Inflated)
		}
		return t.received, nil
	case "gzip", "x-gzip":
	default:
		return nil, fmt.Errorf("%w: the body is encoded as %q, which was not asked for", ErrMalformedResponse, printable(encoding))
	}
	if err := t.inflater.Reset(bytes.NewReader(t.received)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformedResponse, err)
	}
	// A gzip stream ends with its decompressed size. It may be wrong, and is only a hint.
	size := int64(binary.LittleEndian.Uint32(t.received[len(t.received)-4:]))
	t.inflated, err = fill(t.inflated, &t.inflater, size, limits.Inflated, "Inflated")
	a.Inflated = int64(len(t.inflated))
	if err != nil && !errors.Is(err, ErrLimitExceeded) {
		err = fmt.Errorf("%w: %w", ErrMalformedResponse, err)
	}
	return t.inflated, err
}

// fill reads all of a reader into the memory of b, and grows it if needed. If the reader has more
// than is allowed, fill fails after reading one byte too many. Size is the expected size; less than
// 1 if unknown.
func fill(b []byte, reader io.Reader, size int64, most int, name string) ([]byte, error) {
	b = b[:0]
	if size >= int64(cap(b)) && size <= int64(most) {
		// One byte more, to reach the end without growing, and some more for the next page, which
		// is about as long.
		b = slices.Grow(b, min(int(size)+int(size)/4, most)+1)
	}
	for {
		if len(b) == cap(b) {
			// Not slices.Grow, which rounds up beyond the bound.
			grown := make([]byte, len(b), min(max(2*cap(b), 64<<10), most+1))
			copy(grown, b)
			b = grown
		}
		n, err := reader.Read(b[len(b):min(cap(b), most+1)])
		b = b[:len(b)+n]
		switch {
		case len(b) > most:
			return b, tooLarge(name, most)
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

func tooLarge(name string, most int) error {
	return fmt.Errorf("%w: the body is larger than Limits.%s allows, %d bytes", ErrLimitExceeded, name, most)
}

// documentedQuota is the service's budget if no header states it.
const documentedQuota = 1200

// obey delays all requests of the client if the service says so, and spreads the rest of the budget
// if that is less than a quarter, since the user's dashboard and other tools share it. It returns
// how many requests are left; -1 if the service does not say.
//
// The headers are such as Ratelimit: "default";r=1199;t=300, the requests left and when they are
// given back, and Ratelimit-Policy: "default";q=1200;w=300.
func (c *config) obey(header http.Header) (remaining int64) {
	pause := retryAfter(header)
	limit := scarcest(header, "Ratelimit", "r", "t")
	remaining, known := limit["r"]
	reset := time.Duration(limit["t"]) * time.Second
	switch quota := scarcest(header, "Ratelimit-Policy", "q", "w")["q"]; {
	case !known:
		remaining = -1
	case remaining == 0:
		pause = max(pause, reset)
	case remaining < cmp.Or(quota, documentedQuota)/4 && reset <= c.maxWait:
		c.pace.space(remaining, reset)
	}
	if pause > 0 && pause <= c.maxWait {
		c.pace.hold(pause)
	}
	return remaining
}

// retryAfter reads the header Retry-After, which holds seconds or a date; 0 if it is missing.
func retryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second // Out of range: the longest duration.
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// scarcest reads the whole numbers among the parameters of a policy: of several in a header that
// have two of them, the one that has the least of the first.
func scarcest(header http.Header, name, of, with string) (least map[string]int64) {
	for policy := range strings.SplitSeq(strings.Join(header.Values(name), ","), ",") {
		numbers := map[string]int64{}
		for parameter := range strings.SplitSeq(policy, ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			if n, err := strconv.ParseUint(value, 10, 31); err == nil {
				numbers[key] = int64(n)
			}
		}
		n, counted := numbers[of]
		if _, whole := numbers[with]; counted && whole && (least == nil || n < least[of]) {
			least = numbers
		}
	}
	return least
}

// largestError is how large an answer may be for its errors to be read.
const largestError = 64 << 10

// newError makes an error of an answer that is not a page, with the service's own errors if they
// can be read.
func newError(l *listing, response *http.Response, body []byte) *Error {
	var envelope auditlogsapi.ErrorEnvelope
	if len(body) <= largestError {
		_ = json.Unmarshal(body, &envelope, decodeOptions)
	}
	return &Error{
		StatusCode: response.StatusCode,
		RayID:      response.Header.Get("CF-Ray"),
		RetryAfter: retryAfter(response.Header),
		Request:    l.String(),
		Attempts:   1,
		History:    HistoryStatus(envelope.ResultInfo.HistoryStatus),
		Details:    slices.DeleteFunc(envelope.Errors, func(d Detail) bool { return d == Detail{} }),
	}
}

const redacted = "[redacted]"

// shortestSecret keeps the short tokens of programs under test from being removed from messages.
// Cloudflare's tokens have 40 characters.
const shortestSecret = 8

// redact removes the token from a text, whatever its case.
func redact(text, token string) string {
	if len(token) < shortestSecret {
		return text
	}
	return regexp.MustCompile("(?i)"+regexp.QuoteMeta(token)).ReplaceAllLiteralString(text, redacted)
}

// hideToken removes the token from everything that an error shows, in case the network or the
// service has put it there, and adds which request failed.
func hideToken(err error, token string, l *listing) error {
	if answered, ok := errors.AsType[*Error](err); ok {
		answered.RayID = redact(answered.RayID, token)
		answered.History = HistoryStatus(redact(string(answered.History), token))
		for i := range answered.Details {
			answered.Details[i].Message = redact(answered.Details[i].Message, token)
		}
		return answered
	}
	text := redact(err.Error(), token)
	return &transportError{text: l.String() + ": " + printable(text), cause: err, open: text == err.Error()}
}
