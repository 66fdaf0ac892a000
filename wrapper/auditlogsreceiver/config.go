package auditlogsreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// validate reports everything that is wrong with the configuration at once.
func validate(c *Config) error {
	var wrong []error
	add := func(format string, a ...any) { wrong = append(wrong, fmt.Errorf(format, a...)) }
	if len(c.Accounts)+len(c.Organizations) == 0 {
		add("accounts and organizations are empty: want the ID of an account, such as accounts: [{id: 4bb334f7c94c4a29a045f03944f072e5}]")
	}
	if c.Token != "" && c.TokenFile != "" {
		add("both token and token_file are given: want one of them")
	}
	switch {
	case c.Storage == nil && !c.AllowLossOnRestart:
		add("storage is missing: want a storage extension, such as storage: file_storage, or else allow_loss_on_restart: true")
	case c.Storage != nil && c.AllowLossOnRestart:
		add("both storage and allow_loss_on_restart are given: want one of them")
	}
	if c.RetryOnFailure.InitialInterval <= 0 || c.RetryOnFailure.MaxInterval < c.RetryOnFailure.InitialInterval {
		add("retry_on_failure waits %s up to %s: want an initial_interval above 0, and a max_interval that is not below it, such as 5s and 30s",
			c.RetryOnFailure.InitialInterval, c.RetryOnFailure.MaxInterval)
	}
	if r := c.RetryOnFailure; r.Multiplier < 1 || r.RandomizationFactor < 0 || r.RandomizationFactor > 1 {
		add("retry_on_failure has the multiplier %g and the randomization_factor %g: want a multiplier of 1 or more, and a factor from 0 to 1, such as 1.5 and 0.5",
			r.Multiplier, r.RandomizationFactor)
	}
	if c.RetryOnFailure.MaxElapsedTime < 0 {
		add("retry_on_failure.max_elapsed_time is %s: want 0s, which never drops a batch, or more", c.RetryOnFailure.MaxElapsedTime)
	}
	seen := map[string]bool{}
	for _, l := range c.logs() {
		if seen[l.key()] {
			add("%s: the ID %s is given twice: want it once", l.field, l.ID)
		}
		seen[l.key()] = true
		switch {
		case l.Token != "" && l.TokenFile != "":
			add("%s: both token and token_file are given: want one of them", l.field)
		case c.credential(l) == credential{}:
			add("%s: there is no token: want token: ${env:CLOUDFLARE_API_TOKEN}, or token_file: /run/secrets/cloudflare, for this log or for all", l.field)
		}
	}
	query, options, err := c.following()
	if err != nil {
		wrong = append(wrong, err)
	}
	if wrong == nil {
		wrong = c.tryOut(query, options)
	}
	return errors.Join(wrong...)
}

// validateLog is for what mdatagen generates. A log is validated with the rest, which it needs.
func validateLog(*Log) error { return nil }

// tryOut makes what Start makes, whose checks are the ones that count.
func (c *Config) tryOut(query auditlogs.Query, options []follow.Option) (wrong []error) {
	logs, err := c.open()
	if err != nil {
		return []error{err}
	}
	said := map[string]bool{} // What is wrong with all logs is said once.
	for _, l := range logs {
		if _, err := follow.New(l.log, query, l.state, options...); err != nil && !said[err.Error()] {
			said[err.Error()] = true
			wrong = append(wrong, fmt.Errorf("%s: %w", l.field, err))
		}
	}
	return wrong
}

// A source is a log as it is configured.
type source struct {
	Log
	field        string // where it is in the configuration
	organization bool
}

func (c *Config) logs() []source {
	var all []source
	for i, l := range c.Accounts {
		all = append(all, source{l, fmt.Sprintf("accounts[%d]", i), false})
	}
	for i, l := range c.Organizations {
		all = append(all, source{l, fmt.Sprintf("organizations[%d]", i), true})
	}
	return all
}

// key is the name of the log's state. It must never change.
func (s source) key() string {
	kind := "account"
	if s.organization {
		kind = "organization"
	}
	return kind + "/" + strings.ToLower(s.ID)
}

// A credential is a token, or the file that holds it.
type credential struct{ token, file string }

func (c *Config) credential(s source) credential {
	if s.Token != "" || s.TokenFile != "" {
		return credential{string(s.Token), s.TokenFile}
	}
	return credential{string(c.Token), c.TokenFile}
}

