package follow_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// With WithoutEnd, what otherwise ends a follower only delays it, and nothing is missed.
func TestWithoutEnd(t *testing.T) {
	t.Parallel()
	const trouble = 30 * time.Minute // from the start
	for _, test := range []struct {
		name    string
		status  int   // of the service's answers during the trouble; 0 for its own
		load    bool  // the store cannot be read
		save    bool  // nor written
		damaged bool  // the state
		deliver bool  // the handler fails
		is      error // what Health.Err is meanwhile
	}{
		{name: "a refused token", status: http.StatusForbidden, is: auditlogs.ErrForbidden},
		{name: "an unknown account", status: http.StatusNotFound, is: auditlogs.ErrNotFound},
		{name: "a refused query", status: http.StatusBadRequest, is: auditlogs.ErrInvalidQuery},
		{name: "a store that cannot be read", load: true, is: errDisk},
		{name: "a store that cannot be written", save: true, is: errDisk},
		{name: "a damaged state", damaged: true, is: follow.ErrState},
		{name: "a handler that fails", deliver: true, is: errSink},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				start := time.Now()
				during := func() bool { return time.Since(start) < trouble }
				for i := range 60 {
					s.Add(made(i, start.Add(time.Duration(i)*time.Minute)))
				}
				next := s.Client().Transport
				client := newClient(t, s, auditlogs.WithHTTPClient(&http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
					if test.status > 0 && during() {
						return &http.Response{StatusCode: test.status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
					}
					return next.RoundTrip(r)
				})}))
				store := &troubledStore{load: test.load, save: test.save, damaged: test.damaged, during: during}
				f := newFollower(t, client, auditlogs.Query{Since: auditlogs.Time(start.Add(-time.Second))}, store, follow.WithoutEnd())
				out := &sink{fail: func(int) error {
					if test.deliver && during() {
						return errSink
					}
					return nil
				}}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				time.AfterFunc(trouble-time.Minute, func() {
					if h := f.Health(); !errors.Is(h.Err, test.is) || h.Failures == 0 {
						t.Errorf("during the trouble: %+v", h)
					}
				})
				if err := f.Run(ctx, out.deliver); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("it ended with %v", err)
				}
				wantAll(t, out.entries(), stored(s), false)
				if h := f.Health(); h.Err != nil {
					t.Errorf("after the trouble: %v", h.Err)
				}
			})
		})
	}
	t.Run("catching up ends all the same", func(t *testing.T) {
		s := newFake(t)
		f := newFollower(t, newClient(t, s), auditlogs.Query{}, &memoryStore{data: []byte("damaged")}, follow.WithoutEnd())
		if err := f.CatchUp(t.Context(), new(sink).deliver); !errors.Is(err, follow.ErrState) {
			t.Errorf("got %v, want %v", err, follow.ErrState)
		}
	})
}

// A troubledStore fails for a while.
type troubledStore struct {
	memoryStore
	load, save, damaged bool
	during              func() bool
}

func (s *troubledStore) Load(ctx context.Context) ([]byte, error) {
	switch {
	case s.load && s.during():
		return nil, errDisk
	case s.damaged && s.during():
		return []byte("damaged"), nil
	}
	return s.memoryStore.Load(ctx)
}

func (s *troubledStore) Save(ctx context.Context, state []byte) error {
	if s.save && s.during() {
		return errDisk
	}
	return s.memoryStore.Save(ctx, state)
}

// A handler that takes long delays the other followers, which end with the context all the same.
func TestWaitingForTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.Add(made(1, time.Now().Add(-time.Minute)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began, delivered := time.Now(), 0
		err := follow.Run(ctx, func(context.Context, follow.Batch) error {
			delivered++
			time.Sleep(50 * time.Minute)
			return nil
		}, newFollowers(t, newClient(t, s), auditlogs.Query{}, 3)...)
		if took := time.Since(began); delivered != 2 || took != 100*time.Minute || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d deliveries in %s: %v", delivered, took, err)
		}
	})
}
