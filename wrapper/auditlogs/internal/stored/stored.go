// Package stored lets package archive answer the listings of a client from files, so that an
// archive has the same Log, pages, positions and errors as the service. Package auditlogs sets the
// functions, since only it can make clients and sees inside of an entry. Values of type any stand
// for its types, which this package cannot import.
package stored

import (
	"context"
	"errors"
	"time"
)

// A Source answers listings in place of the service.
type Source interface {
	// Open starts a listing. It reads nothing yet.
	Open(Request) Listing
}

// A Request is what a listing asks for.
type Request struct {
	Log           string                     // the name of the log's folder; empty for all logs together
	Entry         string                     // the ID of the entry whose history is listed; empty for a log
	Since, Before time.Time                  // the window
	Descends      bool                       // from the newest entry to the oldest
	Values        func(name string) []string // the values of a parameter, as it is called on the wire
}

// A Listing is one run through what a request asks for.
type Listing interface {
	// Next returns the page at a cursor, which is empty for the first one.
	Next(ctx context.Context, cursor string) (*Page, error)
	// Close ends everything that the listing started.
	Close()
}

// A Page is a part of a listing.
type Page struct {
	Entries []any    // of type *auditlogs.Entry
	Logs    []string // for each entry, the name of the log that it is from
	Cursor  string   // of the next page; empty on the last
	History string   // the status of a history
}

var (
	// ErrNotFound: there is no entry with the ID of a history.
	ErrNotFound = errors.New("not found")
	// ErrDamaged: a file is not what was written. Reading it again does not help.
	ErrDamaged = errors.New("damaged")
)

var (
	// Client returns a *auditlogs.Client that asks a source.
	Client func(Source) any
	// Everything returns the *auditlogs.Log of all logs of such a client.
	Everything func(client any) any
	// Decode returns the *auditlogs.Entry of a line, and false for one that is not a JSON object.
	// The entry does not share the line's memory.
	Decode func(line []byte) (entry any, ok bool)
)

// Organization starts the name of an organization's log. That of an account is its ID alone.
const Organization = "organization-"
