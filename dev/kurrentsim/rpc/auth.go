package rpc

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/access"
)

// authenticator checks passwords.
type authenticator interface {
	Authenticate(name, password string) (*access.User, bool)
}

// Guard enforces the rights of callers on a port with TLS. Its fields must be set before
// the first call.
type Guard struct {
	Users authenticator
	Lists access.Lists
}

var errUnauthenticated = status.Error(codes.Unauthenticated, "Unauthenticated")

// Interceptors check every call before its handler runs: they identify the caller and,
// once the first message shows what is requested, check the caller's rights.
func (g *Guard) Interceptors() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			ctx, err := g.identify(ctx)
			if err == nil {
				err = g.allow(ctx, request)
			}
			if err != nil {
				return nil, err
			}
			return next(ctx, request)
		}),
		grpc.ChainStreamInterceptor(func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			ctx, err := g.identify(stream.Context())
			return next(server, &guardedStream{ServerStream: stream, guard: g, ctx: ctx, refused: err})
		}),
	}
}

// guardedStream passes the first message on only if the caller may do what it asks for.
type guardedStream struct {
	grpc.ServerStream
	guard   *Guard
	ctx     context.Context
	refused error // why the caller could not be identified
	allowed bool
}

func (s *guardedStream) Context() context.Context { return s.ctx }

func (s *guardedStream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil || s.allowed && !namesItsStream(message) {
		return err
	}
	err := s.refused
	if err == nil {
		err = s.guard.allow(s.ctx, message)
	}
	if s.allowed = err == nil; s.allowed {
		return nil
	}
	// A client that gets the error before it has sent all never learns the reason.
	for more := endsBySender(message); more; {
		more = s.ServerStream.RecvMsg(message) == nil
	}
	return err
}

// callerKey is the context key for the user of a call on a port with TLS.
type callerKey struct{}

// callerOf returns the user of a call, or nil if there is none. It reports whether the
// call came through a guarded port.
func callerOf(ctx context.Context) (user *access.User, guarded bool) {
	user, guarded = ctx.Value(callerKey{}).(*access.User)
	return user, guarded
}

// identify returns the context with the caller. It rejects wrong credentials whatever the
// call. A caller without credentials, or with some that are not a name and a password, is
// anonymous.
func (g *Guard) identify(ctx context.Context) (context.Context, error) {
	var user *access.User
	if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) > 0 {
		if name, password, ok := parseBasic(values[0]); ok {
			if user, ok = g.Users.Authenticate(name, password); !ok {
				return ctx, errUnauthenticated
			}
		}
	}
	return context.WithValue(ctx, callerKey{}, user), nil
}

func parseBasic(header string) (name, password string, ok bool) {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(decoded), ":")
}

// Admins restricts a handler to administrators. A browser then asks for an
// administrator's name and password.
func (g *Guard) Admins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if user, ok := g.Users.Authenticate(name, password); !ok || !user.IsAdmin() {
			w.Header().Set("WWW-Authenticate", `Basic realm="kurrentsim"`)
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
