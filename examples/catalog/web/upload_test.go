package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/catalog/video"
)

const mp4 = "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00"

// upload is a submission. A field of it that is empty is left out.
type upload struct {
	id, title, kind, content string
}

func newUpload() upload {
	return upload{id: uuid.NewString(), title: secretTitle, kind: "video/mp4", content: mp4 + "the rest"}
}

// form returns the form's bytes and its content type.
func (u upload) form() (*bytes.Buffer, string) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, field := range [][2]string{{"id", u.id}, {"title", u.title}} {
		if field[1] != "" {
			_ = w.WriteField(field[0], field[1])
		}
	}
	if u.kind != "" {
		part, _ := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="file"; filename="../../x.mp4"`}, "Content-Type": {u.kind},
		})
		_, _ = io.WriteString(part, u.content)
	}
	_ = w.Close()
	return &form, w.FormDataContentType()
}

func (r *rig) upload(u upload, headers ...string) response {
	r.Helper()
	form, kind := u.form()
	return r.do(http.MethodPost, "/videos", form, append(headers, "Content-Type", kind)...)
}

// command returns the only command for a video.
func (r *rig) command(id string) (video.Message, video.Command) {
	r.Helper()
	stream, err := r.messages.Read(r.Context(), video.CommandStream(id))
	require.NoError(r, err)
	require.Len(r, stream, 1)
	command, err := video.ParseCommand(stream[0])
	require.NoError(r, err)
	return stream[0], command
}

// octets is the type that a client declares if it does not know a file's type.
const octets = "application/octet-stream"

var acceptJSON = []string{"Accept", "application/json"}

func TestUpload(t *testing.T) {
	t.Parallel()
	t.Run("keeps the file and appends the command", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		trace := strings.Repeat("4b", 16)
		got := r.upload(u, "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
		require.Equal(t, http.StatusSeeOther, got.StatusCode, got.text)
		require.Equal(t, "/videos/"+u.id, got.Header.Get("Location"))
		m, command := r.command(u.id)
		require.Equal(t, secretTitle, command.Title)
		file, err := r.disk.Describe(t.Context(), command.Upload.Name)
		require.NoError(t, err)
		require.Equal(t, file, command.Upload)
		require.Equal(t, r.disk.Location(), file.Location)
		require.Equal(t, int64(len(u.content)), file.Bytes)
		require.Equal(t, video.CommandID(u.id, command.Title, file.SHA256), m.ID)
		require.Equal(t, video.NewMetadata(trace, m.Stream, uuid.Nil), video.MetadataOf(m))
	})
	t.Run("sends programs the id and the location", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		got := r.upload(u, acceptJSON...)
		require.Equal(t, http.StatusAccepted, got.StatusCode)
		require.JSONEq(t, fmt.Sprintf(`{"id":%q,"location":"/videos/%s"}`, u.id, u.id), got.text)
		require.Equal(t, "/videos/"+u.id, got.Header.Get("Location"))
	})
	t.Run("gets a new id without one, each time", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		form, kind := u.form()
		empty := bytes.ReplaceAll(form.Bytes(), []byte(u.id), nil)
		u.id = ""
		ids, headers := map[string]bool{}, append([]string{"Content-Type", kind}, acceptJSON...)
		for _, got := range []response{
			r.upload(u, acceptJSON...), r.upload(u, acceptJSON...),
			r.do(http.MethodPost, "/videos", bytes.NewReader(empty), headers...),
		} {
			var accepted struct{ ID string }
			require.Equal(t, http.StatusAccepted, got.StatusCode, got.text)
			require.NoError(t, json.Unmarshal([]byte(got.text), &accepted))
			r.command(accepted.ID)
			ids[accepted.ID] = true
		}
		require.Len(t, ids, 3)
	})
	t.Run("accepts all formats that are transcoded, also undeclared", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for _, content := range []string{"\x00\x00\x01\xba", "\x1aE\xdf\xa3", mp4} {
			for _, kind := range []string{octets, "video/x-anything", "Video/MP4; codecs=avc1"} {
				u := newUpload()
				u.kind, u.content = kind, content
				require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode, kind)
			}
		}
	})
	t.Run("is one video however often it is submitted", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		submitted := make(chan int, 8)
		for range cap(submitted) {
			go func() {
				form, kind := u.form()
				request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+"/videos", form)
				request.Header.Set("Content-Type", kind)
				got, err := r.server.Client().Transport.RoundTrip(request)
				if err != nil {
					submitted <- 0
					return
				}
				_ = got.Body.Close()
				submitted <- got.StatusCode
			}()
		}
		for range cap(submitted) {
			require.Equal(t, http.StatusSeeOther, <-submitted)
		}
		require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode)
		r.command(u.id)
	})
	t.Run("refuses another video with the same id", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode)
		for _, other := range []upload{{u.id, "another", u.kind, u.content}, {u.id, u.title, u.kind, u.content + "."}} {
			p := r.upload(other, acceptJSON...).problem(t)
			require.Equal(t, http.StatusConflict, p.Status)
			require.Equal(t, "/videos/"+u.id, p.Location)
			page := r.upload(other)
			require.Contains(t, page.text, `<a href="/videos/`+u.id)
			require.NotContains(t, page.text, `value="`+u.id, "the form is a new one")
		}
		_, command := r.command(u.id)
		require.Equal(t, u.title, command.Title)
	})
	t.Run("streams the file to the disk while it is received", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		u.content += strings.Repeat("x", maxUpload-len(u.content))
		r.disk.began = make(chan struct{})
		form, kind := u.form()
		half := form.Next(maxUpload / 2)
		body, client := io.Pipe()
		go func() {
			_, _ = client.Write(half)
			<-r.disk.began
			_, _ = form.WriteTo(client)
			_ = client.Close()
		}()
		require.Equal(t, http.StatusSeeOther, r.do(http.MethodPost, "/videos", body, "Content-Type", kind).StatusCode)
	})
}

