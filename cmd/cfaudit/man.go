package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// newMan makes the command that writes the manual pages of the packages.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the manual pages",
		Long:   "Writes the manual pages, one for each command, into a directory.",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "want one directory, such as \"%s share/man/man1\"", cmd.CommandPath())
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return &exit{code: exitIncomplete, text: err.Error()}
			}
			for _, page := range append([]*cobra.Command{cmd.Root()}, cmd.Root().Commands()...) {
				if !page.IsAvailableCommand() {
					continue
				}
				page.InitDefaultHelpFlag()
				file := filepath.Join(args[0], manName(page)+".1")
				if err := os.WriteFile(file, []byte(manPage(page, thisBuild())), 0o644); err != nil {
					return &exit{code: exitIncomplete, text: err.Error()}
				}
			}
			return nil
		},
	}
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is a command's help as a manual page. It is dated by the commit, so that each build of a
// commit makes the same.
func manPage(cmd *cobra.Command, b build) string {
	var page strings.Builder
	date, _, _ := strings.Cut(b.date, "T")
	fmt.Fprintf(&page, ".TH %s 1 %s %s %s\n", roffArgument(strings.ToUpper(manName(cmd))), roffArgument(date),
		roffArgument("cfaudit "+b.version), roffArgument("User Commands"))
	section := func(name string) { fmt.Fprintf(&page, ".SH %s\n", roffArgument(strings.ToUpper(name))) }
	row := func(r helpRow) { fmt.Fprintf(&page, ".TP\n.B %s\n%s\n", roff(r.name), roff(r.text)) }

	section("Name")
	fmt.Fprintf(&page, "%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	section("Synopsis")
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&page, ".B %s\nCOMMAND [flags]\n", roff(cmd.CommandPath()))
	} else {
		fmt.Fprintf(&page, ".B %s\n%s\n", roff(cmd.CommandPath()), roff(strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath()+" ")))
	}
	section("Description")
	fmt.Fprintln(&page, roff(cmp.Or(cmd.Long, cmd.Short)))
	if cmd.HasAvailableSubCommands() {
		section("Commands")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				row(helpRow{manName(sub) + "(1)", sub.Short})
			}
		}
	}
	for _, s := range helpSections(cmd) {
		section(s.heading)
		for _, r := range s.rows {
			row(r)
		}
		if s.text != "" {
			fmt.Fprintln(&page, roff(s.text))
		}
	}
	if cmd.Example != "" {
		section("Examples")
		fmt.Fprintf(&page, ".nf\n%s\n.fi\n", roff(cmd.Example))
	}
	return page.String()
}

// roff returns text as roff prints it, and never takes it for a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "…", `\&...`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func roffArgument(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"` }
