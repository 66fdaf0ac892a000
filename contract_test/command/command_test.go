// Package command runs the real program, as a shell would, against the fake of the API.
package command

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// programs is the folder that holds the program.
var programs string

func TestMain(m *testing.M) {
	// A process that is started while a hangup is ignored, as under nohup, would ignore it for
	// good.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	flag.Parse()
	// A program with a data race ends with this code, and no program waits for a second at its end.
	_ = os.Setenv("GORACE", "exitcode=66 atexit_sleep_ms=0")
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "cfaudit-command"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(programs)
		name := "cfaudit"
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		build := exec.Command("go", append([]string{"build", "-o", filepath.Join(programs, name)}, append(race, "./cmd/cfaudit")...)...)
		build.Dir = filepath.Join("..", "..") // The program's dependencies are those of the root module.
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%s", build, err, output)
			return 1
		}
		return m.Run()
	}())
}

const token = "secret-token-of-the-test"

// The window of the fake's history, and the number of its entries.
var (
	since  = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)
	before = time.Date(2024, 10, 31, 0, 0, 0, 0, time.UTC)
)

const entries = 3500

func TestScripts(t *testing.T) {
	testscript.RunT(discreetT{t}, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			server := auditlogstest.NewServer(auditlogstest.WithTokens(token), auditlogstest.WithAccounts(auditlogstest.AccountID),
				auditlogstest.WithOrganizations(auditlogstest.OrganizationID), auditlogstest.WithHistory(auditlogstest.History{Entries: entries, Since: since, Before: before}))
			env.Defer(server.Close)
			env.Values[serverKey{}] = server
			last := &lastLines{work: env.WorkDir, url: server.URL}
			env.Defer(func() { last.run(t) })
			env.Values[lastKey{}] = last
			env.Setenv("PATH", programs+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("URL", server.URL)
			env.Setenv("ACCOUNT", auditlogstest.AccountID)
			env.Setenv("ORGANIZATION", auditlogstest.OrganizationID)
			env.Setenv("CLOUDFLARE_API_TOKEN", token)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"stored": stored, "stored-for-organizations": storedForOrganizations, "changed-often": changedOften, "asked": asked, "requests": requests, "fail": fail, "exits": exits, "interrupts": interrupts,
			"lines": lines, "resume": resume, "forget-last-line": forgetLastLine, "resume-failing": resumeFailing, "position": position, "stored-again": storedAgain, "shows-filters": showsFilters, "no-token": noToken,
		},
	})
}

type serverKey struct{}

func serverOf(ts *testscript.TestScript) *auditlogstest.Server {
	return ts.Value(serverKey{}).(*auditlogstest.Server)
}

// want holds a script's own mistakes apart from what it tests.
func want(ts *testscript.TestScript, ok bool, usage string) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

func moment(ts *testscript.TestScript, text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	ts.Check(err)
	return t
}

// stored compares a file with what the fake holds of a window, byte for byte.
func stored(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && (len(args) == 1 || len(args) == 3), "stored file [since before]")
	from, to := since, before
	if len(args) == 3 {
		from, to = moment(ts, args[1]), moment(ts, args[2])
	}
	compare(ts, args[0], serverOf(ts).Stored(from, to))
}

// storedForOrganizations does the same with what it holds for organizations.
func storedForOrganizations(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "stored-for-organizations file")
	compare(ts, args[0], serverOf(ts).StoredOrganization(since, before))
}

func compare(ts *testscript.TestScript, file string, entries []json.RawMessage) {
	var all bytes.Buffer
	for _, entry := range entries {
		all.Write(entry)
		all.WriteByte('\n')
	}
	if got := ts.ReadFile(file); got != all.String() || len(entries) == 0 {
		ts.Fatalf("%s holds %d lines that are not the %d that are stored", file, strings.Count(got, "\n"), len(entries))
	}
}

