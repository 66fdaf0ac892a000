package auditlogsreceiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogsreceiver/internal/metadata"
)

// An auditReceiver delivers the entries of all configured logs. It runs as long as it is started,
// and with a leader election while its collector leads.
type auditReceiver struct {
	config    *Config
	settings  receiver.Settings
	next      consumer.Logs
	obs       *receiverhelper.ObsReport
	telemetry telemetry
	status    status
	mapper    mapper
	further   []auditlogs.Option // for tests

	storage storage.Client // nil for none

	mu      sync.Mutex // held while a run starts or ends
	run     *run       // nil if there is none
	stopped bool
}

// A run of all followers.
type run struct {
	cancel  context.CancelFunc
	abandon context.CancelFunc // what the pipeline has at hand
	ended   chan struct{}
}

func newReceiver(config *Config, settings receiver.Settings, next consumer.Logs, further ...auditlogs.Option) (*auditReceiver, error) {
	obs, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: settings.ID, Transport: "http", ReceiverCreateSettings: settings,
	})
	if err != nil {
		return nil, err
	}
	builder, err := metadata.NewTelemetryBuilder(settings.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &auditReceiver{
		config: config, settings: settings, next: next, obs: obs, telemetry: telemetry{builder: builder}, further: further,
		status: status{troubles: map[string]error{}}, mapper: mapper{schema: config.Schema, version: settings.BuildInfo.Version},
	}, nil
}

// Start returns at once. What goes wrong afterwards shows in the status and the metrics, and is
// tried again.
func (r *auditReceiver) Start(ctx context.Context, host component.Host) error {
	r.status.host = host
	logs, err := r.config.open(r.further...)
	if err != nil {
		return err
	}
	for _, value := range r.config.unknown() {
		r.settings.Logger.Warn("A filter has a value that is not known, and is sent as it is.", zap.String("filter", value))
	}
	if r.storage, err = openStorage(ctx, host, r.config.Storage, r.settings.ID); err != nil {
		return err
	}
	for _, l := range logs {
		if r.storage != nil {
			l.state = store{r.storage, l.key(), fmt.Sprintf("of %s in the storage of %s", l.log, r.settings.ID)}
		}
	}
	r.telemetry.logs = logs
	if err := r.telemetry.register(); err != nil {
		return err
	}
	if r.config.LeaderElection == nil {
		return r.begin()
	}
	return r.elect(host)
}

// An elector tells the collectors of a group which one leads, such as the extension
// k8s_leader_elector.
type elector interface {
	SetCallBackFuncs(start func(context.Context), stop func())
}

func (r *auditReceiver) elect(host component.Host) error {
	elector, err := extension[elector](host, "leader_election", *r.config.LeaderElection, "elects no leader", "k8s_leader_elector")
	if err != nil {
		return err
	}
	elector.SetCallBackFuncs(func(context.Context) {
		r.settings.Logger.Info("This collector leads, and reads the audit logs.")
		if err := r.begin(); err != nil {
			r.status.set("starting", err)
		}
	}, func() {
		r.settings.Logger.Info("This collector does not lead any more.")
		_ = r.end(context.Background(), false)
	})
	return nil
}

// begin starts to follow all logs, from the states as they are saved.
func (r *auditReceiver) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run != nil || r.stopped {
		return nil
	}
	query, options, err := r.config.following()
	if err != nil {
		return err
	}
	var followers []*follow.Follower
	for _, l := range r.telemetry.logs {
		f, err := follow.New(l.log, query, l.state, append(slices.Clip(options), follow.WithObserver(r.observer(l.log)))...)
		if err != nil {
			return err
		}
		followers = append(followers, f)
	}
	r.telemetry.follow(followers)
	ctx, cancel := context.WithCancel(context.Background())
	consuming, abandon := context.WithCancel(context.Background())
	run := &run{cancel: cancel, abandon: abandon, ended: make(chan struct{})}
	r.run = run
	go func() {
		defer close(run.ended)
		// The followers have no end of their own.
		_ = follow.Run(ctx, func(ctx context.Context, batch follow.Batch) error {
			return r.deliver(ctx, consuming, batch)
		}, followers...)
	}()
	return nil
}

// observer reports what happens to a log. A follower calls it from one goroutine.
func (r *auditReceiver) observer(log *auditlogs.Log) func(follow.Health) {
	failures := int64(0)
	return func(h follow.Health) {
		err := h.Err
		if h.Ended {
			err = nil // It was told to end.
		}
		if errors.Is(err, follow.ErrState) {
			err = fmt.Errorf("%w; with another name, such as %s/new, the receiver starts over at its start", err, r.settings.ID.Type())
		}
		if err != nil && h.Failures > failures {
			failures = h.Failures
			r.settings.Logger.Warn("An audit log cannot be read; it is tried again.", zap.Stringer("log", log), zap.Error(err))
		}
		r.status.set("reading "+log.String(), err)
	}
}

// patience is how long a batch that the pipeline has at hand may take when the receiver is to end.
// After that it is abandoned, and delivered again by the next run.
const patience = 5 * time.Second

// end ends the run, if there is one. No other starts meanwhile, nor ever after the last.
func (r *auditReceiver) end(ctx context.Context, last bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = r.stopped || last
	if r.run == nil {
		return nil
	}
	r.run.cancel()
	select {
	case <-r.run.ended:
	case <-time.After(patience):
	case <-ctx.Done():
	}
	r.run.abandon()
	select {
	case <-r.run.ended:
	case <-ctx.Done():
		return fmt.Errorf("the pipeline keeps a batch, which the next run delivers again: %w", ctx.Err())
	}
	r.run = nil
	r.telemetry.follow(make([]*follow.Follower, len(r.telemetry.logs)))
	return nil
}

// Shutdown ends everything that Start has started.
func (r *auditReceiver) Shutdown(ctx context.Context) error {
	r.status.close()
	err := r.end(ctx, true)
	r.telemetry.builder.Shutdown()
	for _, l := range r.telemetry.logs {
		l.log.Client().CloseIdleConnections()
	}
	if r.storage != nil {
		err = errors.Join(err, r.storage.Close(ctx))
	}
	return err
}
