package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is a header and a payload. The header is big endian: the payload's length and
// CRC-32C, how much of the journal was on disk when the frame was written, and the
// CRC-32C of these. The third field distinguishes a torn tail from damage: a frame proves
// that everything before its mark was durable.
const frameHeader = 4 + 4 + 8 + 4

type header struct {
	length  int64
	crc     uint32
	durable int64
}

func appendHeader(b []byte, h header) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(h.length))
	b = binary.BigEndian.AppendUint32(b, h.crc)
	b = binary.BigEndian.AppendUint64(b, uint64(h.durable))
	return binary.BigEndian.AppendUint32(b, checksum(b[start:]))
}

// parseHeader decodes the first frameHeader bytes of b. It reports false if they are not
// a header.
func parseHeader(b []byte) (header, bool) {
	h := header{
		length:  int64(binary.BigEndian.Uint32(b[0:])),
		crc:     binary.BigEndian.Uint32(b[4:]),
		durable: int64(binary.BigEndian.Uint64(b[8:])),
	}
	whole := checksum(b[:frameHeader-4]) == binary.BigEndian.Uint32(b[frameHeader-4:])
	return h, whole && h.length > 0 && h.length <= MaxPayload
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
