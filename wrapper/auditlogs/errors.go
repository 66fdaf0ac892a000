package auditlogs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// The kinds of errors that this package returns, for [errors.Is].
var (
	// ErrInvalidQuery: the query, the account ID or the position was refused, before any request if
	// it violates the contract, and by the service (status 400) otherwise.
	ErrInvalidQuery = errors.New("invalid query")
	// ErrUnauthorized: the service does not accept the token (status 401).
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden: the token may not read the audit log of this account or organization, or there
	// is no such one (status 403).
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: the service knows no such path or, if [Error].History is set, no such entry
	// (status 404).
	ErrNotFound = stored.ErrNotFound
	// ErrRateLimited: the request budget is used up (status 429).
	ErrRateLimited = errors.New("rate limited")
	// ErrMalformedResponse: the response is not a valid answer: not JSON, cut short, without
	// success, or without status 200.
	ErrMalformedResponse = errors.New("malformed response")
	// ErrCursorLoop: the service repeated a cursor, so that the listing would never end.
	ErrCursorLoop = errors.New("cursor loop")
	// ErrLimitExceeded: a response exceeds one of the [Limits].
	ErrLimitExceeded = errors.New("limit exceeded")
	// ErrTimeout: an attempt took longer than [WithTimeout] allows.
	ErrTimeout = errors.New("timeout")
	// ErrRedirect: the service answered with a redirect, which is never followed.
	ErrRedirect = errors.New("redirect refused")
)

// A Detail is one error as the service describes it. A Code of 0 means that the service gave none.
type Detail = auditlogsapi.Message

// An Error is an answer of the service that is not a page: a status other than 200, or an answer
// that reports a failure.
type Error struct {
	StatusCode int           // the HTTP status
	Details    []Detail      // the service's errors; nil if the body is not in its format
	RayID      string        // the request's Ray ID, for Cloudflare's support; empty if the answer had none
	RetryAfter time.Duration // how long the service asks to wait; 0 if it does not
	Attempts   int           // how many requests were made, this one included
	Request    string        // the method and path of the request
	History    HistoryStatus // status of a refused history: [HistoryUnavailable] if there is no such entry; otherwise empty
}

// Retryable reports whether the same request may succeed later by itself: the service failed
// (status 408 or 500 and above), was asked too often (429), or answered 200 without success. See
// [Retryable].
func (e *Error) Retryable() bool {
	status := e.StatusCode
	return status < 300 || status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests
}

// Retryable reports whether what ended with err may succeed later by itself, without anybody
// changing the query, the token or a limit. That is so for trouble with the network, and for an
// [*Error] that says so. The client has made a few attempts before it returns such an error; a
// program that can wait for longer tries again after a pause of its own, and no sooner than
// [Error].RetryAfter.
func Retryable(err error) bool {
	if answered, ok := errors.AsType[*Error](err); ok {
		return answered.Retryable()
	}
	return err != nil && !errors.Is(err, ErrInvalidQuery) && !errors.Is(err, ErrLimitExceeded) && !errors.Is(err, stored.ErrDamaged) && !errors.Is(err, ErrNotFound)
}

// Error describes the request, the answer, and what to do about it.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: status %d", e.Request, e.StatusCode)
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + strings.ToLower(text))
	}
	for i, d := range e.Details {
		if i == maxDetails {
			fmt.Fprintf(&b, "; and %d more", len(e.Details)-i)
			break
		}
		fmt.Fprintf(&b, "; %s", printable(d.Message))
		if d.Code != 0 {
			fmt.Fprintf(&b, " (code %d)", d.Code)
		}
	}
	if e.RayID != "" {
		b.WriteString("; ray " + printable(e.RayID))
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, "; after %d attempts", e.Attempts)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; the service asks to wait %s", e.RetryAfter)
	}
	if hint, _ := e.meaning(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// maxDetails bounds how much of a long error list a message repeats; Details holds them all.
const maxDetails = 5

// meanings are what statuses mean: the kind of error, and what to do about it.
var meanings = []struct {
	from, to int
	kind     error
	hint     string
}{
	{200, 299, ErrMalformedResponse, "the service answered without success; try again later"},
	{300, 399, ErrRedirect, "redirects are not followed; check the base URL"},
	{400, 400, ErrInvalidQuery, ""},
	{401, 401, ErrUnauthorized, "check that the token is whole and has not expired"},
	{403, 403, ErrForbidden, `check the account ID, and that the token has the permission "Account Settings: Read" on that account ("Access: Audit Logs" is not enough)`},
	{404, 404, ErrNotFound, "check the account ID, or the organization ID, and the base URL"},
	{429, 429, ErrRateLimited, "the budget of 1200 requests in 5 minutes is shared with the user's dashboard and other tools"},
	{500, math.MaxInt, nil, "the service failed; try again later"},
}

func (e *Error) meaning() (hint string, kind error) {
	switch {
	case e.StatusCode == http.StatusForbidden && strings.HasPrefix(e.Request, "GET /organizations/"):
		return "check the organization ID, and that the token may read the audit log of that organization", ErrForbidden
	case e.StatusCode == http.StatusNotFound && e.History != "":
		return "the service knows no such entry; check its ID, and that the action time is the entry's own", ErrNotFound
	}
	for _, m := range meanings {
		if m.from <= e.StatusCode && e.StatusCode <= m.to {
			return m.hint, m.kind
		}
	}
	return "", nil
}

// Is reports whether e is of the kind of target.
func (e *Error) Is(target error) bool {
	_, kind := e.meaning()
	return kind != nil && kind == target
}

// LogValue groups the error's fields for log/slog.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("message", e.Error()),
		slog.Int("status", e.StatusCode),
		slog.String("ray", e.RayID),
		slog.Int("attempts", e.Attempts),
	)
}

// An IncompleteError ends an iteration that could not see every entry. It wraps what ended it.
type IncompleteError struct {
	// Position is where to resume with [From]: directly after the last entry that was delivered,
	// whether or not it was handled: see [Entry.Before]. It is the zero Position if nothing was
	// delivered.
	Position Position
	// Err is what ended the iteration.
	Err error
}

// Error says what ended the iteration, and how to resume it.
func (e *IncompleteError) Error() string {
	if e.Position.IsZero() {
		return fmt.Sprintf("listing incomplete, nothing delivered: %v", e.Err)
	}
	return fmt.Sprintf("listing incomplete: %v; resume from position %s", e.Err, e.Position)
}

// Unwrap returns what ended the iteration.
func (e *IncompleteError) Unwrap() error { return e.Err }

// A transportError is a request without a usable answer: the network failed, or the response is
// malformed. Its text does not contain the token, whatever the network's own error holds.
type transportError struct {
	text  string
	cause error
	open  bool // the cause does not hold the token, so that Unwrap may return it
}

func (e *transportError) Error() string        { return e.text }
func (e *transportError) Is(target error) bool { return errors.Is(e.cause, target) }

func (e *transportError) Unwrap() error {
	if e.open {
		return e.cause
	}
	return nil
}

// Format prints the text, even for a verb that prints fields.
func (e *transportError) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.text) }

// printable makes text from the network safe for terminals and logs, and bounds it.
func printable(text string) string {
	const bound = 300
	var b strings.Builder
	for _, r := range text {
		if b.Len() >= bound {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteRune('\uFFFD')
		}
	}
	return b.String()
}
