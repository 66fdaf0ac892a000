package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogstest"
)

// The environment variables that replace flags. There is no flag for the token: other users of the
// machine can see command lines, and shells keep them.
const (
	envToken   = "CLOUDFLARE_API_TOKEN"
	envAccount = "CLOUDFLARE_ACCOUNT_ID"
	envBaseURL = "CLOUDFLARE_BASE_URL"
)

// What help says about them, for commands that write files or follow, and for those that print for
// people.
const (
	writerEnvironment = `Environment
CLOUDFLARE_API_TOKEN is the API token, which needs the permission "Account Settings: Read". CLOUDFLARE_ACCOUNT_ID and
CLOUDFLARE_BASE_URL are used where their flags are missing.`
	readerEnvironment = `Environment
CLOUDFLARE_API_TOKEN is the API token. It needs the permission "Account Settings: Read" on the account, or must belong to an
administrator of the organization. CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_BASE_URL are used where their flags are missing.
NO_COLOR turns colours off.`
)

// A connection is how a command reaches the API, and what it tells the user meanwhile.
type connection struct {
	invocation
	client   *auditlogs.Client
	progress progress
	observer auditlogs.Observer // instead of the progress; nil for none

	logs    []logName // of accounts and organizations
	several bool      // more than one can be given

	baseURL string
	timeout time.Duration
	retries int
	rate    float64
	verbose bool
	demo    bool
	clock   string // what a wrong clock of this machine means for this command; empty for nothing

	serviceOnly bool     // the command does not read archives
	archives    []string // folders and files that are read in place of the service
	archive     *archive.Archive
}

const (
	groupConnection = "Connection"
	baseURLFlag     = "base-url"

	accountFlagName      = "account"
	organizationFlagName = "organization"
)

func (c *connection) flags() []*flagValue {
	c.timeout, c.retries = auditlogs.DefaultTimeout, auditlogs.DefaultAttempts-1
	flags := []*flagValue{c.accountFlag()}
	if !c.serviceOnly {
		flags = append(flags, c.archiveFlag())
	}
	return append(flags, []*flagValue{
		{
			name: baseURLFlag, placeholder: "URL", group: groupConnection,
			help:      "where the API is",
			byDefault: "$" + envBaseURL + ", else " + auditlogs.DefaultBaseURL,
			want:      baseURLWanted,
			set: func(value string) bool {
				c.baseURL = value
				return checkBaseURL(value)
			},
		},
		{
			name: "timeout", placeholder: "DURATION", group: groupConnection,
			help:      "how long one request may take, from its start to the last byte of its answer",
			byDefault: "1m",
			want:      "a length of time above 0, such as 30s or 2m",
			examples:  []string{"30s", "1m", "5m"},
			set:       parsed(&c.timeout, time.ParseDuration, func(d time.Duration) bool { return d > 0 }),
		},
		{
			name: "retries", placeholder: "N", group: groupConnection,
			help:      "how often a failed request is sent again",
			byDefault: strconv.Itoa(c.retries),
			want:      "a whole number from 0 to 1000, such as 3",
			set:       whole(&c.retries, 0, 1000),
		},
		{
			name: "rate", placeholder: "N", group: groupConnection,
			help:      "requests a second at most; 0 for no bound",
			byDefault: "what keeps 5 minutes below the service's budget of 1200 requests",
			want:      "a number from 0 to 1000000, such as 2 or 0.5",
			set: parsed(&c.rate, func(text string) (float64, error) { return strconv.ParseFloat(text, 64) },
				func(rate float64) bool { return rate >= 0 && rate <= 1e6 }),
		},
		toggle("demo", groupConnection, "read made-up entries of the last 30 days from this program itself; needs no token and no account", &c.demo),
		verboseFlag(groupConnection, &c.verbose),
	}...)
}

// A logName names the log of an account or an organization, or all logs of an archive.
type logName struct {
	organization bool
	id           string         // "all" for all logs
	all          *auditlogs.Log // of an archive; nil for the log of an account or an organization
}

