package sessim

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// authorized requires requests to be signed, as the real service does. It cannot verify
// the signature, because it has no secret.
func authorized(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-Requestid", uuid.NewString())
		authorization := r.Header.Get("Authorization")
		switch {
		case authorization == "":
			writeError(w, apiError{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"})
		case !signed(authorization):
			writeError(w, apiError{http.StatusForbidden, "IncompleteSignatureException", "Authorization header is not a signature of version 4."})
		default:
			next(w, r)
		}
	})
}

func signed(authorization string) bool {
	fields, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 ")
	return ok && strings.Contains(fields, "Credential=") && strings.Contains(fields, "Signature=")
}

func unknownOperation(w http.ResponseWriter, r *http.Request) {
	writeError(w, apiError{http.StatusNotFound, "UnknownOperationException", "The stand-in has no " + r.Method + " of this path."})
}

func writeError(w http.ResponseWriter, e apiError) {
	w.Header().Set("X-Amzn-Errortype", e.code)
	writeJSON(w, e.status, map[string]string{"message": e.message})
}

// sendEmail accepts or rejects one message. It validates the message before it applies
// requested faults, so that a fault never hides a bad message.
func (s *Server) sendEmail(w http.ResponseWriter, r *http.Request) {
	var request sendRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		writeError(w, bad("The request cannot be read: %v", err))
		return
	}
	message, refusal := request.message()
	if refusal != nil {
		writeError(w, *refusal)
		return
	}
	fault := s.faults.take(request.recipients())
	if failure, ok := failureOf(fault, request.recipients()); ok {
		writeError(w, failure)
		return
	}
	if fault == FaultHang {
		hang(r)
		return
	}
	message.MessageID, message.At, message.Suppressed = newMessageID(), time.Now().UTC(), fault == FaultSuppressed
	if err := s.inbox.add(message); err != nil {
		s.logger.Error("inbox", "error", err)
		writeError(w, apiError{http.StatusInternalServerError, "InternalServiceErrorException", "the inbox cannot be written"})
		return
	}
	s.publish(message, outcomeOf(message, fault))
	if fault == FaultLost {
		s.hangUp(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"MessageId": message.MessageID})
}

// hang waits until the sender has disconnected. The server notices that only after the
// request was read to its end.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// hangUp closes the connection instead of responding.
func (s *Server) hangUp(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.logger.Error("cut connection", "error", err)
		return
	}
	_ = connection.Close() // closing it is the purpose
}

// newMessageID returns an id in the real format: a time, an id, a counter.
func newMessageID() string {
	return "01000000-" + uuid.Must(uuid.NewV7()).String() + "-000000"
}
