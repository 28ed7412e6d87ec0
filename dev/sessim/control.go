package sessim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
)

func (s *Server) listMessages(w http.ResponseWriter, r *http.Request) {
	found := s.inbox.find(filterOf(r))
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && limit >= 0 {
		found = found[max(0, len(found)-limit):]
	}
	writeJSON(w, http.StatusOK, found)
}

func filterOf(r *http.Request) filter {
	query := r.URL.Query()
	return filter{to: query.Get("to"), orderID: query.Get("orderId")}
}

func (s *Server) deleteMessages(w http.ResponseWriter, _ *http.Request) {
	if err := s.inbox.empty(); err != nil {
		s.internal(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) listFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.faults.all())
}

func (s *Server) addFault(w http.ResponseWriter, r *http.Request) {
	fault, err := decodeFault(r.Body)
	if err == nil {
		err = s.faults.add(fault)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return
	}
	s.listFaults(w, r)
}

func decodeFault(body io.Reader) (Fault, error) {
	var fault Fault
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields() // a mistyped "to" would fail every recipient's messages
	if err := decoder.Decode(&fault); err != nil {
		return fault, err
	}
	if decoder.More() {
		return fault, errors.New("one fault at a time")
	}
	return fault, nil
}

func (s *Server) deleteFaults(w http.ResponseWriter, _ *http.Request) {
	s.faults.clear()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) internal(w http.ResponseWriter, err error) {
	s.logger.Error("inbox", "error", err)
	writeJSON(w, http.StatusInternalServerError, map[string]string{"message": "the inbox cannot be written"})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client has disconnected if this fails
}
