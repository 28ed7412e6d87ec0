package rpc

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Credentials are the one user a server with TLS lets in.
type Credentials struct{ Name, Password string }

var errUnauthenticated = status.Error(codes.Unauthenticated, "Unauthenticated")

// openMethod may be called by anyone: clients ask for it before they have anything to show.
const openMethod = "/event_store.client.server_features.ServerFeatures/"

// Interceptors refuse every call that does not carry the credentials.
func (c Credentials) Interceptors() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := c.check(ctx, info.FullMethod); err != nil {
				return nil, err
			}
			return next(ctx, request)
		}),
		grpc.StreamInterceptor(func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := c.check(stream.Context(), info.FullMethod); err != nil {
				return err
			}
			return next(server, stream)
		}),
	}
}

// Guard refuses every request that does not carry the credentials; browsers then ask for them.
func (c Credentials) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.match(r.Header.Get("Authorization")) {
			w.Header().Set("WWW-Authenticate", `Basic realm="kurrentsim"`)
			http.Error(w, "Unauthenticated", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c Credentials) check(ctx context.Context, method string) error {
	if strings.HasPrefix(method, openMethod) {
		return nil
	}
	for _, value := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		if c.match(value) {
			return nil
		}
	}
	return errUnauthenticated
}

func (c Credentials) match(header string) bool {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok {
		return false
	}
	given, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && subtle.ConstantTimeCompare(given, []byte(c.Name+":"+c.Password)) == 1
}
