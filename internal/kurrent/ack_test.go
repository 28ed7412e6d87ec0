package kurrent_test

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestSubscription_AckBatches(t *testing.T) {
	t.Parallel()
	const buffer, events = 256, 64
	received := make(chan []string, events)
	url := kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
		confirmation := &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "s"}
		err := stream.SendMsg(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{SubscriptionConfirmation: confirmation}})
		for err == nil {
			var request persistent.ReadReq
			if err = stream.RecvMsg(&request); err == nil && request.GetAck() != nil {
				var ids []string
				for _, id := range request.GetAck().GetIds() {
					bits := binary.BigEndian.AppendUint64(nil, uint64(id.GetStructured().GetMostSignificantBits()))
					bits = binary.BigEndian.AppendUint64(bits, uint64(id.GetStructured().GetLeastSignificantBits()))
					ids = append(ids, uuid.UUID(bits).String())
				}
				received <- ids
			}
		}
		return err
	})
	client := kurrentsimtest.OpenClient(t, url)
	sub, err := client.Join(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, buffer)
	require.NoError(t, err)
	t.Cleanup(sub.Close)
	var acks sync.WaitGroup
	var want []string
	for range events {
		e := kurrent.Event{ID: uuid.New()}
		want = append(want, e.ID.String())
		acks.Go(func() { assert.NoError(t, sub.Ack(kurrent.Delivery{Event: &e})) })
	}
	acks.Wait()
	var got []string
	messages := 0
	for ; len(got) < events; messages++ {
		got = append(got, <-received...)
	}
	require.ElementsMatch(t, want, got)
	require.Less(t, messages, events, "some were sent together")
}
