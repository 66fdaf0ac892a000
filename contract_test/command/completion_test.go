package command

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestBashCompletesByItself loads the script into a bash that has no package bash-completion, and
// presses Tab.
func TestBashCompletesByItself(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	const script = `
		source <(cfaudit completion bash --no-descriptions)
		COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
		IFS=' ' read -r -a COMP_WORDS <<<"$1"
		[[ $1 == *' ' ]] && COMP_WORDS+=('')
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		__start_cfaudit
		printf '%s\n' "${COMPREPLY[@]}"`
	for line, want := range map[string]string{
		"cfaudit hi":                        "history",
		"cfaudit list --actor-em":           "--actor-email",
		"cfaudit list --format nd":          "ndjson",
		"cfaudit list --format=nd":          "ndjson",
		"cfaudit completion powersh":        "powershell",
		"cfaudit list --since 7d --format ": "csv",
	} {
		cmd := exec.Command(bash, "--norc", "--noprofile", "-c", script, "bash", line)
		cmd.Env = []string{"PATH=" + programs + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v\n%s", line, err, out)
		}
		found := false
		for offered := range strings.FieldsSeq(string(out)) {
			found = found || strings.TrimPrefix(offered, "--format=") == want || offered == want
		}
		if !found || strings.Contains(string(out), "not found") {
			t.Errorf("%q: got %q, want %q among them", line, out, want)
		}
	}
}
