package copies

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCompatible changes a copy of the repository in one place at a time, and looks at what make
// compatible says.
func TestCompatible(t *testing.T) {
	root := t.TempDir()
	copyRepository(t, root)
	run(t, root, "make", "release-contract")
	const (
		contract = "openapi/auditlogs.yaml"
		options  = "wrapper/auditlogs/options.go"
		query    = "wrapper/auditlogs/query.go"
		fake     = "wrapper/auditlogstest/options.go"
		types    = "gen/auditlogsapi/auditlogsapi.gen.go"
	)
	tests := []struct {
		name     string
		file     string
		old, new string // what is replaced where it first occurs
		all      bool   // or everywhere
		breaks   string // the line that says so, as a pattern; empty for a change that breaks nothing
		mentions string // another line that is wanted
	}{
		{name: "nothing", mentions: `^contract: 0 changes`},
		{
			name: "filter removed", file: contract, old: "        - $ref: '#/components/parameters/FilterZoneNameNot'\n",
			breaks: "^BREAKS GET /accounts/.*/logs/audit: .*`zone_name.not`",
		},
		{
			name: "filter renamed", file: contract, old: "      name: raw_uri\n", new: "      name: raw_url\n",
			breaks: "^BREAKS .*`raw_uri`", mentions: "^  also .*`raw_url`",
		},
		{
			name: "field renamed", file: contract, old: "        ip_address:\n", new: "        address:\n",
			breaks: "^BREAKS .*`result/items/actor/ip_address`", mentions: "^  also .*`result/items/actor/address`",
		},
		{
			name: "field of another type", file: contract,
			old: "          description: The HTTP status that the API answered.\n          type: integer\n", new: "          type: string\n",
			breaks: "^BREAKS .*`result/items/raw/status_code`.*from `integer` to `string`",
		},
		{
			name: "field narrowed", file: contract, old: "          x-column: 22\n", new: "          type: object\n          x-column: 22\n",
			breaks: "^BREAKS .*`result/items/resource/request`.*from `any` to `object`",
		},
		{
			name: "values narrowed", file: contract, old: "enum: [asc, desc]", new: "enum: [desc]",
			breaks: "^BREAKS .*`asc`.*`direction`",
		},
		{
			name: "value that becomes known", file: contract, old: "view, update, login]", new: "view, update, login, logout]",
			mentions: "^  also parameter action_type: known value `logout`: added",
		},
		{
			name: "value that is no longer known", file: contract, old: "view, update, login]", new: "view, update]",
			mentions: "^  also parameter action_type.not: known value `login`: removed",
		},
		{
			name: "bound narrowed", file: contract, old: "        - type: string\n          format: date\n",
			breaks: "^BREAKS .*`since` no longer takes .*date",
		},
		{
			name: "limit narrowed", file: contract, old: "        maximum: 1000\n", new: "        maximum: 100\n",
			breaks: "^BREAKS .*`limit`, the max was decreased",
		},
		{
			name: "parameter required", file: contract, old: "      name: direction\n", new: "      name: direction\n      required: true\n",
			breaks: "^BREAKS .*`direction` became required",
		},
		{
			name: "status removed", file: contract, old: "        '429':\n          $ref: '#/components/responses/TooManyRequests'\n",
			breaks: "^BREAKS .*`429`",
		},
		{
			name: "new optional filter", file: contract,
			old:      "        - $ref: '#/components/parameters/FilterZoneName'\n",
			new:      "        - $ref: '#/components/parameters/FilterZoneName'\n        - {name: colour, in: query, schema: {type: string}}\n",
			mentions: "^  also .*`colour`",
		},
		{
			name: "new field", file: contract, old: "        ip_address:\n", new: "        port:\n          type: integer\n        ip_address:\n",
			mentions: "^  also .*`result/items/actor/port`",
		},
		{
			name: "function removed", file: options, old: "func WithUserAgent(", new: "func withUserAgent(",
			breaks: `^BREAKS wrapper/auditlogs: WithUserAgent: removed`,
		},
		{
			name: "function of another type", file: fake, old: "func WithMaxPageSize(n int)", new: "func WithMaxPageSize(n int, _ ...string)",
			breaks: `^BREAKS wrapper/auditlogstest: WithMaxPageSize: changed from func\(int\)`,
		},
		{
			name: "generated field renamed", file: types, all: true, old: "UserAgent", new: "Agent",
			breaks: `^BREAKS gen/auditlogsapi: Raw.UserAgent: removed`,
		},
		{
			name: "new function", file: query, old: "\nfunc Date(", new: "\nfunc Today() string { return \"\" }\n\nfunc Date(",
			mentions: `^  also wrapper/auditlogs: Today: added`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.file != "" {
				path := filepath.Join(root, test.file)
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(text), test.old) {
					t.Fatalf("%s does not hold %q", test.file, test.old)
				}
				times := 1
				if test.all {
					times = -1
				}
				write(t, path, []byte(strings.Replace(string(text), test.old, test.new, times)))
				defer write(t, path, text)
			}
			out, err := try(t, root, "make", "compatible")
			if (err != nil) != (test.breaks != "") {
				t.Errorf("make compatible: %v", err)
			}
			for _, pattern := range []string{test.breaks, test.mentions} {
				if !regexp.MustCompile("(?m)" + pattern).MatchString(out) {
					t.Errorf("the output lacks a line like %s", pattern)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}