func (n logName) of(client *auditlogs.Client) *auditlogs.Log {
	if n.all != nil {
		return n.all
	}
	if n.organization {
		return client.Organization(n.id)
	}
	return client.Account(n.id)
}

// in inserts the name into a file name.
func (n logName) in(file string) string {
	mark := n.id
	if n.organization {
		mark = "organization-" + mark
	}
	return strings.ReplaceAll(file, accountMark, mark)
}

// choose adds a log, or replaces the one of its kind if only one is allowed.
func (c *connection) choose(name logName) {
	c.logs = slices.DeleteFunc(c.logs, func(other logName) bool {
		return other == name || !c.several && other.organization == name.organization
	})
	c.logs = append(c.logs, name)
}

// ofOrganization reports whether the log of an organization is among the chosen ones.
func (c *connection) ofOrganization() bool {
	return slices.ContainsFunc(c.logs, func(n logName) bool { return n.organization })
}

func (c *connection) accountFlag() *flagValue {
	flag := c.logFlag(accountFlagName, described("account_id"), "the account whose audit log is read",
		"the account whose audit log is read; can be repeated, for several accounts that share one request budget")
	flag.byDefault = "$" + envAccount
	return flag
}

func (c *connection) organizationFlag() *flagValue {
	return c.logFlag(organizationFlagName, describedOf(organizationOperation, "organization_id"),
		"the organization whose audit log is read, instead of an account",
		"an organization whose audit log is read; can be repeated, and mixed with --account")
}

// logFlag chooses a log. Its help depends on whether several can be chosen.
func (c *connection) logFlag(name string, id auditlogsapi.Parameter, one, several string) *flagValue {
	flag := &flagValue{
		name: name, placeholder: "ID", group: groupConnection, repeated: c.several, help: one,
		want: id.Wanted(),
		set: func(value string) bool {
			c.choose(logName{organization: name == organizationFlagName, id: value})
			return id.Check(value) == nil
		},
	}
	if c.several {
		flag.help = several
	}
	return flag
}

// accountMark is the placeholder in a file name for the account ID, or for "organization-" and the
// organization ID.
const accountMark = "{account}"

// fileEach refuses one file name for several logs. Ending is the suffix of the name that the
// message suggests.
func (c *connection) fileEach(flag, name, ending string) error {
	if len(c.logs) > 1 && !strings.Contains(name, accountMark) {
		return c.usage("--%s names one file for %d logs: want %s in it, such as %s",
			flag, len(c.logs), accountMark, shellQuote("audit-"+accountMark+ending))
	}
	return nil
}

const baseURLWanted = "a URL with https, such as " + auditlogs.DefaultBaseURL + " (plain http only to this machine itself)"

// checkBaseURL checks the URL with the library, so that the message can show a right value.
func checkBaseURL(text string) bool {
	_, err := auditlogs.New("any-token", auditlogs.WithBaseURL(text))
	return err == nil
}

// log is the only log, of a command that reads one.
func (c *connection) log() *auditlogs.Log { return c.logs[0].of(c.client) }

// eachLog calls do for one log after the other, since they share the request budget. A log that
// fails does not stop the others: all failures but the last are printed, and the last is returned.
func (c *connection) eachLog(do func(name logName) *exit) (last *exit) {
	for _, name := range c.logs {
		failure := do(name)
		if failure == nil {
			continue
		}
		if len(c.logs) > 1 {
			failure.text = name.of(c.client).String() + ": " + failure.text
			if failure.code == exitUsage {
				failure.code = exitIncomplete // Other logs may have been read, so that "nothing was requested" would be wrong.
			}
		}
		if last != nil {
			c.env.say("cfaudit: " + last.text)
			failure.mend = failure.mend || last.mend
		}
		if last = failure; last.code == exitInterrupted {
			break
		}
	}
	return last
}

