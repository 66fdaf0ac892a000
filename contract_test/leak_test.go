package contract

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// The listing that is broken off: so many entries, on pages of so many.
const (
	leakEntries = 7
	leakPage    = 3
)

// A countedConn counts itself among the open connections until it is closed.
type countedConn struct {
	net.Conn
	open   *atomic.Int32
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// bubbleStacks returns the stacks of all goroutines in the caller's bubble. There is one bubble at
// a time in this package.
func bubbleStacks() []string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	return slices.DeleteFunc(strings.Split(string(all), "\n\n"), func(stack string) bool {
		first, _, _ := strings.Cut(stack, "\n")
		return !strings.Contains(first, "synctest bubble")
	})
}

// of counts the stacks that have a function of a package in them.
func of(stacks []string, name string) (n int) {
	for _, stack := range stacks {
		if strings.Contains(stack, "\n"+name+".") || strings.Contains(stack, "\ncreated by "+name+".") {
			n++
		}
	}
	return n
}

// A leakTest is one way to end an iteration early.
type leakTest struct {
	name    string
	faults  []auditlogstest.Fault
	options []auditlogs.Option
	breaks  int           // the loop is left at this entry; 0 for never
	cancels int           // the context is cancelled at this entry; 0 for never
	after   time.Duration // the context is cancelled so late; 0 for never
	early   bool          // the context is cancelled before the iteration
	fails   bool          // it ends with an error by itself
}

func leakTests() []leakTest {
	tests := []leakTest{
		{name: "read to the end"},
		{name: "cancelled before the start", early: true},
		{name: "cancelled while the answer is awaited", after: time.Second, faults: []auditlogstest.Fault{{Delay: time.Hour}}},
		{name: "cancelled while the second answer is awaited", after: time.Second, faults: []auditlogstest.Fault{{}, {Delay: time.Hour}}},
		{name: "cancelled within the body", after: 1500 * time.Millisecond, faults: []auditlogstest.Fault{{Drip: time.Second}}},
		{name: "cancelled within the second body", after: 1500 * time.Millisecond, faults: []auditlogstest.Fault{{}, {Drip: time.Second}}},
		{name: "cancelled within the body of an error", after: 1500 * time.Millisecond, faults: []auditlogstest.Fault{{Status: 500, Drip: time.Second}}},
		{name: "cancelled while it backs off", after: time.Millisecond, faults: []auditlogstest.Fault{{Status: 500}},
			options: []auditlogs.Option{auditlogs.WithRetry(3, time.Hour, time.Hour)}},
		{name: "cancelled while the service has it wait", after: time.Second,
			options: []auditlogs.Option{auditlogs.WithRetry(3, 0, 0)},
			faults:  []auditlogstest.Fault{{Status: 429, Header: http.Header{"Retry-After": {"300"}}}}},
		{name: "cancelled while the rate has it wait", after: time.Second, options: []auditlogs.Option{auditlogs.WithRate(0.1)}},
		{name: "timed out while the answer is awaited", fails: true, faults: []auditlogstest.Fault{{Delay: time.Hour}}},
		{name: "timed out within the body", fails: true, faults: []auditlogstest.Fault{{Drip: 20 * time.Second}}},
		{name: "body too large", fails: true, options: []auditlogs.Option{auditlogs.WithLimits(auditlogs.Limits{Body: 100})}},
		{name: "body inflates too far", fails: true, options: []auditlogs.Option{auditlogs.WithLimits(auditlogs.Limits{Inflated: 100})}},
		{name: "refused", fails: true, faults: []auditlogstest.Fault{{Status: 403}}},
		{name: "redirected", fails: true, faults: []auditlogstest.Fault{{Status: 302, Header: http.Header{"Location": {"/"}}}}},
		{name: "connection dropped", fails: true, faults: []auditlogstest.Fault{{Drop: true}}},
		{name: "body cut", fails: true, faults: []auditlogstest.Fault{{Cut: true, CutAt: 0.5}}},
		{name: "no HTTP", fails: true, faults: []auditlogstest.Fault{{Raw: []byte("SSH-2.0\r\n")}}},
		{name: "not gzip", fails: true, faults: []auditlogstest.Fault{{Mangle: func([]byte) []byte { return []byte("plain") }}}},
		{name: "HTML under 200", fails: true, faults: []auditlogstest.Fault{{Status: 200, Body: "<html>"}}},
	}
	for i := 1; i <= leakEntries; i++ {
		tests = append(tests,
			leakTest{name: fmt.Sprintf("left at entry %d", i), breaks: i},
			leakTest{name: fmt.Sprintf("cancelled at entry %d", i), cancels: i},
			leakTest{name: fmt.Sprintf("left and cancelled at entry %d", i), breaks: i, cancels: i},
		)
	}
	return tests
}

