package auditlogsreceiver

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/component"
)

// An election is the extension of one collector of a group.
type election struct {
	component.StartFunc
	component.ShutdownFunc
	start func(context.Context)
	stop  func()
}

func (e *election) SetCallBackFuncs(start func(context.Context), stop func()) {
	e.start, e.stop = start, stop
}

// Only the leader reads, and the next one continues where it stopped.
func TestLeaderElection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		storage, leader := component.MustNewID("redis_storage"), component.MustNewID("k8s_leader_elector")
		kept, out := &storageExtension{}, new(sink)
		var elections []*election
		for range 2 {
			e := new(election)
			elections = append(elections, e)
			h := &host{extensions: map[component.ID]component.Component{storage: kept, leader: e}}
			start(t, s, newConfig(func(c *Config) {
				c.Storage, c.AllowLossOnRestart, c.LeaderElection = &storage, false, &leader
			}), out, h)
		}
		n := 0
		for range 20 {
			s.Add(made(fmt.Sprint(n), time.Now()))
			n++
			time.Sleep(time.Minute)
		}
		if len(s.Requests()) > 0 {
			t.Error("it reads without a leader")
		}
		for turn := range 4 {
			e := elections[turn%2]
			e.start(t.Context())
			e.start(t.Context()) // An extension may say so twice.
			for range 10 {
				s.Add(made(fmt.Sprint(n), time.Now()))
				n++
				time.Sleep(time.Minute)
			}
			e.stop()
			e.stop()
			requests := len(s.Requests())
			s.Add(made(fmt.Sprint(n), time.Now()))
			n++
			time.Sleep(45 * time.Minute)
			if more := len(s.Requests()) - requests; more > 0 {
				t.Errorf("%d requests without a leader", more)
			}
		}
		elections[0].start(t.Context())
		time.Sleep(time.Minute)
		if got := out.taken(); !slices.Equal(got, numbers(0, n)) {
			t.Errorf("taken: %v, want %d", got, n)
		}
	})
}

// After the shutdown, nothing starts.
func TestLeaderAfterShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		leader, e := component.MustNewID("k8s_leader_elector"), new(election)
		r := start(t, s, newConfig(func(c *Config) { c.LeaderElection = &leader }), new(sink), &host{extensions: map[component.ID]component.Component{leader: e}})
		e.start(t.Context())
		time.Sleep(time.Minute)
		r.stop(t)
		requests := len(s.Requests())
		e.start(t.Context())
		time.Sleep(time.Hour)
		if len(s.Requests()) != requests {
			t.Error("it reads after the shutdown")
		}
	})
}
