package payloadcodec

import (
	"context"
	"errors"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

// Converter returns the SDK's default converter with the codec. In a workflow, a signal
// that cannot be decrypted fails the workflow task. The SDK's own would log it and drop
// the signal.
func Converter(c Codec) converter.DataConverter {
	return &contextual{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c), c}
}

// Of returns the codec of a converter that Converter returned. It reports false for
// others.
func Of(data converter.DataConverter) (c Codec, found bool) {
	one, found := data.(*contextual)
	if found {
		c = one.codec
	}
	return c, found
}

// FailureConverter returns the SDK's with messages and stack traces encrypted, too. The
// types of errors are not: retries depend on them.
func FailureConverter(data converter.DataConverter) converter.FailureConverter {
	return unchanging{temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: data, EncodeCommonAttributes: true,
	})}
}

// unchanging is a converter that does not decrypt the failure that it reads in place, as
// the SDK's does. The SDK reads the failure of a local activity before it sends the same
// one to the server.
type unchanging struct{ converter.FailureConverter }

// FailureToError returns the failure as an error.
func (c unchanging) FailureToError(f *failure.Failure) error {
	if f == nil {
		return nil
	}
	return c.FailureConverter.FailureToError(proto.CloneOf(f))
}

// contextual is a converter that is told by the SDK where it is used.
type contextual struct {
	converter.DataConverter
	codec Codec
}

// Codec returns the codec alone, as the SDK asks for it.
func (c *contextual) Codec() converter.PayloadCodec { return c.codec }

// WithWorkflowContext returns the converter for use in a workflow.
func (c *contextual) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return &inWorkflow{c.DataConverter}
}

// WithContext returns the converter for use elsewhere.
func (c *contextual) WithContext(context.Context) converter.DataConverter { return c }

// inWorkflow is the converter within a workflow.
type inWorkflow struct{ converter.DataConverter }

// FromPayload fails the workflow task if the payload cannot be decrypted, by a panic: that
// is what the SDK has for code whose errors it does not return.
func (c *inWorkflow) FromPayload(payload *common.Payload, into any) error {
	return failTask(c.DataConverter.FromPayload(payload, into))
}

// FromPayloads is FromPayload for several.
func (c *inWorkflow) FromPayloads(payloads *common.Payloads, into ...any) error {
	return failTask(c.DataConverter.FromPayloads(payloads, into...))
}

func failTask(err error) error {
	if _, ok := errors.AsType[*KeyError](err); ok {
		panic(err)
	}
	return err
}
