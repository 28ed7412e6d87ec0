package temporalclient

import (
	"cmp"
	"errors"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

var (
	// ErrUnreadable is returned if this process cannot decode a payload: it lacks a key
	// of the payload codec, or the codec.
	ErrUnreadable = errors.New("payload cannot be decoded with this client's codec")

	// ErrOtherValue is returned if a payload was decoded and holds something else than
	// expected.
	ErrOtherValue = errors.New("payload holds another kind of value")
)

// Payloads decodes the payloads of workflows in the same way as the client that started
// them. The zero value decodes like a client without options. Search attributes are never
// encoded, so the SDK's default converter is right for those.
type Payloads struct {
	converter converter.DataConverter
	namespace string
}

// NewPayloads returns the decoder for a client with these options.
func NewPayloads(options client.Options) Payloads {
	return Payloads{converter: options.DataConverter, namespace: Namespace(options)}
}

// Decode decodes a payload of a workflow into a value. It returns ErrUnreadable or
// ErrOtherValue.
func (p Payloads) Decode(workflowID string, payload *common.Payload, into any) error {
	decoder := p.converter
	if decoder == nil {
		decoder = converter.GetDefaultDataConverter()
	}
	// Keys may be chosen by workflow.
	decoder = converter.WithDataConverterSerializationContext(decoder, converter.WorkflowSerializationContext{
		Namespace: cmp.Or(p.namespace, client.DefaultNamespace), WorkflowID: workflowID,
	})
	var raw converter.RawValue
	if err := decoder.FromPayload(payload, &raw); err != nil { // applies the codec
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	switch err := decoder.FromPayload(payload, into); {
	case errors.Is(err, converter.ErrEncodingIsNotSupported): // encoded by a codec that this client does not have
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrOtherValue, err)
	}
	return nil
}
