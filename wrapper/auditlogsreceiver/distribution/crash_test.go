package distribution

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

const (
	killsVariable = "CFAUDIT_KILLS"
	fewKills      = 10

	// scale is how much faster than the real service everything is: entries appear up to 7.5
	// seconds late, and the look-back is 30 seconds.
	scale = 60

	token = "any-token-of-the-crashes"
)

func kills(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv(killsVariable), strconv.Itoa(fewKills))
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: want a number such as 200", killsVariable, text)
	}
	return n
}

// The queues between the receiver and the backend that lose nothing.
const (
	noQueue = `
    sending_queue: { enabled: false }
    retry_on_failure: { enabled: false }`
	waitingQueue = `
    sending_queue: { wait_for_result: true }
    retry_on_failure: { max_elapsed_time: 0s, initial_interval: 100ms, max_interval: 500ms }`
	queueOnDisk = `
    sending_queue: { storage: file_storage, block_on_overflow: true }
    retry_on_failure: { max_elapsed_time: 0s, initial_interval: 100ms, max_interval: 500ms }`
	// The one that does is the default.
	queueInMemory = `
    retry_on_failure: { initial_interval: 100ms, max_interval: 500ms }`
)

// However often the collector is killed, nothing is lost, with each queue that the README names.
func TestCollectorKills(t *testing.T) {
	for _, test := range []struct {
		name, queue string
		kills       int
	}{
		{"no queue", noQueue, kills(t)},
		{"a queue that waits", waitingQueue, max(1, kills(t)/4)},
		{"a queue on the disk", queueOnDisk, max(1, kills(t)/4)},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := judge(t, test.queue, test.kills)
			t.Log(j)
			if j.lost > 0 {
				t.Errorf("%d of %d entries are lost", j.lost, j.entries)
			}
		})
	}
}

// The default queue loses what it holds when the collector is killed, which proves that the test
// above can fail, and that the README is right to warn.
func TestCollectorKillsWithTheDefaultQueue(t *testing.T) {
	for range 5 {
		j := judge(t, queueInMemory, fewKills)
		t.Log(j)
		if j.lost > 0 {
			return
		}
	}
	t.Error("nothing is lost")
}

// A judgement is the result of many kills.
type judgement struct {
	kills, runs            int
	entries, lost, repeats int
	batches                map[string]int // by what the sink did
	took                   time.Duration
}

func (j judgement) String() string {
	return fmt.Sprintf("%d kills in %d runs, %s: %d entries, %d lost, %d repeats; the sink: %v", j.kills, j.runs, j.took.Round(time.Second), j.entries, j.lost, j.repeats, j.batches)
}

// judge kills collectors while entries arrive late, requests fail and the sink does, and then
// counts what the sink has accepted.
func judge(t *testing.T, queue string, kills int) judgement {
	t.Helper()
	program, began := collector(t), time.Now()
	service := auditlogstest.NewServer(auditlogstest.WithTokens(token), auditlogstest.WithRequestLog(100),
		auditlogstest.WithMaxPageSize(20), // So that a kill mostly strikes amid several batches.
		auditlogstest.WithLateness(func(r *rand.Rand) time.Duration { return auditlogstest.MeasuredLateness(r) / scale }))
	defer service.Close()
	backend := newSink()
	server := httptest.NewServer(backend)
	defer server.Close()
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, configuration, service.URL, token, auditlogstest.AccountID, server.URL, queue, t.TempDir()), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var arriving sync.WaitGroup
	arriving.Go(func() { arrive(service, stop) })

	j := judgement{kills: kills}
	var collectors []*running
	for range kills {
		j.runs++
		c := begin(t, program, config)
		collectors = append(collectors, c)
		time.Sleep(rand.N(2500 * time.Millisecond))
		c.end(t, os.Kill)
	}
	close(stop)
	arriving.Wait()
	backend.recover()
	stored := service.Stored(time.Unix(0, 0), time.Now().Add(time.Hour))
	j.runs, j.lost = j.runs+1, len(stored)
	last := begin(t, program, config)
	collectors = append(collectors, last)
	defer last.end(t, syscall.SIGTERM)
	// What is lost does not come, however long one waits: longer than the look-back after the last
	// entry that came.
	for waited := time.Duration(0); waited < 45*time.Second; waited += 100 * time.Millisecond {
		missing := backend.missing(stored)
		if missing == 0 {
			j.lost = 0
			break
		}
		if missing < j.lost {
			waited = 0
		}
		j.lost = missing
		time.Sleep(100 * time.Millisecond)
	}
	j.entries, j.took = len(stored), time.Since(began)
	if j.lost > 0 {
		for _, c := range collectors {
			for line := range bytes.Lines(c.out.Bytes()) {
				if bytes.Contains(line, []byte("dropped")) {
					t.Logf("%s", line)
				}
			}
		}
	}
	backend.mu.Lock()
	defer backend.mu.Unlock()
	j.repeats, j.batches = backend.repeats, backend.batches
	return j
}

