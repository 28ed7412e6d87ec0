// Package payloadcodec encrypts what Temporal stores of workflows: inputs, results,
// messages, memos, summaries and failures. It owns the key file, the format of an encrypted
// payload and the HTTP server that decrypts payloads for the Web UI and the CLI. Which
// client uses the codec is up to internal/temporalclient. Search attributes, workflow ids
// and the names of types are never encrypted, because Temporal has to read them.
//
// A key file holds the keys, one to a line. The first one encrypts, all decrypt. It is read
// again when it changes, by internal/reread. Codec encrypts and decrypts with the keys, and reports a payload
// that it cannot decrypt as a *KeyError: the key may arrive later, so nothing is to be
// decided without it. Converter has workflows wait in that case, too.
package payloadcodec
