package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/bridge"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/internal/streams"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// encryptingCodec encrypts payloads, like the codecs used where the server must not read
// a namespace.
type encryptingCodec struct{ aead cipher.AEAD }

func newEncryptingCodec(t *testing.T) encryptingCodec {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	return encryptingCodec{aead}
}

func (s encryptingCodec) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	sealed := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := p.Marshal()
		if err != nil {
			return nil, err
		}
		sealed[i] = &common.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/encrypted")},
			Data:     s.aead.Seal(nil, nil, plain, nil),
		}
	}
	return sealed, nil
}

func (s encryptingCodec) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	plain := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != "binary/encrypted" {
			plain[i] = p
			continue
		}
		opened, err := s.aead.Open(nil, nil, p.GetData(), nil)
		if err != nil {
			return nil, err
		}
		plain[i] = &common.Payload{}
		if err := plain[i].Unmarshal(opened); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// encrypt makes the bridge use a Temporal client with a codec.
func (b *bridgeRig) encrypt(codec converter.PayloadCodec) {
	b.t.Helper()
	options := client.Options{
		HostPort: servers.Temporal(b.t), Logger: slog.New(slog.DiscardHandler),
		DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec),
	}
	temporal, err := client.DialContext(b.t.Context(), options)
	require.NoError(b.t, err)
	b.t.Cleanup(temporal.Close)
	b.options.Router = routes.New(temporal, options, streams.Orders{Client: b.events}, config.Attributes{})
}

// delivered returns an order-placed event as the bridge receives it.
func delivered(id string, event kurrent.NewEvent) bridge.Event {
	return bridge.Event{ID: event.ID, Stream: id, Type: order.TypePlaced, ContentType: "application/json", Data: event.Data}
}

func TestHandlePlaced_Codec(t *testing.T) {
	t.Parallel()
	t.Run("treats a redelivered event as a duplicate and another one as a second order", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.encrypt(newEncryptingCodec(t))
		first := placedEvent(id)
		outcome, err := b.options.Router.Apply(t.Context(), delivered(id, first))
		require.NoError(t, err)
		require.Equal(t, bridge.Started, outcome)
		description, err := b.temporal.DescribeWorkflow(t.Context(), id, "")
		require.NoError(t, err)
		memo := description.RawResponse.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoSourceEventID]
		require.Equal(t, "binary/encrypted", string(memo.GetMetadata()[converter.MetadataEncoding]), "the memo is encrypted")

		outcome, err = b.options.Router.Apply(t.Context(), delivered(id, first))
		require.NoError(t, err)
		require.Equal(t, bridge.Duplicate, outcome)
		_, err = b.options.Router.Apply(t.Context(), delivered(id, placedEvent(id)))
		require.EqualError(t, err, "DUPLICATE_ORDER: the order was placed by event "+first.ID.String())
	})
	t.Run("decides nothing while a key is missing", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		plain := b.options.Router.Temporal
		b.encrypt(newEncryptingCodec(t))
		first := placedEvent(id)
		_, err := b.options.Router.Apply(t.Context(), delivered(id, first))
		require.NoError(t, err)

		b.encrypt(newEncryptingCodec(t)) // another key
		_, err = b.options.Router.Apply(t.Context(), delivered(id, first))
		require.ErrorIs(t, err, temporalclient.ErrUnreadable)
		b.options.Router = routes.New(plain, client.Options{}, streams.Orders{Client: b.events}, config.Attributes{}) // no codec at all
		_, err = b.options.Router.Apply(t.Context(), delivered(id, first))
		require.ErrorIs(t, err, temporalclient.ErrUnreadable)
	})
	t.Run("reads the input of a workflow without a memo", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.encrypt(newEncryptingCodec(t))
		first := placedEvent(id)
		input, err := routes.Input(delivered(id, first))
		require.NoError(t, err)
		options := client.StartWorkflowOptions{ID: id, TaskQueue: workflows.TaskQueue}
		_, err = b.options.Router.Temporal.ExecuteWorkflow(t.Context(), options, workflows.OrderFulfillmentType, input)
		require.NoError(t, err)
		outcome, err := b.options.Router.Apply(t.Context(), delivered(id, first))
		require.NoError(t, err)
		require.Equal(t, bridge.Duplicate, outcome)
	})
	t.Run("treats a workflow that names no event as another order", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.startByHand(id, workflows.OrderFulfillmentType)
		_, err := b.options.Router.Apply(t.Context(), delivered(id, placedEvent(id)))
		require.EqualError(t, err, "DUPLICATE_ORDER: the order was placed by event unknown")
	})
}

// startByHand starts a workflow under an order's id, as an operator might.
func (b *bridgeRig) startByHand(id, workflowType string) client.WorkflowRun {
	b.t.Helper()
	run, err := b.temporal.ExecuteWorkflow(b.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "by-hand"}, workflowType, 7)
	require.NoError(b.t, err)
	return run
}

// deleteWorkflow deletes a workflow and waits until the server has deleted it.
func (b *bridgeRig) deleteWorkflow(id string) {
	b.t.Helper()
	_, err := b.temporal.WorkflowService().DeleteWorkflowExecution(b.t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id},
	})
	require.NoError(b.t, err)
	require.Eventually(b.t, func() bool {
		_, err := b.temporal.DescribeWorkflow(b.t.Context(), id, "")
		return temporalclient.IsNotFound(err)
	}, longEnough, waitTick)
}
