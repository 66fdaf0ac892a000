package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// operation is the contract's table that the flags are made from.
var operation = auditlogsapi.ListAccountAuditLogsOperation

// organizationOperation is the table for the log of an organization.
var organizationOperation = auditlogsapi.ListOrganizationAuditLogsOperation

// A flagValue is a flag: what help, completion and messages say about it, and what it does with a
// value.
type flagValue struct {
	name        string
	short       string
	placeholder string                      // the name of the value in help; empty for a switch
	group       string                      // the heading under which help shows it
	help        string                      // what it does
	byDefault   string                      // the default, in words; empty where there is none
	want        string                      // a description of right values
	enum        []string                    // the only values; help shows them, and completion offers them
	known       []string                    // values that help shows and completion offers, of more that are allowed
	examples    []string                    // values that completion offers, of more that are allowed
	files       bool                        // completion offers files
	repeated    bool                        // each value adds to the ones before
	complete    func(typed string) []string // completion offers these instead, to be continued
	set         func(value string) bool
	mistake     func(value string) string // explains why a value is refused, instead of want; empty to show want

	given []string // the values so far
}

// String returns nothing: help describes the defaults itself.
func (v *flagValue) String() string { return "" }

// Type returns the name of the value.
func (v *flagValue) Type() string { return v.placeholder }

// Set takes a value, or returns an error that shows a right one.
func (v *flagValue) Set(value string) error {
	if v.enum != nil && !slices.Contains(v.enum, value) || !v.set(value) {
		if v.mistake != nil && value != "" {
			if text := v.mistake(value); text != "" {
				return errors.New(text)
			}
		}
		return errors.New("want " + v.want)
	}
	if !v.repeated {
		v.given = nil
	}
	v.given = append(v.given, value)
	return nil
}

// addTo makes v a flag of the command.
func (v *flagValue) addTo(cmd *cobra.Command) {
	if v.want == "" && v.enum != nil {
		v.want = "one of " + strings.Join(v.enum, ", ")
	}
	// Completion shows the text beside the flag's name.
	text, _, _ := strings.Cut(v.help, ". ")
	flag := cmd.Flags().VarPF(v, v.name, v.short, text)
	if v.placeholder == "" {
		flag.NoOptDefVal = "true"
	}
	complete := func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if v.complete != nil {
			return v.complete(typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder | cobra.ShellCompDirectiveNoSpace
		}
		if v.files {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return slices.Concat(v.enum, v.known, v.examples), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
	_ = cmd.RegisterFlagCompletionFunc(v.name, complete) // The flag was added above.
}

// toggle is a flag that is on or off.
func toggle(name, group, help string, target *bool) *flagValue {
	return &flagValue{
		name: name, group: group, help: help,
		want: "true or false",
		set:  truth(target),
	}
}

// verboseFlag logs each request.
func verboseFlag(group string, target *bool) *flagValue {
	flag := toggle("verbose", group, "log each request to standard error", target)
	flag.short = "v"
	return flag
}

// fileFlag takes the name of a file.
func fileFlag(name, group, help, want string, target *string) *flagValue {
	return &flagValue{
		name: name, placeholder: "FILE", group: group, files: true,
		help: help, want: want, set: into(target),
	}
}

// formatFlag chooses how something is printed or written.
func formatFlag(target *string, help, byDefault string, names ...string) *flagValue {
	return &flagValue{
		name: "format", placeholder: "FORMAT", group: groupOutput, enum: names,
		help: help, byDefault: byDefault, set: into(target),
	}
}

// truth stores the value of a switch.
func truth(target *bool) func(string) bool {
	return parsed(target, strconv.ParseBool, func(bool) bool { return true })
}

// parsed stores what parse makes of a value, which must be right.
func parsed[T any](target *T, parse func(string) (T, error), right func(T) bool) func(string) bool {
	return func(value string) bool {
		var err error
		*target, err = parse(value)
		return err == nil && right(*target)
	}
}

// into stores a text.
func into(target *string) func(string) bool {
	return func(value string) bool {
		*target = value
		return value != ""
	}
}

// whole stores a whole number from least to most. A most of 0 is no bound.
func whole(target *int, least, most int) func(string) bool {
	return parsed(target, strconv.Atoi, func(n int) bool { return n >= least && (most == 0 || n <= most) })
}

// described returns the contract's description of a parameter that the command knows by name.
func described(name string) auditlogsapi.Parameter { return describedOf(operation, name) }

func describedOf(operation auditlogsapi.Operation, name string) auditlogsapi.Parameter {
	p, ok := find(operation, name)
	if !ok {
		panic("the contract has no parameter " + name)
	}
	return p
}

func find(operation auditlogsapi.Operation, name string) (p auditlogsapi.Parameter, ok bool) {
	i := slices.IndexFunc(operation.Parameters, func(p auditlogsapi.Parameter) bool { return p.Name == name })
	if i < 0 {
		return p, false
	}
	return operation.Parameters[i], true
}

// excluding is the suffix of a filter's name that leaves out the entries that match.
const excluding = ".not"

// flagName derives a filter's flag from its name on the wire: actor_email.not becomes
// not-actor-email.
func flagName(wire string) string {
	base, not := strings.CutSuffix(wire, excluding)
	name := strings.NewReplacer("_", "-", ".", "-").Replace(base)
	if not {
		return "not-" + name
	}
	return name
}

// filterFlags makes one flag for each filter of the contract. Each adds to the filter's values in
// query, and completes the values that are known for an account or an organization. Deprecated
// filters come last.
func filterFlags(query *auditlogs.Query) []*flagValue {
	var flags, deprecated []*flagValue
	for _, p := range operation.Parameters {
		values := query.Filter(p.Name)
		if values == nil {
			continue
		}
		q, _ := find(organizationOperation, p.Name)
		for _, value := range q.Known {
			if !p.Knows(value) {
				p.Known = append(slices.Clone(p.Known), value)
			}
		}
		v := &flagValue{
			name:        flagName(p.Name),
			placeholder: "VALUE",
			group:       filterGroup(p),
			help:        filterHelp(p),
			want:        p.Wanted(),
			known:       p.Known,
			repeated:    true,
			mistake:     func(value string) string { return doubt(p.Name, value) },
			set: func(value string) bool {
				if p.Check(value) != nil {
					return false
				}
				*values = append(*values, value)
				return true
			},
		}
		if p.Type == "integer" {
			v.placeholder = "NUMBER"
		}
		if p.Deprecated {
			deprecated = append(deprecated, v)
		} else {
			flags = append(flags, v)
		}
	}
	return append(flags, deprecated...)
}

// filterGroup is the heading for the filters that look at the same object of an entry.
func filterGroup(p auditlogsapi.Parameter) string {
	object, _, nested := strings.Cut(p.Field, ".")
	switch {
	case p.Deprecated:
		return "Deprecated filters"
	case !nested:
		return "Filters on the entry itself"
	}
	return fmt.Sprintf("Filters on the entry's %q", object)
}

// filterFrame matches the contract's description of a filter.
var filterFrame = regexp.MustCompile(`(?s)^(?:Keep only|Leave out) entries whose (.*?) is (?:one|any) of these\.\s*(.*)$`)

// filterHelp shortens the contract's description of a filter to the field that it looks at.
// Otherwise every line would start with the same words.
func filterHelp(p auditlogsapi.Parameter) string {
	text := strings.ReplaceAll(p.Description, "`", "")
	match := filterFrame.FindStringSubmatch(text)
	if match == nil {
		return text
	}
	return strings.TrimSuffix(match[1]+". "+strings.TrimSpace(match[2]), ". ")
}
