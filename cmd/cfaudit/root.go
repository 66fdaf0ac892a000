package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
)

// The codes with which the command ends.
const (
	exitComplete    = 0
	exitIncomplete  = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// An exit ends the command with a code other than 0. Its text is printed after the program's name,
// followed by last, if there is one, on a line of its own, so that it can be copied.
type exit struct {
	code int
	text string
	last string
	mend bool // the last line helps only after the problem in the text has been fixed
}

func (e *exit) Error() string { return e.text }

// usage is a mistake in the command line or the environment. The message refers to the help of cmd.
func usage(cmd *cobra.Command, format string, args ...any) *exit {
	return &exit{code: exitUsage, text: fmt.Sprintf(format, args...), last: seeHelp(cmd)}
}

// needsMending reports whether the same command fails again until a problem has been fixed.
func needsMending(err error) bool {
	if !auditlogs.Retryable(err) && !errors.Is(err, auditlogs.ErrInvalidQuery) || errors.Is(err, export.ErrDamaged) {
		return true // A query that is refused may be so for its position, which the message speaks of.
	}
	name, unresolved := errors.AsType[*net.DNSError](err)
	_, uncertified := errors.AsType[*tls.CertificateVerificationError](err)
	_, ofFile := errors.AsType[*fs.PathError](err)
	return unresolved && name.IsNotFound || uncertified || ofFile
}

// goOn makes a command the last line, and adds to the text what it does.
func (e *exit) goOn(does, command string) *exit {
	if e.mend {
		e.text += "; once that is fixed, " + does + ":"
	} else {
		e.text += ", to " + does + ":"
	}
	e.last = command
	return e
}

// interrupted is the end of a run that a signal has stopped.
func interrupted() *exit { return &exit{code: exitInterrupted, text: "interrupted"} }

// failed is the end of a run that an error or a signal has stopped.
func failed(ctx context.Context, err error) *exit {
	if ctx.Err() != nil {
		return interrupted()
	}
	return &exit{code: exitIncomplete, text: clean(err.Error()), mend: needsMending(err)}
}

func seeHelp(cmd *cobra.Command) string { return fmt.Sprintf("see %q", cmd.CommandPath()+" --help") }

// run runs the command line and returns the exit code.
func run(ctx context.Context, env environment) int {
	for _, w := range []*io.Writer{&env.stdout, &env.stderr} {
		if env.terminal(*w) > 0 {
			*w = screen{*w}
		}
	}
	out := &remembering{Writer: env.stdout}
	root := newRoot(&env)
	root.SetArgs(env.args)
	root.SetOut(out)
	root.SetErr(env.stderr)

	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil && !closedPipe(out.err) {
		err = &exit{code: exitIncomplete, text: writeFailed(out.err)}
	}
	if err == nil {
		return exitComplete
	}
	e, ok := errors.AsType[*exit](err)
	if !ok {
		e = misused(root, env.args, err) // A mistake that cobra itself found.
	}
	fmt.Fprintf(env.stderr, "cfaudit: %s\n", e.text)
	if e.last != "" {
		fmt.Fprintln(env.stderr, e.last)
	}
	return e.code
}

// writeFailed says why standard output cannot be written.
func writeFailed(err error) string {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err // Without the path, which is only another name for it.
	}
	return "standard output: " + err.Error()
}

// remembering keeps the first error of a writer for code that cannot return it: help, completion.
type remembering struct {
	io.Writer
	err error
}