// resume adds to a failure, if there is one, the command that continues: the same command, unless
// it is wrong.
func (c *connection) resume(failure *exit, incomplete string) error {
	switch {
	case failure == nil:
		return nil
	case failure.code == exitUsage:
		return failure
	}
	failure.text += "; " + incomplete + " is incomplete"
	return failure.goOn("resume", c.again())
}

// use makes the client and calls do, whose context ends with an interrupt.
func (c *connection) use(ctx context.Context, do func(context.Context) error) error {
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	var err error
	switch {
	case !c.several && len(c.logs) > 1:
		err = c.usage("--organization and --account exclude each other: want one of them")
	case c.archives != nil:
		err = c.openArchive()
	case c.demo && c.given(baseURLFlag):
		err = c.usage("--demo and --base-url exclude each other: want one of them")
	case c.demo:
		if c.logs == nil {
			c.choose(logName{id: auditlogstest.AccountID})
		}
		server := newDemo(c.env.now())
		defer server.Close()
		err = c.connect("demo", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	default:
		err = c.connectToService()
	}
	if err != nil {
		return err
	}
	c.noteUnknownValues()
	return do(ctx)
}

// connectToService takes missing values from the environment, and refuses missing or wrong ones
// before any request.
func (c *connection) connectToService() error {
	if c.logs == nil {
		account := c.env.getenv(envAccount)
		if account == "" {
			return c.usage("the account is missing: set %s or --account to %s", envAccount, described("account_id").Wanted())
		}
		if described("account_id").Check(account) != nil {
			return c.usage("%s is %s: want %s", envAccount, excerpt(account), described("account_id").Wanted())
		}
		c.choose(logName{id: account})
	}
	if c.baseURL == "" {
		c.baseURL = c.env.getenv(envBaseURL)
		if c.baseURL != "" && !checkBaseURL(c.baseURL) {
			// The value is not shown: a URL can hold a password.
			return c.usage("%s is not usable: want %s", envBaseURL, baseURLWanted)
		}
	}
	if token := c.env.getenv(envToken); token != "" {
		return c.connect(token, auditlogs.WithBaseURL(c.baseURL))
	}
	for _, other := range []string{"CF_API_TOKEN", "CLOUDFLARE_TOKEN", "CLOUDFLARE_API_KEY", "CF_API_KEY"} {
		switch {
		case c.env.getenv(other) == "":
		case strings.HasSuffix(other, "_KEY"):
			return c.usage("%s is not set, and %s is not used, since a global API key can do everything: want an API token with the permission %q in %s",
				envToken, other, "Account Settings: Read", envToken)
		default:
			return c.usage("%s is not set, and %s is not used: want the API token in %s, as with export %s=\"$%s\"",
				envToken, other, envToken, envToken, other)
		}
	}
	if c.ofOrganization() {
		return c.usage("%s is not set: want an API token that may read the audit log of the organization (or try --demo)", envToken)
	}
	return c.usage("%s is not set: want an API token with the permission %q on the account (or try --demo)", envToken, "Account Settings: Read")
}

// connect makes the client for the service.
func (c *connection) connect(token string, options ...auditlogs.Option) (err error) {
	observer := c.observer
	if observer == nil {
		observer = &c.progress
	}
	options = append(options, auditlogs.WithObserver(&watch{Observer: observer, connection: c}),
		auditlogs.WithTimeout(c.timeout),
		auditlogs.WithRetry(c.retries+1, auditlogs.DefaultBackoff, auditlogs.DefaultMaxBackoff))
	if c.verbose {
		handler := slog.NewTextHandler(c.env.stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
		options = append(options, auditlogs.WithLogger(slog.New(handler)))
	}
	if c.given("rate") {
		options = append(options, auditlogs.WithRate(c.rate))
	}
	if c.client, err = auditlogs.New(token, options...); err != nil {
		// Without the package name, which means nothing to a user of the command.
		return c.usage("%s", cmp.Or(errors.Unwrap(err), err))
	}
	return nil
}
