package collect

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// payloadKeys decrypts payloads, by the id of their key. It encrypts none.
type payloadKeys map[string]cipher.AEAD

// decryption returns options that decrypt everything in the server's responses, if there
// is a key file. So histories are searched for personal data that was encrypted, too.
func decryption(keysFile string) ([]grpc.DialOption, error) {
	if keysFile == "" {
		return nil, nil
	}
	keys, err := readPayloadKeys(keysFile)
	if err != nil {
		return nil, fmt.Errorf("PAYLOAD_KEYS_FILE: %w", err)
	}
	payloads, err := converter.NewPayloadCodecGRPCClientInterceptor(
		converter.PayloadCodecGRPCClientInterceptorOptions{Codecs: []converter.PayloadCodec{keys}})
	if err != nil {
		return nil, err
	}
	failures, err := converter.NewFailureGRPCClientInterceptor(converter.NewFailureGRPCClientInterceptorOptions{
		DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), keys), EncodeCommonAttributes: true,
	})
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(failures, payloads)}, err
}

func readPayloadKeys(path string) (payloadKeys, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys := payloadKeys{}
	for line := range strings.Lines(string(content)) {
		id, encoded, _ := strings.Cut(strings.TrimSpace(line), " ")
		if id == "" {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", id, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", id, err)
		}
		if keys[id], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// Encode returns the payloads as they are: the checker stores nothing.
func (k payloadKeys) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	return payloads, nil
}

// Decode decrypts payloads whose data is a nonce and the encrypted payload. Others stay as
// they are.
func (k payloadKeys) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	decoded := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		decoded[i] = p
		if string(p.GetMetadata()["encoding"]) != "binary/encrypted" {
			continue
		}
		id := p.GetMetadata()["encryption-key-id"]
		key := k[string(id)]
		if key == nil || len(p.GetData()) < key.NonceSize() {
			return nil, fmt.Errorf("payload of key %q cannot be decrypted", id)
		}
		nonce, sealed := p.GetData()[:key.NonceSize()], p.GetData()[key.NonceSize():]
		plain, err := key.Open(nil, nonce, sealed, id)
		if err != nil {
			return nil, fmt.Errorf("payload of key %q: %w", id, err)
		}
		decoded[i] = &common.Payload{}
		if err := proto.Unmarshal(plain, decoded[i]); err != nil {
			return nil, errors.Join(errors.New("decrypted payload"), err)
		}
	}
	return decoded, nil
}
