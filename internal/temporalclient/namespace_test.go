package temporalclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/temporalclient"
)

var servers = devservertest.Servers{SearchAttributes: present()}

func TestMain(m *testing.M) { servers.Main(m) }

func present() temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		temporal.NewSearchAttributeKeyKeyword("Status").ValueSet(""),
		temporal.NewSearchAttributeKeyString("Note").ValueSet(""),
	)
}

// dial connects to the server. Calls to the methods in refused fail with the given code
// instead.
func dial(t *testing.T, refused map[string]codes.Code) client.Client {
	t.Helper()
	refuse := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, next grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if code, ok := refused[method[strings.LastIndex(method, "/")+1:]]; ok {
			return status.Error(code, "Request unauthorized.")
		}
		return next(ctx, method, req, reply, conn, o...)
	}
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: servers.Temporal(t), ConnectionOptions: client.ConnectionOptions{
			DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(refuse)},
		},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCheckNamespace(t *testing.T) {
	t.Parallel()
	wanted := temporal.NewSearchAttributes(
		present().Copy(),
		temporal.NewSearchAttributeKeyKeyword("Stuck").ValueSet(""),
		temporal.NewSearchAttributeKeyInt64("Amount").ValueSet(0),
	)
	check := func(t *testing.T, c client.Client, want temporal.SearchAttributes) error {
		return temporalclient.CheckNamespace(t.Context(), c, client.DefaultNamespace, want)
	}
	missing := []temporalclient.Attribute{
		{Name: "Amount", Want: enums.INDEXED_VALUE_TYPE_INT}, {Name: "Stuck", Want: enums.INDEXED_VALUE_TYPE_KEYWORD},
	}

	t.Run("passes a namespace that has the attributes", func(t *testing.T) {
		require.NoError(t, check(t, dial(t, nil), present()))
	})
	t.Run("names each attribute that is missing and the command that creates it", func(t *testing.T) {
		missingErr, ok := errors.AsType[*temporalclient.AttributesError](check(t, dial(t, nil), wanted))
		require.True(t, ok)
		require.Equal(t, missing, missingErr.Attributes)
		require.EqualError(t, missingErr, "search attributes of namespace default: Amount (Int) is missing, Stuck (Keyword) is missing")
		require.Equal(t, "temporal operator search-attribute create --namespace default --name Amount --type Int --name Stuck --type Keyword",
			missingErr.Repair())
	})
	t.Run("names an attribute of another type", func(t *testing.T) {
		err := check(t, dial(t, nil), temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword("Note").ValueSet("")))
		missingErr, ok := errors.AsType[*temporalclient.AttributesError](err)
		require.True(t, ok)
		require.EqualError(t, missingErr, "search attributes of namespace default: Note is Text and must be Keyword")
		require.Equal(t, "temporal operator search-attribute remove --namespace default --name Note && "+
			"temporal operator search-attribute create --namespace default --name Note --type Keyword", missingErr.Repair())
	})
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unimplemented} {
		t.Run("queries if listing is refused: "+code.String(), func(t *testing.T) {
			c := dial(t, map[string]codes.Code{"ListSearchAttributes": code})
			require.NoError(t, check(t, c, present()))
			missingErr, ok := errors.AsType[*temporalclient.AttributesError](check(t, c, wanted))
			require.True(t, ok)
			require.Equal(t, missing, missingErr.Attributes)
		})
	}
	t.Run("distinguishes a refusal from missing attributes", func(t *testing.T) {
		c := dial(t, map[string]codes.Code{
			"ListSearchAttributes": codes.PermissionDenied, "CountWorkflowExecutions": codes.PermissionDenied,
		})
		var denied *serviceerror.PermissionDenied
		require.ErrorAs(t, check(t, c, wanted), &denied)
	})
	t.Run("returns an error for a namespace that does not exist", func(t *testing.T) {
		err := temporalclient.CheckNamespace(t.Context(), dial(t, nil), "nowhere", present())
		var unknown *serviceerror.NamespaceNotFound
		require.ErrorAs(t, err, &unknown)
		require.ErrorContains(t, err, "describe namespace nowhere")
	})
}