// TestNothingIsLeft ends iterations in every way there is. Whatever an iteration started is gone
// when it returns, but for an idle connection, which belongs to the HTTP client; and that is gone,
// too, once the HTTP client lets go of it.
func TestNothingIsLeft(t *testing.T) {
	for _, test := range leakTests() {
		for _, byPage := range []bool{false, true} {
			name := test.name
			if byPage {
				name += ", by the page"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkLeak(t, test, byPage) })
			})
		}
	}
}

// checkLeak runs in a bubble, where it is known when nothing moves any more. A goroutine that
// outlives the bubble's own function fails the test by itself.
func checkLeak(t *testing.T, test leakTest, byPage bool) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	for i := range leakEntries {
		server.Add(fmt.Sprintf(`{"id":"%d","action":{"time":%q}}`, i, windowStart.Add(time.Duration(i)*time.Second).Format(time.RFC3339)))
	}
	server.FailNext(test.faults...)

	var dialled, open atomic.Int32
	next := server.Client().Transport.(*http.Transport).Clone()
	dial := next.DialContext
	next.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		dialled.Add(1)
		open.Add(1)
		return &countedConn{Conn: conn, open: &open}, nil
	}
	client := newClient(t, server.URL, next, append([]auditlogs.Option{auditlogs.WithMaxWait(time.Hour)}, test.options...)...)
	query := window()
	query.Limit = new(leakPage)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if test.early {
		cancel()
	}
	synctest.Wait()
	before := len(bubbleStacks())

	if test.after > 0 {
		time.AfterFunc(test.after, cancel)
	}
	start := time.Now()
	seen, end := 0, error(nil)
	visit := func() (goOn bool) {
		seen++
		if seen == test.cancels {
			cancel()
		}
		return seen != test.breaks
	}
	if byPage {
		for page, err := range client.Account(account).Pages(ctx, query) {
			if end = err; err != nil {
				break
			}
			goOn := true
			for range page.Entries {
				goOn = visit() && goOn
			}
			if !goOn {
				break
			}
		}
	} else {
		for _, err := range client.Account(account).Entries(ctx, query) {
			if end = err; err != nil || !visit() {
				break
			}
		}
	}
	took := time.Since(start)

	// What was asked for happened.
	lastPage := leakEntries - leakEntries%leakPage
	stopped := test.early || test.after > 0 || test.cancels > 0 && test.breaks == 0 && test.cancels < leakEntries && (!byPage || test.cancels <= lastPage)
	if want := stopped || test.fails; (end != nil) != want {
		t.Errorf("after %d entries, it ended with %v", seen, end)
	}
	if test.after > 0 && took != test.after {
		t.Errorf("cancelled after %s, it ended after %s", test.after, took)
	}
	if test.early != (dialled.Load() == 0) {
		t.Errorf("%d connections", dialled.Load())
	}

	synctest.Wait()
	stacks := bubbleStacks()
	if n := of(stacks, "cfaudit.example/wrapper/auditlogs"); n > 0 {
		t.Errorf("%d goroutines of the library are left:\n%s", n, strings.Join(stacks, "\n\n"))
	}
	if n := open.Load(); n > 1 {
		t.Errorf("%d connections are open, want the idle one at most", n)
	}
	next.CloseIdleConnections()
	synctest.Wait()
	if n := open.Load(); n > 0 {
		t.Errorf("%d of %d connections are left", n, dialled.Load())
	}
	if stacks := bubbleStacks(); len(stacks) != before {
		t.Errorf("%d goroutines, and %d before:\n%s", len(stacks), before, strings.Join(stacks, "\n\n"))
	}
}
