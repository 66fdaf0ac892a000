package auditlogsreceiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

// Each mistake is refused with a message that shows a right value.
func TestConfig(t *testing.T) {
	const id = "00000000000000000000000000000001"
	storage := component.MustNewID("file_storage")
	for _, test := range []struct {
		name   string
		change func(*Config)
		wrong  []string // what the message has; none for a right configuration
	}{
		{"the least", func(*Config) {}, nil},
		{"a storage", func(c *Config) { c.Storage, c.AllowLossOnRestart = &storage, false }, nil},
		{"no storage", func(c *Config) { c.AllowLossOnRestart = false }, []string{"storage: file_storage", "allow_loss_on_restart: true"}},
		{"a storage, and none", func(c *Config) { c.Storage = &storage }, []string{"both storage and allow_loss_on_restart"}},
		{"no log", func(c *Config) { c.Accounts = nil }, []string{"accounts: [{id: 4bb334f7c94c4a29a045f03944f072e5}]"}},
		{"an account that is none", func(c *Config) { c.Accounts[0].ID = "alice" }, []string{"accounts[0]", `"alice"`, "32 hexadecimal digits"}},
		{"an account without an ID", func(c *Config) { c.Accounts = append(c.Accounts, Log{}) }, []string{"accounts[1]", "32 hexadecimal digits"}},
		{"an account twice", func(c *Config) { c.Accounts = append(c.Accounts, Log{ID: strings.ToUpper(account)}) }, []string{"accounts[1]", "given twice"}},
		{"an organization alone", func(c *Config) { c.Accounts, c.Organizations = nil, []Log{{ID: id}} }, nil},
		{"an account and an organization with the same ID", func(c *Config) { c.Organizations = []Log{{ID: account}} }, nil},
		{"no token", func(c *Config) { c.Token = "" }, []string{"accounts[0]", "token: ${env:CLOUDFLARE_API_TOKEN}", "token_file: "}},
		{"a token for one of two", func(c *Config) {
			c.Token = ""
			c.Accounts = append(c.Accounts, Log{ID: id, Token: token})
		}, []string{"accounts[0]: there is no token"}},
		{"a token of its own for each", func(c *Config) { c.Accounts[0].Token, c.Token = c.Token, "" }, nil},
		{"a token and a file", func(c *Config) { c.TokenFile = "token" }, []string{"both token and token_file"}},
		{"a token and a file for an account", func(c *Config) { c.Accounts[0].Token, c.Accounts[0].TokenFile = token, "token" }, []string{"accounts[0]: both token and token_file"}},
		{"a token with a line break", func(c *Config) { c.Token = "a\nb" }, []string{"token"}},
		{"an endpoint that is none", func(c *Config) { c.Endpoint = "api.cloudflare.com" }, []string{"endpoint", "https://api.cloudflare.com/client/v4"}},
		{"an endpoint in plain text", func(c *Config) { c.Endpoint = "http://proxy.example.com" }, []string{"endpoint"}},
		{"a start as an age", func(c *Config) { c.Start = "30d" }, nil},
		{"a start as a duration", func(c *Config) { c.Start = "36h30m" }, nil},
		{"a start as a date", func(c *Config) { c.Start = "2026-10-31" }, nil},
		{"a start as a time", func(c *Config) { c.Start = "2026-10-31T08:30:00+01:00" }, nil},
		{"a start that is none", func(c *Config) { c.Start = "yesterday" }, []string{`start is "yesterday"`, "24h", "2026-10-31T08:30:00Z"}},
		{"a start in the future", func(c *Config) { c.Start = "-1h" }, []string{"start", "24h"}},
		{"an interval too short", func(c *Config) { c.Interval = time.Millisecond }, []string{"interval", "1m"}},
		{"a settle time below 0", func(c *Config) { c.Settle = -time.Second }, []string{"settle", "10m"}},
		{"a look-back below 0", func(c *Config) { c.LookBack = -time.Second }, []string{"look-back", "30m"}},
		{"a look-back of a few seconds", func(c *Config) { c.LookBack = 5 * time.Second }, nil},
		{"a filter", func(c *Config) { c.Filters = map[string][]string{"actor_email.not": {"bot@example.com"}} }, nil},
		{"a value that is not known", func(c *Config) { c.Filters = map[string][]string{"action_type": {"logon"}} }, nil},
		{"a filter mistyped", func(c *Config) { c.Filters = map[string][]string{"actor_mail": {"a@example.com"}} }, []string{`"actor_mail"`, "want one of actor_context, actor_context.not, actor_email, "}},
		{"a filter that excludes, mistyped", func(c *Config) { c.Filters = map[string][]string{"actor_email_not": {"a"}} }, []string{"want one of actor_context, actor_context.not, actor_email, actor_email.not, "}},
		{"a parameter that is no filter", func(c *Config) { c.Filters = map[string][]string{"limit": {"5"}} }, []string{`no filter "limit"`}},
		{"a filter without values", func(c *Config) { c.Filters = map[string][]string{"raw_status_code": nil} }, []string{"raw_status_code has no values", "403"}},
		{"a value of the wrong type", func(c *Config) { c.Filters = map[string][]string{"raw_status_code": {"4xx"}} }, []string{"raw_status_code", "403"}},
		{"a filter that organizations lack", func(c *Config) {
			c.Organizations = []Log{{ID: id}}
			c.Filters = map[string][]string{"zone_id": {id}}
		}, []string{"organizations[0]", "no filter zone_id"}},
		{"a schema that is none", func(c *Config) { c.Schema = "cef" }, []string{"schema must be one of [otel, ecs, ocsf]"}},
		{"a retry without a pause", func(c *Config) { c.RetryOnFailure.InitialInterval = 0 }, []string{"retry_on_failure", "5s"}},
		{"a retry that gets quicker", func(c *Config) { c.RetryOnFailure.Multiplier = 0.5 }, []string{"multiplier", "1.5"}},
		{"two mistakes", func(c *Config) { c.Start, c.Token = "soon", "" }, []string{"start", "there is no token"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newConfig(func(c *Config) { c.RetryOnFailure = NewDefaultRetryOnFailure() }, test.change)
			err := c.Validate()
			if (err == nil) != (test.wrong == nil) {
				t.Fatalf("got %v", err)
			}
			for _, part := range test.wrong {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the message lacks %s: %s", part, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("the message has the token: %s", err)
			}
		})
	}
}

// A configuration as it is written.
func TestConfigFile(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c := createDefaultConfig().(*Config)
	if err := conf.Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	if err := confmap.Validate(c); err != nil {
		t.Fatal(err)
	}
	if c.Filters["actor_email.not"][0] != "bot@example.com" || c.Accounts[1].TokenFile == "" || c.Storage.String() != "file_storage/state" ||
		c.LookBack != time.Hour || c.RetryOnFailure.MaxElapsedTime != 0 || c.RetryOnFailure.MaxInterval != time.Minute {
		t.Errorf("got %+v", c)
	}
}

// A token file is read for each request.
func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	read := readToken(path)
	for _, test := range []struct{ text, want, wrong string }{
		{"first\n", "first", ""},
		{"  second", "second", ""},
		{" \n", "", "empty"},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := read(t.Context())
		if got != test.want || (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%q: got %q, %v", test.text, got, err)
		}
	}
	if _, err := readToken(path + "2")(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is missing: %v", err)
	}
}
