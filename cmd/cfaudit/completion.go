package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// bashWords takes the place of the one function of the package bash-completion that cobra's script
// needs. It splits the line at blanks, as that does when told (-n =:) that = and : separate
// nothing.
const bashWords = `# Complete without the package bash-completion, too.
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref()
    {
        local line="${COMP_LINE:0:COMP_POINT}"
        read -r -a words <<<"$line"
        if [[ $line == *[[:blank:]] ]]; then
            words+=("")
        fi
        cword=$((${#words[@]} - 1))
        cur="${words[cword]}"
        prev="${words[cword - 1]}"
    }
fi

`

// newCompletion makes the completion command. Cobra's own explains itself in pages that our help
// cannot wrap.
func newCompletion() *cobra.Command {
	var plain bool
	const names = "bash, zsh, fish, powershell"
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that makes your shell complete commands, flags and values",
		Long: "Prints a script that makes a shell complete commands, flags and their values at the Tab key. The packages install it; " +
			"otherwise load it in the files that your shell reads when it starts, as shown, and open a new shell.",
		Example: "  echo 'source <(cfaudit completion bash)' >> ~/.bashrc\n" +
			"  echo 'source <(cfaudit completion zsh)' >> ~/.zshrc\n" +
			"  cfaudit completion fish > ~/.config/fish/completions/cfaudit.fish\n" +
			"  cfaudit completion powershell >> $PROFILE",
		Annotations: map[string]string{helpFooter: "What it needs\n" +
			"cfaudit on the PATH under this name; bash 4.1 or later (macOS comes with 3.2), with or without the package bash-completion; " +
			"zsh with \"autoload -U compinit; compinit\" before that line; PowerShell 5 or later."},
		ValidArgs: []cobra.Completion{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usage(cmd, "a shell is missing: want one of %s", names)
			case len(args) > 1:
				return usage(cmd, "unknown argument %q: %q takes one shell", args[1], cmd.CommandPath())
			}
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch shell := args[0]; {
			case shell == "bash":
				fmt.Fprint(out, bashWords) // A failure to write is noticed by run.
				return root.GenBashCompletionV2(out, !plain)
			case shell == "zsh" && plain:
				return root.GenZshCompletionNoDesc(out)
			case shell == "zsh":
				return root.GenZshCompletion(out)
			case shell == "fish":
				return root.GenFishCompletion(out, !plain)
			case shell == "powershell" && plain:
				return root.GenPowerShellCompletion(out)
			case shell == "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return usage(cmd, "unknown shell %q: want one of %s", args[0], names)
		},
	}
	cmd.Flags().BoolVar(&plain, "no-descriptions", false, "offer names without what they mean")
	return cmd
}
