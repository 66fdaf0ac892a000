// Package crash kills the real program at random moments, and checks its output.
package crash

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// program is the real one, without the race detector: kills should come at many different moments,
// and so it should be fast.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "cfaudit-crash")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		program = filepath.Join(folder, "cfaudit")
		if runtime.GOOS == "windows" {
			program += ".exe"
		}
		build := exec.Command("go", "build", "-o", program, "./cmd/cfaudit")
		build.Dir = filepath.Join("..", "..")
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%s", build, err, output)
			return 1
		}
		return m.Run()
	}())
}

// killsVariable says how often each test kills the program. Without it, a few times.
const killsVariable = "CFAUDIT_KILLS"

const fewKills = 10

func kills(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv(killsVariable), strconv.Itoa(fewKills))
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: want a number such as 200", killsVariable, text)
	}
	return n
}

const token = "secret-token-of-the-crashes"

// both are the logs that the long jobs read: an account's and an organization's.
var both = []string{"--account", auditlogstest.AccountID, "--organization", auditlogstest.OrganizationID}

// command is a run of the program against a fake.
func command(server *auditlogstest.Server, arguments ...string) *exec.Cmd {
	cmd := exec.Command(program, arguments...)
	cmd.Env = append(os.Environ(), "CLOUDFLARE_API_TOKEN="+token, "CLOUDFLARE_ACCOUNT_ID="+auditlogstest.AccountID, "CLOUDFLARE_BASE_URL="+server.URL)
	return cmd
}

// A killing is a program that is started again and again, and killed at random moments, a given
// number of times.
type killing struct {
	command func() *exec.Cmd // for each run
	kills   int
	within  time.Duration // of the start of a run comes its end
	killed  func()        // after each kill; may be nil
	ended   func(t *testing.T, code int, stderr string)

	runs, done int // runs so far, and kills among them
}

// run starts and kills. A run that ends by itself is reported to ended, which fails the test where
// that was wrong.
func (k *killing) run(t *testing.T) {
	t.Helper()
	for k.done < k.kills && !t.Failed() {
		if code, stderr, killed := k.once(t, rand.N(k.within)); !killed {
			k.ended(t, code, stderr)
			continue
		}
		k.done++
		if k.killed != nil {
			k.killed()
		}
	}
}

// once is one run, which is killed when its time is over; 0 lets it run to its end.
func (k *killing) once(t *testing.T, length time.Duration) (code int, stderr string, killed bool) {
	t.Helper()
	k.runs++
	cmd := k.command()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var kill *time.Timer
	if length > 0 {
		kill = time.AfterFunc(length, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
	}
	_ = cmd.Wait() // The state says it all.
	return cmd.ProcessState.ExitCode(), errs.String(), !cmd.ProcessState.Exited()
}

// A world is a fake that keeps changing: entries arrive, some of them late and many at equal times,
// and requests fail.
type world struct {
	server *auditlogstest.Server
	stop   chan struct{}
	moving sync.WaitGroup

	mu    sync.Mutex
	added int
}

// newWorld makes a world whose entries arrive at the times that when returns, of which every third
// arrives as one of three at the same time.
func newWorld(t *testing.T, pause time.Duration, when func() time.Time, options ...auditlogstest.Option) *world {
	t.Helper()
	w := &world{server: auditlogstest.NewServer(append(options, auditlogstest.WithTokens(token), auditlogstest.WithRequestLog(1000))...), stop: make(chan struct{})}
	w.moving.Go(func() { w.move(pause, when) })
	t.Cleanup(func() {
		w.rest()
		w.server.Close()
	})
	return w
}

// rest stops the changes.
func (w *world) rest() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.moving.Wait()
	// The faults that have not occurred yet.
	for range 100 {
		response, err := http.Get(w.server.URL)
		if err == nil {
			_ = response.Body.Close()
		}
	}
}

func (w *world) move(pause time.Duration, when func() time.Time) {
	for i := 0; ; i++ {
		select {
		case <-w.stop:
			return
		case <-time.After(pause):
		}
		at := when()
		alike := 1
		if i%3 == 0 {
			alike = 3
		}
		for range alike {
			w.add(at)
		}
		if i%5 == 0 {
			w.server.FailNext(append(make([]auditlogstest.Fault, rand.N(5)), harm[rand.N(len(harm))])...)
		}
	}
}

// harm is what happens to requests, all of which the program overcomes by itself.
var harm = []auditlogstest.Fault{
	{Status: 500},
	{Status: 429, Header: http.Header{"Retry-After": {"0"}}},
	{Cut: true, CutAt: 0.5},
	{Drop: true},
	{Body: "<html>"},
	{Delay: 100 * time.Millisecond},
}

func (w *world) add(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.added++
	owner := "" // the account
	if rand.N(3) == 0 {
		owner = fmt.Sprintf(`"organization":{"id":%q},`, auditlogstest.OrganizationID)
	}
	w.server.Add(json.RawMessage(fmt.Sprintf(`{"id":"added-%d", %s"action":{"time":%q},"actor":{"email":"a@example.com"}}`, w.added, owner, at.UTC().Format(time.RFC3339Nano))))
}