// changedOften looks for a resource that several entries are about, and puts one of these into
// variables.
func changedOften(ts *testscript.TestScript, neg bool, _ []string) {
	want(ts, !neg, "changed-often")
	byResource := map[string][]auditlogs.Entry{}
	for _, raw := range serverOf(ts).Stored(since, before) {
		var e auditlogs.Entry
		ts.Check(json.Unmarshal(raw, &e))
		if same := append(byResource[e.Resource.ID], e); e.Resource.ID != "" {
			byResource[e.Resource.ID] = same
		}
	}
	var often []auditlogs.Entry
	for _, same := range byResource {
		if len(same) > len(often) || len(same) == len(often) && same[0].ID < often[0].ID {
			often = same
		}
	}
	if len(often) < 4 {
		ts.Fatalf("no resource has as many as 4 entries")
	}
	at := auditlogs.Time(often[1].Action.Time)
	ts.Setenv("ENTRY", often[1].ID)
	ts.Setenv("ENTRYTIME", at)
	ts.Setenv("ENTRYQUERY", url.QueryEscape(at))
	ts.Setenv("ENTRIES", strconv.Itoa(len(often)))
}

// asked looks for parameters, as they are on the wire, in the last request.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	all := serverOf(ts).Requests()
	want(ts, len(args) > 0, "[!] asked parameter...")
	if len(all) == 0 {
		ts.Fatalf("nothing was asked")
	}
	query := all[len(all)-1].URL.RawQuery
	for _, arg := range args {
		if slices.Contains(strings.Split(query, "&"), arg) == neg {
			ts.Fatalf("the last request asked for %s", query)
		}
	}
}

// requests checks how many requests there have been.
func requests(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "requests count")
	if n := len(serverOf(ts).Requests()); n != number(ts, args[0]) {
		ts.Fatalf("there have been %d requests", n)
	}
}

// fail makes one of the next requests fail, after the given number of good ones.
func fail(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "fail status|slow|cut good-requests-before")
	fault := auditlogstest.Fault{}
	switch args[0] {
	case "slow":
		fault.Delay = time.Hour
	case "cut":
		fault.Cut, fault.CutAt = true, 0.5
	default:
		fault.Status = number(ts, args[0])
	}
	serverOf(ts).FailNext(append(make([]auditlogstest.Fault, number(ts, args[1])), fault)...)
}

// exits runs the program and compares its exit code. Its output goes to the files out and err, or
// where "-o file" says.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 1, "exits code [-o file] argument...")
	code := number(ts, args[0])
	out, cmd := start(ts, args[1:])
	defer out.Close()
	if got := finish(ts, cmd); got != code {
		ts.Fatalf("exit %d, want %d\n%s", got, code, ts.ReadFile("err"))
	}
	noteLast(ts)
}

type lastKey struct{}

// lastLines are the commands that runs of the program have named as the way to resume. Each of them
// must work.
type lastLines struct {
	work, url string
	commands  []string
}

// offered finds a command in a last line, also one after another that has to come first.
var offered = regexp.MustCompile(`^(mkdir .* && )?cfaudit (list|export|archive|history|show|summary|new) `)

// unreachable is where a script's program finds no service, now or later.
const unreachable = "http://127.0.0.1:1/"

// noteLast keeps the last line of the file err for the end of the script, if it is a command that
// works unchanged: one that needs something fixed first says so.
func noteLast(ts *testscript.TestScript) {
	last := ts.Value(lastKey{}).(*lastLines)
	text := ts.ReadFile("err")
	if strings.Contains(text, "; once that is fixed, ") || strings.Contains(text, unreachable) {
		return
	}
	if line := lastLine(ts); offered.MatchString(line) && !slices.Contains(last.commands, line) {
		last.commands = append(last.commands, line)
	}
}

// run runs all of them, with anything that may have been missing: the token, an answer of the
// service.
func (l *lastLines) run(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		return
	}
	for _, command := range l.commands {
		cmd := exec.Command(shell, "-c", command)
		cmd.Dir = l.work
		cmd.Env = append(os.Environ(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"), "CLOUDFLARE_API_TOKEN="+token,
			"CLOUDFLARE_ACCOUNT_ID="+auditlogstest.AccountID, "CLOUDFLARE_BASE_URL="+l.url)
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("the last line of a run does not work: %s: %v\n%s", command, err, output[max(0, len(output)-2000):])
		}
	}
}

// interrupts runs the program, sends it the signal after a number of requests to the fake, and
// expects it to end with a code.
func interrupts(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 2, "interrupts code requests argument...")
	asked := len(serverOf(ts).Requests()) + number(ts, args[1])
	out, cmd := start(ts, args[2:])
	defer out.Close()
	for deadline := time.Now().Add(time.Minute); len(serverOf(ts).Requests()) < asked; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			ts.Fatalf("the program does not ask")
		}
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	if got := finish(ts, cmd); got != number(ts, args[0]) {
		ts.Fatalf("exit %d, want %s\n%s", got, args[0], ts.ReadFile("err"))
	}
	noteLast(ts)
}

