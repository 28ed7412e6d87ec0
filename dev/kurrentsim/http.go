package kurrentsim

import (
	"encoding/json"
	"net/http"
	"strconv"
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

// infoOptions lists the server's options, of which it has one that clients can notice. A
// real server lists them all, to administrators and operators.
func infoOptions(maxAppend int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode([]map[string]string{ // the client has disconnected if this fails
			{"name": "MaxAppendSize", "group": "Database Options", "value": strconv.Itoa(maxAppend)},
		})
	}
}
