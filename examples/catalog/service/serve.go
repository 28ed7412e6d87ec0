package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"example.com/catalog/process"
	"example.com/catalog/web"
)

// servePages serves the pages.
func (s *service) servePages(ctx context.Context) error {
	return s.serve(ctx, s.config.Addr, web.New(web.Options{
		Files: s.files, Messages: s.messages, View: s.view, Progress: process.NewMonitor(s.temporal),
		MaxUpload: s.config.MaxUpload, Logger: s.logger,
	}))
}

// serveOps serves what operators and Prometheus read.
func (s *service) serveOps(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	return s.serve(ctx, s.config.OpsAddr, mux)
}

// serve serves until ctx ends, and then finishes the requests in progress.
func (s *service) serve(ctx context.Context, addr string, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	// The pages extend the deadlines of uploads and downloads while bytes move.
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.StopTimeout)
		defer cancel()
		ended <- errors.Join(server.Shutdown(stopping), server.Close())
	}()
	s.logger.Info("serving", "url", "http://"+listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-ended; err != nil {
		s.logger.Warn("requests were cut off", "error", err)
	}
	return nil
}

// runWorkers hosts the workflow with the steps that need no file, and the steps with files
// of this machine's folder.
func (s *service) runWorkers(ctx context.Context) error {
	failed := make(chan error, 2)
	options := worker.Options{
		WorkerStopTimeout: s.config.StopTimeout,
		OnFatalError:      func(err error) { failed <- err },
	}
	a := &process.Activities{Messages: s.messages, Files: s.files, Media: s.tools}
	main := worker.New(s.temporal, process.TaskQueue, options)
	main.RegisterWorkflowWithOptions(process.CatalogVideo, workflow.RegisterOptions{Name: process.WorkflowType})
	a.RegisterStore(main)
	options.MaxConcurrentActivityExecutionSize = s.config.Transcodes
	options.MaxHeartbeatThrottleInterval = 3 * time.Second // a heartbeat may be lost, and the next one is in time
	options.DisableWorkflowWorker = true
	media := worker.New(s.temporal, process.MediaQueue(s.files.Location()), options)
	a.RegisterMedia(media)
	for _, w := range []worker.Worker{main, media} {
		if err := w.Start(); err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		defer w.Stop()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("worker: %w", err)
	}
}
