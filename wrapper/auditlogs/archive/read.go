package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
	"cfaudit.example/wrapper/auditlogs/match"
)

// An Archive is what was kept of one or several logs in folders and files. It is safe for use by
// several goroutines.
type Archive struct {
	files      []*file
	sealed     []*file         // by their manifests, also where there is no file
	known      map[string]bool // the full paths of the files
	lost       []*file         // exports of which only the manifest is there
	categories []string        // the files that hold them
	client     *auditlogs.Client

	reading   sync.Mutex
	lostLinks map[string][]*file // by the path of the log's folder
}

// Open looks for the files at the paths of folders and files. It does not read them: that is left
// to the listings. In a folder and those below it, files of entries are the ones whose names end in
// .ndjson or .jsonl, and .gz or .zst after that; a file that is named itself can have any name.
//
// A listing fails with [ErrDamaged] where entries would come that are damaged or were removed, as
// far as manifests show: see the README. In a plain file without a manifest, a filter can drop a
// damaged line that still starts and ends like an object. Files that are added, restored or removed
// later are not noticed: open the archive again.
func Open(paths ...string) (*Archive, error) {
	if len(paths) == 0 {
		return nil, errors.New("archive: there is no path: want a folder or a file")
	}
	a := &Archive{known: map[string]bool{}, lostLinks: map[string][]*file{}}
	if err := a.find(paths); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	a.client = stored.Client(source{a}).(*auditlogs.Client)
	return a, nil
}

// Entries lists the entries of all logs that match the query, as the Entries of [Archive.Log] do.
func (a *Archive) Entries(ctx context.Context, query auditlogs.Query, options ...auditlogs.ListOption) iter.Seq2[*auditlogs.Entry, error] {
	return a.Log().Entries(ctx, query, options...)
}

// Log returns all logs of the archive together. An entry that several of them have is listed once
// for each; its Account or Organization says for which.
func (a *Archive) Log() *auditlogs.Log { return stored.Everything(a.client).(*auditlogs.Log) }

// Account returns the log of an account.
func (a *Archive) Account(id string) *auditlogs.Log { return a.client.Account(id) }

// Organization returns the log of an organization.
func (a *Archive) Organization(id string) *auditlogs.Log { return a.client.Organization(id) }

// Client returns a client whose logs are those of the archive, for code that is written for a
// client. It makes no requests.
func (a *Archive) Client() *auditlogs.Client { return a.client }

// A source answers the listings of an archive's client.
type source struct{ *Archive }

// Open starts a listing.
func (s source) Open(r stored.Request) stored.Listing {
	return &listing{archive: s.Archive, request: r, decoders: newDecoders(), spill: new(spill)}
}

// pageBytes bounds a page of large entries, in memory.
const pageBytes = 4 << 20

// A listing is one run through the entries that a request asks for.
type listing struct {
	archive  *Archive
	request  stored.Request
	decoders *sync.Pool
	spill    *spill

	prepared bool
	matcher  *match.Matcher
	history  auditlogs.HistoryStatus

	stop    context.CancelFunc
	running *sync.WaitGroup
	merge   *merge
	next    *item  // that comes first on the next page
	failed  error  // what comes after the page that has been returned
	cursor  cursor // of the next page
}

// A cursor is a place in a listing: after a number of entries of one time.
type cursor struct {
	time  time.Time
	count int
}

func (c cursor) String() string {
	if c.count == 0 {
		return ""
	}
	return c.time.Format(time.RFC3339Nano) + "/" + strconv.Itoa(c.count)
}

func parseCursor(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	at, count, _ := strings.Cut(text, "/")
	if c.time, err = time.Parse(time.RFC3339Nano, at); err == nil {
		c.count, err = strconv.Atoi(count)
	}
	if err != nil {
		return c, fmt.Errorf("%w: cursor %q is not one of an archive: want none, or the position that it is from", auditlogs.ErrInvalidQuery, text)
	}
	return c, nil
}

// after moves the cursor after an entry.
func (c *cursor) after(i *item) {
	if !i.time.Equal(c.time) {
		*c = cursor{time: i.time}
	}
	c.count++
}

// Next returns the page at a cursor.
func (l *listing) Next(ctx context.Context, at string) (*stored.Page, error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	page := &stored.Page{History: string(l.history)}
	if l.history == auditlogs.HistoryUnavailable {
		return page, nil
	}
	if l.merge == nil || at != l.cursor.String() {
		if err := l.from(ctx, at); err != nil {
			return nil, err
		}
	}
	limit := auditlogs.DefaultLimit
	if given := l.request.Values("limit"); len(given) > 0 {
		limit, _ = strconv.Atoi(given[0]) // The query was checked.
	}
	for bytes := 0; l.next != nil && len(page.Entries) < limit && bytes < pageBytes; {
		page.Entries = append(page.Entries, l.next.entry)
		page.Logs = append(page.Logs, l.next.log)
		bytes += l.next.bytes()
		l.cursor.after(l.next)
		l.next, l.failed = l.merge.next(ctx)
	}
	if l.failed != nil && len(page.Entries) == 0 {
		return nil, l.failed
	}
	if l.next != nil || l.failed != nil {
		page.Cursor = l.cursor.String()
	}
	return page, nil
}