func TestUpload_Refused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	valid := newUpload()
	with := func(change func(u *upload)) upload {
		u := valid
		change(&u)
		return u
	}
	for name, c := range map[string]struct {
		upload upload
		status int
		field  string
	}{
		"id in upper case":     {with(func(u *upload) { u.id = strings.ToUpper(u.id) }), 400, "id"},
		"id with a path":       {with(func(u *upload) { u.id = "../" + u.id }), 400, "id"},
		"no title":             {with(func(u *upload) { u.title = "" }), 400, "title"},
		"blank title":          {with(func(u *upload) { u.title = " \t" }), 400, "title"},
		"title too long":       {with(func(u *upload) { u.title = strings.Repeat("ä", video.MaxTitle+1) }), 400, "title"},
		"title without end":    {with(func(u *upload) { u.title = strings.Repeat("a", maxForm) }), 400, "title"},
		"title with zero byte": {with(func(u *upload) { u.title = "a\x00b" }), 400, "title"},
		"title not UTF-8":      {with(func(u *upload) { u.title = "a\xffb" }), 400, "title"},
		"no file":              {with(func(u *upload) { u.kind = "" }), 400, "file"},
		"empty file":           {with(func(u *upload) { u.content = "" }), 400, "file"},
		"declared as text":     {with(func(u *upload) { u.kind = "text/plain" }), 415, "file"},
		"text, undeclared":     {with(func(u *upload) { u.kind, u.content = octets, "<html>" }), 415, "file"},
		"text in the file":     {with(func(u *upload) { u.content = "<html>" }), 415, "file"},
		"a little too large":   {with(func(u *upload) { u.content += strings.Repeat("x", maxUpload) }), 413, "file"},
		"much too large":       {with(func(u *upload) { u.content += strings.Repeat("x", 3*maxUpload) }), 413, "file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := r.upload(c.upload, acceptJSON...).problem(t)
			require.Equal(t, c.status, p.Status)
			require.Equal(t, c.field, p.Field)
			require.NotEmpty(t, p.Detail)
			page := r.upload(c.upload)
			require.Equal(t, c.status, page.StatusCode)
			require.Contains(t, page.text, p.Detail)
			require.False(t, r.kept(valid.id))
			require.Empty(t, r.messages.streams)
		})
	}
	t.Run("a UUID in upper case, with the one to send", func(t *testing.T) {
		t.Parallel()
		p := r.upload(with(func(u *upload) { u.id = strings.ToUpper(u.id) }), acceptJSON...).problem(t)
		require.Contains(t, p.Detail, "upper-case letters. Send it in lower case: "+valid.id)
	})
	t.Run("a form of another kind", func(t *testing.T) {
		t.Parallel()
		got := r.do(http.MethodPost, "/videos", strings.NewReader("id=1"), "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusUnsupportedMediaType, got.StatusCode)
	})
	t.Run("too large without a length", func(t *testing.T) {
		t.Parallel()
		form, kind := with(func(u *upload) { u.content += strings.Repeat("x", 3*maxUpload) }).form()
		got := r.do(http.MethodPost, "/videos", io.MultiReader(form), "Content-Type", kind, "Accept", "application/json")
		require.Equal(t, http.StatusRequestEntityTooLarge, got.problem(t).Status)
	})
	t.Run("in a response that follows the whole request", func(t *testing.T) {
		t.Parallel()
		got := r.upload(with(func(u *upload) { u.title, u.content = "", u.content+strings.Repeat("x", maxUpload/2) }))
		require.Equal(t, http.StatusBadRequest, got.StatusCode)
		require.False(t, got.Close, "the server closes a connection that it did not read from")
	})
	t.Run("without its end", func(t *testing.T) {
		t.Parallel()
		form, kind := newUpload().form()
		form.Truncate(form.Len() - 8)
		got := r.do(http.MethodPost, "/videos", form, "Content-Type", kind, "Accept", "application/json")
		require.Equal(t, http.StatusBadRequest, got.problem(t).Status)
	})
}

func TestMayBeVideo(t *testing.T) {
	t.Parallel()
	for declared, want := range map[string]bool{
		"": true, octets: true, "video/mp4": true, "text/plain": false, "image/png": false, "video": false, "video/;": false,
	} {
		require.Equal(t, want, mayBeVideo(declared), declared)
	}
}