// open returns the logs, whose states last as long as the collector. They share a client for each
// credential, since the service's budget is for each user.
func (c *Config) open(further ...auditlogs.Option) (logs []*followed, err error) {
	type reader struct {
		client *auditlogs.Client
		budget *budget
	}
	readers := map[credential]reader{}
	for _, s := range c.logs() {
		is := c.credential(s)
		by, known := readers[is]
		if !known {
			by.budget = newBudget()
			options := append([]auditlogs.Option{auditlogs.WithBaseURL(c.Endpoint), auditlogs.WithObserver(by.budget)}, further...)
			if is.file != "" {
				options = append(options, auditlogs.WithTokenSource(readToken(is.file)))
			}
			if by.client, err = auditlogs.New(is.token, options...); err != nil {
				return nil, fmt.Errorf("%s, or endpoint: %w", s.field, err)
			}
			readers[is] = by
		}
		log := by.client.Account(s.ID)
		if s.organization {
			log = by.client.Organization(s.ID)
		}
		logs = append(logs, &followed{source: s, log: log, state: new(memory), budget: by.budget})
	}
	return logs, nil
}

// largestToken bounds what is read from a token file, which may be any file.
const largestToken = 64 << 10

// readToken returns a source that reads a file each time it is asked, so that a new token counts
// from the next request on.
func readToken(path string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		file, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("token_file: %w", err)
		}
		defer func() { _ = file.Close() }()
		text, err := io.ReadAll(io.LimitReader(file, largestToken))
		if err != nil {
			return "", fmt.Errorf("token_file: %w", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" {
			return "", fmt.Errorf("token_file: %s is empty: want the token in it, and nothing else", path)
		}
		return token, nil
	}
}

// filters are those of the API, by name.
var filters = func() map[string]auditlogsapi.Parameter {
	all := map[string]auditlogsapi.Parameter{}
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if new(auditlogs.Query).Filter(p.Name) != nil {
			all[p.Name] = p
		}
	}
	return all
}()

// following returns what is followed of each log, and how.
func (c *Config) following() (query auditlogs.Query, options []follow.Option, err error) {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(c.Filters)) {
		p, known := filters[name]
		values := c.Filters[name]
		switch {
		case !known:
			wrong = append(wrong, fmt.Errorf("filters: there is no filter %q: want one of %s", name, strings.Join(filtersLike(name), ", ")))
		case len(values) == 0:
			wrong = append(wrong, fmt.Errorf("filters: %s has no values: want %s, or the filter left out", name, p.Wanted()))
		default:
			*query.Filter(name) = values
		}
	}
	options = []follow.Option{
		follow.WithInterval(c.Interval),
		follow.WithSettle(c.Settle),
		follow.WithLookBack(c.LookBack, min(max(c.LookBack/3, time.Second), time.Hour)),
		follow.WithOverlap(min(max(c.LookBack/2, time.Second), follow.DefaultOverlap)),
		follow.WithoutEnd(),
	}
	if age, ok := parseAge(c.Start); ok {
		options = append(options, follow.WithStartAge(age))
	} else if at, err := auditlogs.ParseTime(c.Start); err == nil {
		query.Since = auditlogs.Time(at)
	} else if c.Start != "" {
		wrong = append(wrong, fmt.Errorf("start is %q: want an age such as 24h or 30d, a date such as 2026-10-31, or a time such as 2026-10-31T08:30:00Z", c.Start))
	}
	return query, options, errors.Join(wrong...)
}

// filtersLike returns the filters that start with the same word as a mistyped one; all of them if
// none does.
func filtersLike(name string) []string {
	word, _, _ := strings.Cut(name, "_")
	names := slices.Sorted(maps.Keys(filters))
	if like := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, word+"_") }); len(like) > 0 {
		return like
	}
	return names
}

// unknown returns the values of filters that the contract does not list, in words. They are sent
// all the same, since the service adds new ones.
func (c *Config) unknown() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(c.Filters)) {
		for _, value := range c.Filters[name] {
			if !filters[name].Knows(value) {
				all = append(all, fmt.Sprintf("%s is %q: want %s", name, value, filters[name].Wanted()))
			}
		}
	}
	return all
}

// parseAge reads a length of time above 0: days, or what Go calls a duration.
func parseAge(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0
	}
	age, err := time.ParseDuration(text)
	return age, err == nil && age > 0
}
