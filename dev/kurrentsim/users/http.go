package users

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"orderflow/dev/kurrentsim/access"
)

// maxBody limits the description of a user, in bytes.
const maxBody = 16 << 10

// created is the response to the creation of a user.
type created struct {
	LoginName string `json:"loginName"`
	Success   bool   `json:"success"`
	Error     string `json:"error"`
}

// ServeHTTP creates a user, like POST /users/ of a real server. The caller must restrict
// it to administrators.
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); media != "application/json" {
		http.Error(w, "only application/json is read", http.StatusUnsupportedMediaType)
		return
	}
	var asked struct {
		LoginName, FullName, Password string
		Groups                        []string
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&asked)
	if err != nil || asked.LoginName == "" || asked.Password == "" || strings.Contains(asked.LoginName, ":") {
		http.Error(w, "a user has a loginName without a colon and a password", http.StatusBadRequest)
		return
	}
	user := User{User: access.User{Name: asked.LoginName, Groups: asked.Groups}, Password: asked.Password}
	switch err = d.Create(user, asked.FullName); {
	case err == nil:
		w.Header().Set("Location", "https://"+r.Host+"/users/"+url.PathEscape(asked.LoginName))
		answer(w, http.StatusCreated, created{LoginName: asked.LoginName, Success: true, Error: "success"})
	case errors.Is(err, ErrConflict):
		answer(w, http.StatusConflict, created{LoginName: asked.LoginName, Error: "conflict"})
	default:
		answer(w, http.StatusInternalServerError, created{LoginName: asked.LoginName, Error: "error"})
	}
}

func answer(w http.ResponseWriter, status int, body created) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have disconnected
}
