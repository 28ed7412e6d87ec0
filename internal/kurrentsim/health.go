package kurrentsim

import (
	"net/http"
	"time"
)

// newHealthServer answers what a real node's health checks answer.
func newHealthServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: sniffTimeout,
		ReadTimeout:       sniffTimeout,
		WriteTimeout:      sniffTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