const configuration = `
receivers:
  cloudflare_audit:
    endpoint: %s
    token: %s
    accounts: [{ id: %s }]
    start: 1h
    interval: 1s
    look_back: 30s
    storage: file_storage
    retry_on_failure: { initial_interval: 50ms, max_interval: 200ms }
exporters:
  otlp_http:
    endpoint: %s
    timeout: 500ms%s
extensions:
  file_storage:
    directory: %s
    fsync: true
service:
  telemetry: { metrics: { level: none } }
  extensions: [file_storage]
  pipelines:
    logs: { receivers: [cloudflare_audit], exporters: [otlp_http] }
`

// arrive adds entries, of which every third has the same time as another, and lets requests fail.
func arrive(service *auditlogstest.Server, stop chan struct{}) {
	faults := []auditlogstest.Fault{{Status: 500}, {Cut: true, CutAt: 0.5}, {Drop: true}, {Body: "<html>"}, {Delay: 100 * time.Millisecond}}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(40 * time.Millisecond):
		}
		now := time.Now().UTC().Format(time.RFC3339Nano)
		for n := range 1 + i%3/2 {
			service.Add(fmt.Sprintf(`{"id":"%d-%d","action":{"time":%q,"type":"update"}}`, i, n, now))
		}
		if i%40 == 0 {
			service.FailNext(faults[rand.N(len(faults))])
		}
	}
}

// A running collector.
type running struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func begin(t *testing.T, program, config string) *running {
	t.Helper()
	c := &running{cmd: exec.Command(program, "--config", config)}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// end ends the collector, and fails the test if it has ended by itself.
func (c *running) end(t *testing.T, signal os.Signal) {
	t.Helper()
	_ = c.cmd.Process.Signal(signal)
	err := c.cmd.Wait()
	var ended *exec.ExitError
	killed := errors.As(err, &ended) && !ended.Exited()
	if signal == os.Kill && !killed || signal != os.Kill && err != nil {
		t.Errorf("the collector ended with %v:\n%s", err, c.out.Bytes()[max(0, c.out.Len()-4000):])
	}
}

// A sink is a backend that takes OTLP, and mostly does.
type sink struct {
	mu       sync.Mutex
	accepted map[string]bool
	repeats  int
	batches  map[string]int
	healthy  bool
}

func newSink() *sink { return &sink{accepted: map[string]bool{}, batches: map[string]int{}} }

func (s *sink) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.healthy = true
}

// missing counts the entries that were never accepted.
func (s *sink) missing(stored []rawMessage) (missing int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, raw := range stored {
		if !s.accepted[idOf(raw)] {
			missing++
		}
	}
	return missing
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fate := s.fate()
	s.mu.Lock()
	s.batches[fate]++
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The collector was killed.
	}
	switch fate {
	case "fails":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case "is busy":
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case "refuses":
		connection, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = connection.Close()
		}
		return
	case "hangs":
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
		return
	case "is slow":
		time.Sleep(rand.N(300 * time.Millisecond))
	}
	ids, err := idsOf(r, body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if s.accepted[id] {
			s.repeats++
		}
		s.accepted[id] = true
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(http.StatusOK)
}

func (s *sink) fate() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := rand.N(100)
	switch {
	case s.healthy || n < 50:
		return "takes"
	case n < 65:
		return "is slow"
	case n < 75:
		return "fails"
	case n < 80:
		return "is busy"
	case n < 90:
		return "refuses"
	}
	return "hangs"
}
