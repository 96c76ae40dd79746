package main

import (
	"crypto/sha256"
	"encoding/base64"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

// goldenFile is golden.json. encoding/json decodes base64 into []byte.
type goldenFile struct {
	Cases []goldenCase `json:"cases"`
}

// goldenCase is a request, its response and an event. All keys are Ed25519 keys.
type goldenCase struct {
	DeviceKey  []byte `json:"device_secret_key"`
	GatewayKey []byte `json:"gateway_secret_key"`
	Payload    []byte `json:"payload_bytes"`
	Request    struct {
		vectorRequest
		Signature []byte `json:"signature"`
	} `json:"request"`
	Response struct {
		ProtocolVersion string `json:"protocol_version"`
		TimestampMs     int64  `json:"timestamp_ms"`
		ResultCode      string `json:"result_code"`
		Signature       []byte `json:"signature"`
	} `json:"response"`
	Event struct {
		ProtocolVersion string `json:"protocol_version"`
		EventType       string `json:"event_type"`
		EventID         string `json:"event_id"`
		Audience        string `json:"audience"`
		TimestampMs     int64  `json:"timestamp_ms"`
		Signature       []byte `json:"signature"`
	} `json:"event"`
}

// goldenResult is what this program makes of one case. Only the secret keys, the payload, the fields and the signatures are read.
type goldenResult struct {
	DevicePublicKey  []byte       `json:"device_public_key"`
	GatewayPublicKey []byte       `json:"gateway_public_key"`
	KeyID            string       `json:"key_id"`
	PayloadHash      []byte       `json:"payload_hash"`
	Request          signedResult `json:"request"`
	Response         signedResult `json:"response"`
	Event            signedResult `json:"event"`
}

type signedResult struct {
	SigningInput []byte `json:"signing_input"`
	// Signature is a new signature of the signing input. Verdict is about the signature in the file.
	Signature []byte `json:"signature"`
	Verdict   bool   `json:"verdict"`
}

func (f goldenFile) results() (results []goldenResult) {
	for _, c := range f.Cases {
		results = append(results, c.result())
	}
	return results
}

func (c goldenCase) result() goldenResult {
	device, err := parseKey("EdDSA", c.DeviceKey)
	exitOn(err)
	gateway, err := parseKey("EdDSA", c.GatewayKey)
	exitOn(err)
	hash := sha256.Sum256(c.Payload)
	keyID := thumbprint(base64.RawURLEncoding.EncodeToString(gateway.publicKey()))
	request := c.Request.envelope(hash[:])
	response := &sallyportv1.ResponseEnvelope{
		ProtocolVersion: c.Response.ProtocolVersion,
		TimestampMs:     c.Response.TimestampMs,
		ResultCode:      c.Response.ResultCode,
		PayloadHash:     hash[:],
		KeyId:           keyID,
	}
	event := &sallyportv1.EventEnvelope{
		ProtocolVersion: c.Event.ProtocolVersion,
		EventType:       c.Event.EventType,
		EventId:         c.Event.EventID,
		Audience:        c.Event.Audience,
		TimestampMs:     c.Event.TimestampMs,
		PayloadHash:     hash[:],
		KeyId:           keyID,
	}
	return goldenResult{
		DevicePublicKey:  device.publicKey(),
		GatewayPublicKey: gateway.publicKey(),
		KeyID:            keyID,
		PayloadHash:      hash[:],
		Request:          signedBy(device, requestInput(request), c.Request.Signature),
		Response:         signedBy(gateway, responseInput(request, response), c.Response.Signature),
		Event:            signedBy(gateway, eventInput(event), c.Event.Signature),
	}
}

func signedBy(key deviceKey, input, signature []byte) signedResult {
	verify, err := parsePublicKey("EdDSA", key.publicKey())
	exitOn(err)
	return signedResult{SigningInput: input, Signature: key.sign(input), Verdict: verify(input, signature)}
}
