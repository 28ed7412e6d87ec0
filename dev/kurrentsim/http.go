package kurrentsim

import (
	"net/http"
	"time"
)

// newHTTPServer serves what arrives on a port as plain HTTP: the health check that a real
// node has too, and the stream browser.
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
