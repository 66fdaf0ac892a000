package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// rightValue returns a value that a filter takes.
func rightValue(p auditlogsapi.Parameter) string {
	switch {
	case p.Known != nil:
		return p.Known[len(p.Known)-1]
	case p.Type == "integer":
		return "403"
	case p.Formats != nil:
		return "198.51.100.7"
	}
	return "a,b c"
}

func TestEveryFilterHasItsFlag(t *testing.T) {
	filters := 0
	for _, p := range operation.Parameters {
		if p.Field == "" {
			continue
		}
		filters++
		var query auditlogs.Query
		cmd := &cobra.Command{Use: "x", Run: func(*cobra.Command, []string) {}}
		for _, flag := range filterFlags(&query) {
			flag.addTo(cmd)
		}
		name := strings.ReplaceAll(p.Name, "_", "-")
		if base, not := strings.CutSuffix(name, ".not"); not {
			name = "not-" + base
		}
		value := rightValue(p)
		cmd.SetArgs([]string{"--" + name, value, "--" + name + "=" + value})
		if err := cmd.Execute(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		for _, q := range operation.Parameters {
			values := query.Filter(q.Name)
			switch {
			case q.Name == p.Name && !slices.Equal(*values, []string{value, value}):
				t.Errorf("--%s sets %s to %q", name, q.Name, *values)
			case q.Name != p.Name && values != nil && *values != nil:
				t.Errorf("--%s sets %s to %q", name, q.Name, *values)
			}
		}
		help := strings.Join(strings.Fields(helpText(cmd, 100)), " ")
		if strings.Count(help, "--"+name+" ")+strings.Count(help, "--"+name+", ") != 1 {
			t.Errorf("help does not show --%s just once", name)
		}
		if !strings.Contains(help, strings.Join(p.Known, ", ")) {
			t.Errorf("help does not show the values of --%s", name)
		}
		if strings.Contains(help, "`") || strings.Contains(help, "Keep only entries") {
			t.Error("help shows the contract's text as it is")
		}
		if code, _, stderr := (try{}).run(t, "list", "--demo", "--since", "1h", "--"+name, ""); code != exitUsage || !strings.Contains(stderr, "--"+name+" \"\": want ") {
			t.Errorf("an empty --%s: exit %d, %s", name, code, stderr)
		}
		if p.Formats != nil || p.Type == "integer" {
			if code, _, stderr := (try{}).run(t, "list", "--demo", "--since", "1h", "--"+name, "bogus"); code != exitUsage || !strings.Contains(stderr, "--"+name+" \"bogus\": ") || !strings.Contains(stderr, "want ") {
				t.Errorf("a wrong --%s: exit %d, %s", name, code, stderr)
			}
		}
		_, offered, _ := (try{}).run(t, "__completeNoDesc", "list", "--"+name, "")
		accepted := slices.Clone(p.Known)
		ofOrganization, _ := find(organizationOperation, p.Name)
		for _, value := range ofOrganization.Known {
			if !slices.Contains(accepted, value) {
				accepted = append(accepted, value)
			}
		}
		if want := strings.Join(append(accepted, ":36\n"), "\n"); offered != want {
			t.Errorf("completion of --%s offers %q, want %q", name, offered, want)
		}
	}
	if filters < 45 {
		t.Errorf("the table has %d filters", filters)
	}
}

// A value that the contract does not list is sent, and standard error says which ones are known.
func TestUnknownValuesOfFilters(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		note string // empty where nothing is to say
	}{
		{"known", []string{"--action-type", "login"}, ""},
		{"mistyped", []string{"--action-type", "logon", "--action-type", "login"}, `note: --action-type "logon" is not one of the values that cfaudit knows: ` +
			`create, delete, view, update, login; it is sent as it is, and zero entries may mean that it is mistyped`},
		{"left out", []string{"--not-actor-type", "robot"}, `note: --not-actor-type "robot" is not one of the values that cfaudit knows: account, `},
		{"known for organizations alone", []string{"--resource-scope", "organizations"}, `note: --resource-scope "organizations" is not`},
		{"known for accounts alone", []string{"--resource-scope", "zones", "--organization", auditlogstest.OrganizationID},
			`note: --resource-scope "zones" is not one of the values that cfaudit knows: organizations; `},
		{"no list", []string{"--raw-method", "BREW"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, _, stderr := (try{}).run(t, append([]string{"list", "--demo", "--since", "30d"}, test.args...)...)
			if code != 0 || strings.Count(stderr, "is not one of the values") != min(1, len(test.note)) || !strings.Contains(stderr, test.note) {
				t.Errorf("exit %d, and wanted to hear %q:\n%s", code, test.note, stderr)
			}
		})
	}
	if code, _, stderr := (try{}).run(t, "list", "--demo", "--since", "1h", "--actor-ip-address", "198.51.100.0/24"); code != exitUsage ||
		!strings.Contains(stderr, "that is a range, and there is no filter for one: want a single address, such as 198.51.100.0") {
		t.Errorf("a range of addresses: exit %d, %s", code, stderr)
	}
}

