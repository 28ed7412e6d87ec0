package kurrent

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// maxOptions bounds the server's list of its options, which has about 150 entries.
const maxOptions = 1 << 20

// Version is the version of a server.
type Version struct{ Major, Minor, Patch int }

// String returns major.minor.patch.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Inspector reads what a server says about itself and about users' rights. It writes
// nothing. It is safe for concurrent use.
type Inspector struct {
	*Client
	settings  kurrentdb.Configuration
	http      *http.Client
	responded atomic.Pointer[string] // the node that responded last
}

// OpenInspector opens a client with the calls of an Inspector, like Open.
func OpenInspector(c Config) (*Inspector, error) {
	settings, err := c.parse()
	if err != nil {
		return nil, err
	}
	secured := &tls.Config{RootCAs: settings.RootCAs, InsecureSkipVerify: settings.SkipCertificateVerification, MinVersion: tls.VersionTLS12}
	if settings.UserCertFile != "" {
		pair, err := tls.LoadX509KeyPair(settings.UserCertFile, settings.UserKeyFile)
		if err != nil {
			return nil, invalidURL([]string{"userCertFile and userKeyFile must name a certificate and its key"})
		}
		secured.Certificates = []tls.Certificate{pair}
	}
	client, err := Open(c)
	if err != nil {
		return nil, err
	}
	return &Inspector{Client: client, settings: *settings, http: &http.Client{
		Transport: &http.Transport{TLSClientConfig: secured, DisableKeepAlives: true},
	}}, nil
}

// User returns the user of the connection string. It is empty if no credentials are sent:
// there are none, or there is no TLS.
func (i *Inspector) User() string {
	if i.settings.DisableTLS {
		return ""
	}
	return i.settings.Username
}

// ServerVersion returns the version of the leading node.
func (i *Inspector) ServerVersion(ctx context.Context) (version Version, err error) {
	err = i.call(ctx, func(_ context.Context, client *kurrentdb.Client) error {
		found, err := client.GetServerVersion() // known since the client connected
		if err == nil {
			version = Version{found.Major, found.Minor, found.Patch}
		}
		return err
	})
	if err != nil {
		return Version{}, fmt.Errorf("ask for the version: %w", err)
	}
	return version, nil
}

// Time returns the time on the clock of a node, to the second.
func (i *Inspector) Time(ctx context.Context) (time.Time, error) {
	response, err := i.get(ctx, "/health/live")
	if err != nil {
		return time.Time{}, err
	}
	at, err := http.ParseTime(response.date)
	if err != nil {
		return time.Time{}, errors.New("the response has no date")
	}
	return at, nil
}

// MaxAppend returns how many bytes the server accepts in one append. It returns
// ErrAccessDenied unless the user is in $ops or $admins.
func (i *Inspector) MaxAppend(ctx context.Context) (int64, error) {
	response, err := i.get(ctx, "/info/options")
	if err != nil {
		return 0, err
	}
	switch response.status {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return 0, fmt.Errorf("read the server's options: %w", ErrAccessDenied)
	default:
		return 0, fmt.Errorf("read the server's options: %w: status %d", ErrUnavailable, response.status)
	}
	var options []struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(response.body, &options); err != nil {
		return 0, errors.New("read the server's options: the response is not a list of them")
	}
	for _, o := range options {
		if o.Name == "MaxAppendSize" {
			return strconv.ParseInt(strings.Trim(string(o.Value), `"`), 10, 64)
		}
	}
	return 0, fmt.Errorf("read the server's options: %w: MaxAppendSize", ErrNotFound)
}

// response is what an HTTP request returned.
type response struct {
	status int
	date   string
	body   []byte
}

// get sends a request to the first node that responds. Each node gets its share of the
// time that is left. Otherwise a node whose machine is gone, and which therefore does not
// even refuse, would use up the time of all others.
func (i *Inspector) get(ctx context.Context, path string) (found response, err error) {
	ctx, cancel := i.withDeadline(ctx)
	defer cancel()
	err = errors.New("no node is named")
	nodes := i.nodes()
	for n, node := range nodes {
		end, _ := ctx.Deadline()
		if found, err = i.getFrom(ctx, time.Until(end)/time.Duration(len(nodes)-n), node, path); err == nil {
			i.responded.Store(&node)
			return found, nil
		}
	}
	return response{}, fmt.Errorf("get %s: %w: %s", path, ErrUnavailable, detailOf(err))
}

func (i *Inspector) getFrom(ctx context.Context, timeout time.Duration, node, path string) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	scheme := "https://"
	if i.settings.DisableTLS {
		scheme = "http://"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+node+path, nil)
	if err != nil {
		return response{}, err
	}
	if user := i.User(); user != "" {
		request.SetBasicAuth(user, i.settings.Password)
	}
	received, err := i.http.Do(request)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = received.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(received.Body, maxOptions))
	return response{received.StatusCode, received.Header.Get("Date"), body}, err
}

// nodes returns the nodes of the connection string, first the one that responded last.
func (i *Inspector) nodes() []string {
	if i.settings.Address != "" {
		return []string{i.settings.Address}
	}
	var nodes []string
	for _, seed := range i.settings.GossipSeeds {
		nodes = append(nodes, net.JoinHostPort(seed.Host, strconv.Itoa(int(seed.Port))))
	}
	if responded := i.responded.Load(); responded != nil {
		if n := slices.Index(nodes, *responded); n > 0 {
			nodes[0], nodes[n] = nodes[n], nodes[0]
		}
	}
	return nodes
}

// MayRead reports whether the user of the connection may read a stream, which need not
// exist. It reads at most one event.
func (i *Inspector) MayRead(ctx context.Context, stream string) (bool, error) {
	var err error
	if stream == All {
		err = i.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
			reading, err := client.ReadAll(ctx, kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}}, 1)
			if err != nil {
				return err
			}
			_, _, err = receivePage(reading)
			return err
		})
	} else {
		_, err = i.LastEvent(ctx, stream)
	}
	switch {
	case err == nil, IsGone(err):
		return true, nil
	case errors.Is(err, ErrAccessDenied):
		return false, nil
	default:
		return false, err
	}
}

// Holders returns the users and groups that have a right on a stream: by its own access
// control list, by the lists in $settings, or by the server's defaults. The caller must
// be allowed to read those lists, as administrators are; otherwise it returns
// ErrAccessDenied.
func (i *Inspector) Holders(ctx context.Context, stream string, right Right) ([]string, error) {
	own, err := i.readMetadata(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("read the rights on %s: %w", stream, err)
	}
	if holders, set := readList(own.fields[aclKey]).holders(right); set {
		return holders, nil
	}
	defaults, err := i.defaultList(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("read the rights on %s: %w", stream, err)
	}
	holders, _ := defaults.holders(right)
	return holders, nil
}
