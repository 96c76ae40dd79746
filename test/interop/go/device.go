package main

import (
	"crypto/rand"
	"crypto/sha256"
	"time"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

// device signs requests of one device session.
type device struct {
	sessionID string
	key       deviceKey
}

// signed holds the parts of a signed request. Both RPCs have the same parts.
type signed struct {
	envelope  *sallyportv1.RequestEnvelope
	payload   []byte
	signature []byte
}

func (d device) sign(messageType string, payload []byte, at time.Time) signed {
	hash := sha256.Sum256(payload)
	envelope := &sallyportv1.RequestEnvelope{
		ProtocolVersion: "v1",
		DeviceSessionId: d.sessionID,
		MessageType:     messageType,
		TimestampMs:     at.UnixMilli(),
		RequestId:       rand.Text(),
		PayloadHash:     hash[:],
	}
	return signed{envelope, payload, d.key.sign(requestInput(envelope))}
}

func (s signed) execute() *sallyportv1.ExecuteCommandRequest {
	return &sallyportv1.ExecuteCommandRequest{Envelope: s.envelope, PayloadBytes: s.payload, Signature: s.signature}
}

func (s signed) subscribe() *sallyportv1.SubscribeEventsRequest {
	return &sallyportv1.SubscribeEventsRequest{Envelope: s.envelope, PayloadBytes: s.payload, Signature: s.signature}
}