func (w *remembering) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// newRoot makes the root command.
func newRoot(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "cfaudit",
		Short: "Read Cloudflare's audit logs",
		Long: "Reads Cloudflare's audit logs, version 2: the record of who changed what in an account or an organization. Every entry of a window is " +
			"printed or written, from every page, or the command fails and says how to resume.",
		Example: "  export CLOUDFLARE_API_TOKEN=… CLOUDFLARE_ACCOUNT_ID=…\n" +
			"  cfaudit list --since 24h\n" +
			"  cfaudit export --since 30d --out audit.ndjson.gz\n" +
			"  cfaudit list --demo --since 7d    # made-up entries, no account needed",
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true, // misused makes them, in the form of the other messages.
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, "a command is missing: want one of %s", strings.Join(commandNames(cmd), ", "))
		},
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetFlagErrorFunc(flagMistake)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		fmt.Fprint(cmd.OutOrStdout(), helpText(cmd, cmp.Or(env.terminal(env.stdout), 100)))
	})
	root.SetHelpCommand(newHelp())
	root.AddCommand(newList(env), newShow(env), newHistory(env), newSummary(env), newNew(env), newProducts(env), newExport(env), newArchive(env),
		newFollow(env), newServe(env), newVersion(), newCompletion(), newMan())
	return root
}

// newHelp makes the help command. Unlike cobra's own, it fails for a command that does not exist.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Explain a command",
		Long:  "Explains a command and its flags.",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil {
				return misused(cmd.Root(), args, err)
			}
			if len(rest) > 0 {
				return usage(cmd, "there is no command %q", strings.Join(args, " "))
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// misused turns an error of cobra's into a message of this command.
func misused(root *cobra.Command, args []string, err error) *exit {
	if _, _, unknown := root.Find(args); unknown != nil {
		for _, arg := range args {
			if strings.HasPrefix(arg, "-") {
				continue
			}
			if near := nearest(arg, commandNames(root)); near != "" {
				return usage(root, "unknown command %q: did you mean %q?", arg, near)
			}
			return usage(root, "unknown command %q: want one of %s", arg, strings.Join(commandNames(root), ", "))
		}
	}
	return usage(root, "%s", err)
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, cmd := range subcommands(root) {
		names = append(names, cmd.Name())
	}
	return names
}

// noArguments refuses arguments, which are mostly values without their flag.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(cmd, "unknown argument %q: %q takes flags only", args[0], cmd.CommandPath())
}

// flagMistake names the flag that is wrong, and shows a right value.
func flagMistake(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag, value := invalid.GetFlag(), " "+excerpt(invalid.GetValue())
		switch {
		case flag.Name == baseURLFlag:
			value = " is not usable" // A URL can hold a password.
		case flag.NoOptDefVal != "" && flag.NoOptDefVal == invalid.GetValue():
			value = "" // Nobody typed it.
		}
		return usage(cmd, "--%s%s: %s", flag.Name, value, invalid.Unwrap())
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		flag := missing.GetFlag() // Cobra's own take no value.
		return usage(cmd, "--%s needs a value: want %s", flag.Name, flag.Value.(*flagValue).want)
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		name := unknown.GetSpecifiedName()
		if name == "token" || name == "api-token" {
			return usage(cmd, "unknown flag %s: others can see a command line, want the API token in %s", excerpt("--"+name), envToken)
		}
		return usage(cmd, "unknown flag %s%s", excerpt("--"+name), suggestion(name, names, "--"))
	}
	return usage(cmd, "%s", err)
}

// excerpt quotes what the user typed, cut to a readable length.
func excerpt(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// suggestion completes a message about an unknown name with the known ones that may be meant: those
// that start with it or else contain it as a word, or else the one with the most similar spelling.
// Dots and underscores are like dashes.
func suggestion(typed string, known []string, prefix string) string {
	if typed == "" {
		return ""
	}
	dashed := strings.NewReplacer("_", "-", ".", "-").Replace
	typed = dashed(typed)
	var names, starting, containing []string
	for _, original := range known {
		name := dashed(original)
		names = append(names, name)
		if strings.HasPrefix(name, typed+"-") {
			starting = append(starting, original)
		} else if strings.Contains(name+"-", "-"+typed+"-") {
			containing = append(containing, original)
		}
	}
	meant := starting
	if meant == nil {
		meant = containing
	}
	if near := nearest(typed, names); near != "" && meant == nil {
		meant = []string{known[slices.Index(names, near)]}
	}
	switch len(meant) {
	case 0:
		return ""
	case 1:
		return ": did you mean " + prefix + meant[0] + "?"
	}
	return ": want one of " + prefix + strings.Join(meant, ", "+prefix)
}
