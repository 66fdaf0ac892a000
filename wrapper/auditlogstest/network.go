package auditlogstest

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// unreachable is the address in the URL when there is no real listener. It is on loopback because
// clients rightly refuse to send a token over plain HTTP to any other place.
const unreachable = "127.0.0.1"

// network is how requests come in: one HTTP server on a listener in memory and, where possible, one
// on loopback.
type network struct {
	http      *http.Server
	transport *http.Transport
	serving   sync.WaitGroup
	closing   sync.Once
}

// start starts serving, and returns the base URL.
func (n *network) start(handler http.Handler) string {
	memory := &memoryListener{conns: make(chan net.Conn), done: make(chan struct{})}
	n.http = &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	n.transport = &http.Transport{
		DialContext: memory.dial,
		// The connection is treated as already encrypted, so that https addresses lead here as
		// well.
		DialTLSContext:      memory.dial,
		MaxIdleConnsPerHost: 100,
	}
	n.serve(memory)
	address := unreachable
	if real := listenOnLoopback(); real != nil {
		address = real.Addr().String()
		n.serve(real)
	}
	return "http://" + address + basePath
}

func (n *network) serve(l net.Listener) { n.serving.Go(func() { _ = n.http.Serve(l) }) }

func (n *network) close() {
	n.closing.Do(func() {
		_ = n.http.Close()
		n.transport.CloseIdleConnections()
		n.serving.Wait()
	})
}

// listenOnLoopback returns nil if a real listener is not possible or not wanted.
func listenOnLoopback() net.Listener {
	// Inside a testing/synctest bubble, a goroutine that waits for a real connection keeps the
	// bubble's clock from ever moving. The clock of a bubble starts at midnight UTC 2000-01-01, as
	// its package documents, and no real clock is that slow.
	if time.Now().Year() < 2020 {
		return nil
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		if l, err := net.Listen("tcp", address); err == nil {
			return l
		}
	}
	return nil
}

// A memoryListener accepts connections that are dialled in the same process. It waits on channels
// only, which a bubble recognizes as waiting.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	err := errors.New("auditlogstest: the server is closed")
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = here.Close()
	_ = there.Close()
	return nil, err
}