func TestDeprecatedFiltersComeLast(t *testing.T) {
	_, help, _ := (try{}).run(t, "export", "--help")
	filters, deprecated, found := strings.Cut(help, "\nDeprecated filters:\n")
	if !found || strings.Contains(filters, "--audit-log-id") || !strings.Contains(deprecated, "Deprecated in favour of id") || strings.Contains(deprecated, "Filters on") {
		t.Errorf("help ends with:\n%s", deprecated)
	}
}

func TestHelpFitsTheTerminal(t *testing.T) {
	for _, width := range []int{60, 80, 100, 140} {
		for _, command := range []string{"list", "history", "products", "export", "serve", "version", "help", "completion"} {
			code, text, _ := try{terminal: width}.run(t, command, "--help")
			if code != 0 || text == "" {
				t.Fatalf("%s: exit %d", command, code)
			}
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				// Commands to copy stay whole.
				if w := runewidth.StringWidth(line); w > width && !strings.HasPrefix(line, "  cfaudit ") {
					t.Errorf("%s at %d: %d columns: %s", command, width, w, line)
				}
				if line != strings.TrimRight(line, " ") {
					t.Errorf("%s at %d: space at the end of %q", command, width, line)
				}
			}
		}
	}
}

// TestHelpExamples runs each example of list and of products, on the demo.
func TestHelpExamples(t *testing.T) {
	tried := 0
	for line := range strings.Lines(newRootOnly(t, "list").Example + "\n" + newRootOnly(t, "products").Example) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		line, _, _ = strings.Cut(line, ">")
		if strings.Contains(line, "--archive") {
			continue // The demo has none.
		}
		args := append(strings.Fields(line)[1:], "--demo")
		if code, _, stderr := (try{}).run(t, args...); code != 0 {
			t.Errorf("%s: exit %d: %s", line, code, stderr)
		}
		tried++
	}
	if tried < 4 {
		t.Errorf("only %d examples", tried)
	}
}

func newRootOnly(t *testing.T, name string) *cobra.Command {
	t.Helper()
	cmd, _, err := newRoot(&environment{}).Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestShellQuote(t *testing.T) {
	for text, want := range map[string]string{
		"": "''", "a@example.com": "a@example.com", "2024-10-30T12:00:00.5Z": "2024-10-30T12:00:00.5Z", "a b": "'a b'",
		"it's": `'it'\''s'`, "$(x)": "'$(x)'", "ä": "'ä'", "~": "'~'",
	} {
		if got := shellQuote(text); got != want {
			t.Errorf("%q is quoted as %s, want %s", text, got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	code, text, _ := try{}.run(t, "version")
	if code != 0 || !regexp.MustCompile(`^cfaudit \S+\ncommit .+\ndate \S+\ngo1\S* \S+/\S+\ncontract \d+\.\d+\.\d+\n$`).MatchString(text) {
		t.Errorf("exit %d: %s", code, text)
	}
}
