package payloadcodec

import (
	"crypto/cipher"
	"errors"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// The metadata of an encrypted payload, as in Temporal's examples of encryption. Its data
// is the nonce of 12 bytes, the encrypted payload and a tag of 16 bytes. The key's id is
// authenticated as well.
const (
	metadataKeyID = "encryption-key-id"
	encoding      = "binary/encrypted"
)

// KeyError reports a payload that cannot be decrypted with the keys that this process has:
// it lacks the one that the payload was encrypted with, or has another one by that id.
type KeyError struct {
	ID    string // as the payload names it
	Other bool   // there is a key by that id
}

func (e *KeyError) Error() string {
	if e.Other {
		return fmt.Sprintf("payload is damaged, or was encrypted with another key %q than that of PAYLOAD_KEYS_FILE", e.ID)
	}
	return fmt.Sprintf("payload was encrypted with key %q, which PAYLOAD_KEYS_FILE lacks", e.ID)
}

// errMalformed is returned for payloads that claim to be encrypted and cannot be.
var errMalformed = errors.New("payload is marked as encrypted, and has no valid key id")

// Codec is a converter.PayloadCodec. Payloads that are not encrypted are decoded as they
// are: workflows that were started before there were keys stay readable.
type Codec struct{ keys *Keys }

// New returns a codec with the keys.
func New(keys *Keys) Codec { return Codec{keys} }

// Encode encrypts each payload with its metadata.
func (c Codec) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	id, key := c.keys.encrypting()
	encrypted := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encrypt payload: %w", err)
		}
		encrypted[i] = &common.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding), metadataKeyID: []byte(id)},
			Data:     key.Seal(nil, nil, plain, []byte(id)),
		}
	}
	return encrypted, nil
}

// Decode decrypts each payload that is encrypted. A *KeyError fails the workflow task and
// not the workflow.
func (c Codec) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	decoded, keyOf := make([]*common.Payload, len(payloads)), c.keys.decrypting()
	for i, p := range payloads {
		plain, err := decrypt(p, keyOf)
		if err != nil {
			return nil, converter.NewWorkflowTaskFailureError(err)
		}
		decoded[i] = plain
	}
	return decoded, nil
}

func decrypt(p *common.Payload, keyOf func(id string) cipher.AEAD) (*common.Payload, error) {
	if string(p.GetMetadata()[converter.MetadataEncoding]) != encoding {
		return p, nil
	}
	id := string(p.GetMetadata()[metadataKeyID])
	if !keyID.MatchString(id) { // it goes to logs
		return nil, errMalformed
	}
	key := keyOf(id)
	if key == nil {
		return nil, &KeyError{ID: id}
	}
	plain, err := key.Open(nil, nil, p.GetData(), []byte(id))
	if err != nil {
		return nil, &KeyError{ID: id, Other: true}
	}
	decrypted := &common.Payload{}
	if err := proto.Unmarshal(plain, decrypted); err != nil {
		return nil, fmt.Errorf("decrypted payload: %w", err)
	}
	return decrypted, nil
}
