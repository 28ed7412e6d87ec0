package sessim

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

//go:embed page
var pageFiles embed.FS

const perPage = 50

// contentPolicy blocks external content and scripts. It applies to the email in its frame
// as well, which is why inline styles are allowed: emails have no other styles.
const contentPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

type inboxView struct {
	Messages  []Message
	Total     int
	To, Order string
	From      int // number of the first message shown, counted from 1
	Until     int
	Newer     string // links to the neighboring pages, empty at the ends
	Older     string
	Faults    []Fault
}

// inboxPage lists the messages, newest first.
func (s *Server) inboxPage(w http.ResponseWriter, r *http.Request) {
	f := filterOf(r)
	found := s.inbox.find(f)
	slices.Reverse(found)
	pages := max(1, (len(found)+perPage-1)/perPage)
	page, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	page = min(page, pages)
	first, until := (page-1)*perPage, min(page*perPage, len(found))
	view := inboxView{
		Messages: found[first:until], Total: len(found), To: f.to, Order: f.orderID,
		From: first + 1, Until: until, Faults: s.faults.all(),
	}
	if page > 1 {
		view.Newer = pageLink(f, page-1)
	}
	if page < pages {
		view.Older = pageLink(f, page+1)
	}
	s.writePage(w, http.StatusOK, "inbox.html", view)
}

func pageLink(f filter, page int) string {
	query := url.Values{"page": {strconv.Itoa(page)}}
	if f.to != "" {
		query.Set("to", f.to)
	}
	if f.orderID != "" {
		query.Set("orderId", f.orderID)
	}
	return "/?" + query.Encode()
}

func (s *Server) messagePage(w http.ResponseWriter, r *http.Request) {
	message, ok := s.inbox.get(r.PathValue("id"))
	if !ok {
		s.writePage(w, http.StatusNotFound, "missing.html", nil)
		return
	}
	s.writePage(w, http.StatusOK, "message.html", message)
}

func (s *Server) emptyInbox(w http.ResponseWriter, r *http.Request) {
	if err := s.inbox.empty(); err != nil {
		s.internal(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Server) writePage(w http.ResponseWriter, status int, name string, view any) {
	var page bytes.Buffer
	set, err := template.ParseFS(pageFiles, "page/layout.html", "page/"+name)
	if err == nil {
		err = set.ExecuteTemplate(&page, "layout", view)
	}
	if err != nil {
		s.logger.Error("render page", "page", name, "error", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", contentPolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the reader has disconnected if this fails
}