func start(ts *testscript.TestScript, args []string) (out *os.File, cmd *exec.Cmd) {
	name := ts.MkAbs("out")
	if len(args) > 2 && args[0] == "-o" {
		name, args = ts.MkAbs(args[1]), args[2:]
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs("err"))
	ts.Check(err)
	defer errs.Close()
	cmd = exec.Command(filepath.Join(programs, "cfaudit"), args...)
	cmd.Dir = ts.MkAbs(".")
	for _, variable := range []string{
		"CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_BASE_URL", "CF_API_TOKEN", "CLOUDFLARE_API_KEY", "GORACE", "PATH", "HOME", "SYSTEMROOT", "TMPDIR", "TZ",
	} {
		if value := ts.Getenv(variable); value != "" {
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
	}
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	return out, cmd
}

func finish(ts *testscript.TestScript, cmd *exec.Cmd) int {
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// lines checks how many whole lines a file has.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "lines file count")
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, "\n"); n != number(ts, args[1]) || text != "" && !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s has %d lines", args[0], n)
	}
}

// lastLine is that of the file err.
func lastLine(ts *testscript.TestScript) string {
	all := strings.Split(strings.TrimSpace(ts.ReadFile("err")), "\n")
	return all[len(all)-1]
}

// resume runs the last line of the file err in a shell, and adds what it prints to the end of a
// file, where one is named.
func resume(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) < 2, "resume [file]")
	command := lastLine(ts)
	if !regexp.MustCompile(`^(mkdir .* && )?cfaudit (list|export|archive ('[^']+'|[^ ']+)|(history|show) [^ -]+|summary|new) --`).MatchString(command) {
		ts.Fatalf("the last line is %q", command)
	}
	if len(args) == 1 {
		command += " >>" + args[0]
	}
	ts.Check(ts.Exec("sh", "-c", command))
}

// forgetLastLine is for a script that is about to break what the command in the last line of the
// file err needs.
func forgetLastLine(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 0, "forget-last-line")
	last := ts.Value(lastKey{}).(*lastLines)
	last.commands = slices.DeleteFunc(last.commands, func(command string) bool { return command == lastLine(ts) })
}

// resumeFailing runs the last line of the file err, as a run that fails and prints another one.
func resumeFailing(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 0, "resume-failing")
	exits(ts, false, append([]string{"1", "-o", "resumed"}, strings.Fields(lastLine(ts))[1:]...))
}

// position puts the position in the last line of the file err into a variable.
func position(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 0, "position")
	_, at, _ := strings.Cut(lastLine(ts), " --from ")
	ts.Setenv("POSITION", at)
}

// storedAgain checks that a file holds all that is stored, some entries of it a second time.
func storedAgain(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "stored-again file")
	lines := map[string]int{}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		lines[strings.TrimSuffix(line, "\n")]++
	}
	stored := serverOf(ts).Stored(since, before)
	again := 0
	for _, entry := range stored {
		if lines[string(entry)] == 0 {
			ts.Fatalf("%s lacks %s", args[0], entry)
		}
		again += lines[string(entry)] - 1
	}
	if len(lines) != len(stored) || again > 20 {
		ts.Fatalf("%s has %d different lines, of which %d come again, and %d entries are stored", args[0], len(lines), again, len(stored))
	}
}

// shows-filters checks that a file shows the flag of each filter, and its values.
func showsFilters(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "shows-filters file")
	text := strings.Join(strings.Fields(ts.ReadFile(args[0])), " ")
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if p.Field == "" {
			continue
		}
		name, not := strings.CutSuffix(strings.ReplaceAll(p.Name, "_", "-"), ".not")
		if not {
			name = "not-" + name
		}
		if !regexp.MustCompile(`--`+name+`(,| [A-Z])`).MatchString(text) || !strings.Contains(text, strings.Join(p.Known, ", ")) {
			ts.Fatalf("%s is not shown", name)
		}
	}
}

// no-token checks that files do not hold the token, in any of the forms in which it travels.
func noToken(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 0, "no-token file...")
	for _, name := range args {
		for _, form := range []string{token, url.QueryEscape(token), "Bearer"} {
			if strings.Contains(ts.ReadFile(name), form) {
				ts.Fatalf("%s holds %s", name, form)
			}
		}
	}
}