// from starts to read at a cursor.
func (l *listing) from(ctx context.Context, at string) (err error) {
	l.end()
	if l.cursor, err = parseCursor(at); err != nil {
		return err
	}
	since, before := l.request.Since, l.request.Before
	switch {
	case l.cursor.count == 0:
	case l.request.Descends:
		before = l.cursor.time.Add(1)
	default:
		since = l.cursor.time
	}
	if l.merge, err = l.read(ctx, newFilter(l.matcher, since, before, l.request.Since, l.request.Log), order{l.request.Descends}); err != nil {
		l.end()
		return err
	}
	l.next, l.failed = l.merge.next(ctx)
	for range l.cursor.count {
		if l.next == nil || !l.next.time.Equal(l.cursor.time) {
			break
		}
		l.next, l.failed = l.merge.next(ctx)
	}
	return nil
}

// mostAhead bounds how many files are read side by side.
const mostAhead = 8

// read starts to read the entries that pass a filter.
func (l *listing) read(ctx context.Context, want *filter, o order) (*merge, error) {
	losses, err := l.archive.losses(want)
	if err != nil {
		return nil, err
	}
	ctx, l.stop = context.WithCancel(ctx)
	r := &reading{order: o, filter: want, decoders: l.decoders, spill: l.spill}
	l.running = &r.running
	var units []*unit
	var unknown []*file
	for _, f := range slices.Concat(losses, l.archive.files) {
		switch {
		case !want.of(f.log):
		case !f.ordered:
			unknown = append(unknown, f)
		case !want.overlaps(f.since, f.before):
		case o.descends:
			units = append(units, &unit{file: f, start: f.before})
		default:
			units = append(units, &unit{file: f, start: f.since, ordered: !f.disordered()})
		}
	}
	workers := min(runtime.GOMAXPROCS(0), mostAhead)
	surveyed, err := r.survey(ctx, unknown, workers)
	if err != nil {
		return nil, err
	}
	return newMerge(ctx, r, append(units, surveyed...), workers), nil
}

// end stops all reading.
func (l *listing) end() {
	if l.stop != nil {
		l.stop()
		l.running.Wait()
	}
	l.stop, l.merge, l.next, l.failed = nil, nil, nil, nil
}

// Close ends the listing.
func (l *listing) Close() {
	l.end()
	l.spill.close()
}

// prepare finds out which entries are listed, once.
func (l *listing) prepare(ctx context.Context) (err error) {
	if l.prepared {
		return nil
	}
	if err := l.archive.has(l.request.Log); err != nil {
		return err
	}
	if l.request.Entry != "" {
		l.matcher, l.history, err = l.related(ctx)
	} else {
		l.matcher, err = match.New(&auditlogsapi.ListAccountAuditLogsOperation, l.request.Values, l.archive.productsOf)
	}
	l.prepared = err == nil
	return err
}

// nearby is how far the time in a request for a history may be from that of its entry, as with the
// service.
const nearby = time.Minute

// related returns what the entries about the same resource as the request's entry have in common.
func (l *listing) related(ctx context.Context) (*match.Matcher, auditlogs.HistoryStatus, error) {
	at, _ := auditlogs.ParseTime(l.request.Values("action_time")[0]) // The query was checked.
	query := auditlogs.Query{ID: []string{l.request.Entry}}
	byID, err := match.New(&auditlogsapi.ListAccountAuditLogsOperation, query.Values, nil)
	if err != nil {
		return nil, "", err
	}
	defer l.end()
	found, err := l.read(ctx, newFilter(byID, at.Add(-nearby), at.Add(nearby+1), at, l.request.Log), order{})
	if err != nil {
		return nil, "", err
	}
	one, err := found.next(ctx)
	switch {
	case err != nil:
		return nil, "", err
	case one == nil:
		return nil, "", fmt.Errorf("%w: the archive has no entry %s with a time near %s: want the entry's own id and action.time", stored.ErrNotFound, l.request.Entry, auditlogs.Time(at))
	}
	matcher, status := match.SameResource(match.Read(one.entry))
	return matcher, status, nil
}

// has returns an error if the archive is known not to have a log.
func (a *Archive) has(log string) error {
	logs := map[string]bool{}
	for _, f := range slices.Concat(a.files, a.sealed, a.lost) {
		logs[f.log] = true
	}
	if log == "" || logs[log] || logs[""] { // What does not say which log it is from may be of any.
		return nil
	}
	return fmt.Errorf("%w: the archive has no log %s: want one of %s", stored.ErrNotFound, log, strings.Join(slices.Sorted(maps.Keys(logs)), ", "))
}

// productsOf returns the products of categories, which only the service knows otherwise.
func (a *Archive) productsOf(p auditlogsapi.Parameter, names []string) (products []string, err error) {
	if a.categories == nil {
		return nil, fmt.Errorf("%w: %s: the archive does not know the products of a category: want them in %s, or a file %s in the archive's folder, as \"cfaudit products --format ndjson\" prints it",
			auditlogs.ErrInvalidQuery, p.Name, p.Joins, categoriesFile)
	}
	known := map[string]bool{}
	for _, file := range a.categories {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(data) {
			var c auditlogs.ProductCategory
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			if json.Unmarshal(line, &c) != nil {
				return nil, fmt.Errorf("%s: %w: it does not hold product categories: write it with \"cfaudit products --format ndjson\"", file, ErrDamaged)
			}
			for _, name := range names {
				if !strings.EqualFold(c.Value, name) {
					continue
				}
				known[name] = true
				for _, product := range c.Products {
					products = append(products, product.Value)
				}
			}
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("%w: %s is %q, which is not a category of %s", auditlogs.ErrInvalidQuery, p.Name, name, categoriesFile)
		}
	}
	return products, nil
}
