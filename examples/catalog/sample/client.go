package sample

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/catalog/video"
)

const (
	requestTimeout = 30 * time.Second
	pollInterval   = 200 * time.Millisecond
	maxResponse    = 1 << 20 // bytes
)

// Video is what the catalog shows of a video.
type Video struct {
	ID         string
	Status     video.Status
	Reason     video.Reason
	Detail     string
	Transcript string
	Views      int64
}

// StatusError is a response other than success.
type StatusError struct {
	Code int
	Body string
}

// Error returns the status and the beginning of the body.
func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d: %.300s", e.Code, e.Body) }

// Upload uploads a file under a new id, and returns that.
func Upload(ctx context.Context, url, title, file string) (id string, err error) {
	id = video.NewID()
	return id, UploadAs(ctx, url, id, title, file)
}

// UploadAs uploads a file under an id. Once accepted, a repetition changes nothing.
func UploadAs(ctx context.Context, url, id, title, file string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	body, form := io.Pipe()
	defer func() { _ = body.Close() }()
	writer := multipart.NewWriter(form)
	go func() { _ = form.CloseWithError(writeForm(writer, id, title, file)) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/videos", body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", writer.FormDataContentType())
	return do(request, nil)
}

func writeForm(writer *multipart.Writer, id, title, file string) error {
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	if err := errors.Join(writer.WriteField("id", id), writer.WriteField("title", title)); err != nil {
		return err
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", multipart.FileContentDisposition("file", filepath.Base(file)))
	header.Set("Content-Type", "video/mp4")
	part, err := writer.CreatePart(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, from); err != nil {
		return err
	}
	return writer.Close()
}

// View records that a video was played. One viewing counts once, however often it is sent.
func View(ctx context.Context, url, id, viewing string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	form := neturl.Values{"view": {viewing}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/videos/"+id+"/views", strings.NewReader(form))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(request, nil)
}

// Get returns a video.
func Get(ctx context.Context, url, id string) (v Video, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/videos/"+id, http.NoBody)
	if err != nil {
		return Video{}, err
	}
	return v, do(request, &v)
}

// Await polls a video until it has ended, or ctx does. Failed requests are repeated.
func Await(ctx context.Context, url, id string) (Video, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		v, err := Get(ctx, url, id)
		if err == nil && v.Status.Ended() {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// do sends a request that wants JSON, and decodes the response.
func do(request *http.Request, into any) error {
	request.Header.Set("Accept", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return &StatusError{Code: response.StatusCode, Body: string(body)}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}
