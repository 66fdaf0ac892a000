package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// answers are what the demo answers to the questions in the README of the command.
var answers = map[string]string{
	"Who deleted DNS records last week?":                    `"email":"heidi@example\.com".*"product":"dns"`,
	"What was done with one token?":                         `"token_name":"cdn-sync".*"value":"essentially_off"`,
	"Which addresses do failures come from?":                `198\.18\.7\.66 .*40`,
	"What changed on a zone between two times?":             `"ip_address":"198\.18\.7\.66".*"name":"example\.com"`,
	"Which actors, tokens and addresses are new this week?": `(?s)cdn-sync.*198\.18\.7\.66`,
	"How much happened in each hour?":                       `(?m)\d\d:00.* \d+`,
	"What was it before one change, and what after?":        `~ response\.result\.value: "strict" → "off"`,
	"How many entries are there a day?":                     `(?m)20\d\d-\d\d-\d\d.* \d+`,
}

// TestQuestions runs the command that the README of the command gives for each question, on the
// demo.
func TestQuestions(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "cmd", "cfaudit", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Eight questions")
	questions := regexp.MustCompile(`(?m)^# (.+\?)\n(cfaudit .+)$`).FindAllStringSubmatch(section, -1)
	if len(questions) != len(answers) {
		t.Errorf("the README has %d questions, want %d", len(questions), len(answers))
	}
	run := func(t *testing.T, line string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), shell, "-c", line)
		cmd.Env = append(os.Environ(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", line, err, out, err.(*exec.ExitError).Stderr)
		}
		return string(out)
	}
	ids := strings.Fields(run(t, "cfaudit list --demo --since 5d --actor-token-name cdn-sync --resource-type zone.setting --max 1 --columns id"))
	for _, question := range questions {
		t.Run(question[1], func(t *testing.T) {
			t.Parallel()
			want, ok := answers[question[1]]
			if !ok {
				t.Fatalf("no answer to it is known")
			}
			out := run(t, strings.ReplaceAll(question[2], "ENTRY", ids[len(ids)-1])+" --demo")
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("%s prints no %s:\n%.3000s", question[2], want, out)
			}
		})
	}
}
