package kurrentsim

import (
	"net/http"
	"time"
)

// newHTTPServer answers what comes to a port as plain HTTP: the health check a real node answers too, and the stream
// browser.
func newHTTPServer(browser http.Handler) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("/", browser)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: sniffTimeout,
		ReadTimeout:       sniffTimeout,
		WriteTimeout:      sniffTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
