package main

import (
	"encoding/binary"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

const (
	requestDomain  = "sallyport.request.v1"
	responseDomain = "sallyport.response.v1"
	eventDomain    = "sallyport.event.v1"
)

// signingInput returns the bytes to sign: for each field its length as four big-endian bytes, then the field's bytes. It is written from
// proto/README.md, "What is signed", independently of the gateway's code.
func signingInput(domain string, fields ...any) []byte {
	input := frame(nil, []byte(domain))
	for _, field := range fields {
		switch value := field.(type) {
		case string:
			input = frame(input, []byte(value))
		case int64:
			input = frame(input, binary.BigEndian.AppendUint64(nil, uint64(value)))
		case []byte:
			input = frame(input, value)
		default:
			panic("signingInput: field is neither string, int64 nor []byte")
		}
	}
	return input
}

func frame(input, field []byte) []byte {
	return append(binary.BigEndian.AppendUint32(input, uint32(len(field))), field...)
}

func requestInput(e *sallyportv1.RequestEnvelope) []byte {
	fields := []any{e.ProtocolVersion, e.DeviceSessionId, e.MessageType, e.TimestampMs, e.RequestId, e.PayloadHash}
	if e.IdempotencyKey != "" {
		fields = append(fields, e.IdempotencyKey)
	}
	return signingInput(requestDomain, fields...)
}

// responseInput takes session, message type and request id from the request, so a response to another request does not verify.
func responseInput(r *sallyportv1.RequestEnvelope, e *sallyportv1.ResponseEnvelope) []byte {
	return signingInput(responseDomain,
		e.ProtocolVersion, r.DeviceSessionId, r.MessageType, r.RequestId, e.TimestampMs, e.ResultCode, e.PayloadHash, e.KeyId)
}

func eventInput(e *sallyportv1.EventEnvelope) []byte {
	return signingInput(eventDomain,
		e.ProtocolVersion, e.EventType, e.EventId, e.Audience, e.TimestampMs, e.PayloadHash, e.KeyId)
}
