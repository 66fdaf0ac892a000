package main

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpFooter is the annotation that holds a command's help below the flags: paragraphs that start
// with a heading.
const helpFooter = "footer"

// footer returns the headings of a command's help below the flags, each with its text.
func footer(cmd *cobra.Command) iter.Seq2[string, string] {
	return func(yield func(heading, text string) bool) {
		for paragraph := range strings.SplitSeq(cmd.Annotations[helpFooter], "\n\n") {
			if heading, text, ok := strings.Cut(paragraph, "\n"); ok && !yield(heading, text) {
				return
			}
		}
	}
}

// subcommands returns the commands that help lists.
func subcommands(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(sub *cobra.Command) bool { return !sub.IsAvailableCommand() && sub.Name() != "help" })
}

// A helpRow is a name and its description.
type helpRow struct{ name, text string }

// helpText is the complete help of a command, for a terminal of the given width.
func helpText(cmd *cobra.Command, width int) string {
	width = max(width, 40)
	var b strings.Builder
	for _, line := range wrap(cmp.Or(cmd.Long, cmd.Short), width) {
		fmt.Fprintln(&b, line)
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nUsage:\n  %s COMMAND [flags]\n", cmd.CommandPath())
		var rows []helpRow
		for _, sub := range subcommands(cmd) {
			rows = append(rows, helpRow{sub.Name(), sub.Short})
		}
		helpRows(&b, "Commands", rows, width)
	} else {
		fmt.Fprintf(&b, "\nUsage:\n  %s\n", cmd.UseLine())
	}
	groups, rows := helpFlags(cmd)
	for _, group := range groups {
		helpRows(&b, group, rows[group], width)
	}
	for heading, text := range footer(cmd) {
		fmt.Fprintf(&b, "\n%s:\n", heading)
		for _, line := range wrap(text, width-2) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\"%s COMMAND --help\" explains a command.\n", cmd.CommandPath())
	}
	return b.String()
}

// helpFlags lists a command's flags by group, both in the order in which the flags were made.
func helpFlags(cmd *cobra.Command) (groups []string, rows map[string][]helpRow) {
	const others = "Other flags"
	rows = map[string][]helpRow{}
	add := func(group string, row helpRow) {
		if rows[group] == nil && group != others {
			groups = append(groups, group)
		}
		rows[group] = append(rows[group], row)
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		v, ok := f.Value.(*flagValue)
		switch {
		case f.Hidden:
		case !ok:
			add(others, helpRow{flagTitle(f.Shorthand, f.Name, "", ""), f.Usage})
		case hasOpposite(cmd, f.Name):
			// It is on the line of the opposite flag.
		default:
			add(v.group, helpRow{flagTitle(v.short, v.name, v.exclude, v.placeholder), flagText(v)})
		}
	})
	if rows[others] != nil {
		groups = append(groups, others)
	}
	return groups, rows
}

// hasOpposite reports whether a flag excludes what another one selects.
func hasOpposite(cmd *cobra.Command, name string) bool {
	base, not := strings.CutPrefix(name, "not-")
	return not && cmd.Flags().Lookup(base) != nil
}

func flagTitle(short, name, exclude, placeholder string) string {
	title := "--" + name
	if short != "" {
		title = "-" + short + ", " + title
	}
	if exclude != "" {
		title += ", --" + exclude
	}
	if placeholder != "" {
		title += " " + placeholder
	}
	return title
}

func flagText(v *flagValue) string {
	var values []string
	switch {
	case v.enum == nil || v.open:
	case v.known:
		values = append(values, "known: "+strings.Join(v.enum, ", "))
	default:
		values = append(values, strings.Join(v.enum, ", "))
	}
	if v.standard != "" {
		values = append(values, "default "+v.standard)
	}
	what, more, _ := strings.Cut(v.help, ". ")
	if values != nil {
		what += " (" + strings.Join(values, "; ") + ")"
	}
	if more != "" {
		what += ". " + more
	}
	return what
}

// helpRows prints rows with name and text side by side, or below each other if there is not enough
// room.
func helpRows(b *strings.Builder, heading string, rows []helpRow, width int) {
	const indent, gap, widest = 2, 2, 52
	fmt.Fprintf(b, "\n%s:\n", heading)
	column := 0
	for _, row := range rows {
		if w := runewidth.StringWidth(row.name); w <= widest {
			column = max(column, w)
		}
	}
	column += indent + gap
	if width-column < 34 {
		column = 2 * indent
	}
	for _, row := range rows {
		line := strings.Repeat(" ", indent) + row.name
		for i, text := range wrap(row.text, width-column) {
			used := runewidth.StringWidth(line)
			if i == 0 && used+gap > column {
				fmt.Fprintln(b, line)
				line, used = "", 0
			}
			line += strings.Repeat(" ", column-used) + text
			fmt.Fprintln(b, line)
			line = ""
		}
		if line != "" {
			fmt.Fprintln(b, line)
		}
	}
}
