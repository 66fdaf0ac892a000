package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpFooter is the annotation that holds a command's help below the flags: paragraphs that start
// with a heading.
const helpFooter = "footer"

// subcommands returns the commands that help lists.
func subcommands(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(sub *cobra.Command) bool { return !sub.IsAvailableCommand() && sub.Name() != "help" })
}

// A helpSection is a part of a command's help: rows of names and what they mean, or text.
type helpSection struct {
	heading string
	rows    []helpRow
	text    string
}

// A helpRow is a name and its description.
type helpRow struct{ name, text string }

// helpSections are a command's flags by group, in the order in which they were made, and what its
// help says below them.
func helpSections(cmd *cobra.Command) (sections []helpSection) {
	cmd.Flags().SortFlags = false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if base, not := strings.CutPrefix(f.Name, "not-"); not && cmd.Flags().Lookup(base) != nil {
			return // It is on the line of its opposite.
		}
		v, ok := f.Value.(*flagValue)
		if !ok { // One of cobra's, which come last.
			v = &flagValue{name: f.Name, short: f.Shorthand, group: "Other flags", help: f.Usage}
		}
		i := slices.IndexFunc(sections, func(s helpSection) bool { return s.heading == v.group })
		if i < 0 {
			i = len(sections)
			sections = append(sections, helpSection{heading: v.group})
		}
		title := "--" + v.name
		if v.short != "" {
			title = "-" + v.short + ", " + title
		}
		if opposite := cmd.Flags().Lookup("not-" + v.name); opposite != nil {
			title += ", --" + opposite.Name
		}
		title = strings.TrimSpace(title + " " + v.placeholder)
		sections[i].rows = append(sections[i].rows, helpRow{title, flagText(v)})
	})
	for paragraph := range strings.SplitSeq(cmd.Annotations[helpFooter], "\n\n") {
		if heading, text, ok := strings.Cut(paragraph, "\n"); ok {
			sections = append(sections, helpSection{heading: heading, text: text})
		}
	}
	return sections
}

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
	for _, section := range helpSections(cmd) {
		if section.rows != nil {
			helpRows(&b, section.heading, section.rows, width)
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", section.heading)
		for _, line := range wrap(section.text, width-2) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\"%s COMMAND --help\" explains a command.\n", cmd.CommandPath())
	}
	return b.String()
}

func flagText(v *flagValue) string {
	var values []string
	if v.enum != nil {
		values = append(values, strings.Join(v.enum, ", "))
	}
	if v.known != nil {
		values = append(values, "known: "+strings.Join(v.known, ", "))
	}
	if v.byDefault != "" {
		values = append(values, "default "+v.byDefault)
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
		line, texts := strings.Repeat(" ", indent)+row.name, wrap(row.text, width-column)
		if texts == nil || runewidth.StringWidth(line)+gap > column {
			fmt.Fprintln(b, line)
			line = ""
		}
		for _, text := range texts {
			fmt.Fprintln(b, line+strings.Repeat(" ", column-runewidth.StringWidth(line))+text)
			line = ""
		}
	}
}
