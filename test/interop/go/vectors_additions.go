package main

import sallyportv1 "sallyport.test/interop/gen/sallyport/v1"

// additionFile is golden-additions.json. encoding/json decodes base64 into []byte.
type additionFile struct {
	Cases []struct {
		Algorithm   string        `json:"client_key_algorithm"`
		SecretKey   []byte        `json:"device_secret_key"`
		PayloadHash []byte        `json:"payload_hash"`
		Request     vectorRequest `json:"request"`
		Signatures  []struct {
			Signature []byte `json:"signature"`
		} `json:"signatures"`
	} `json:"cases"`
	KeysRefused []struct {
		PublicKey []byte `json:"client_public_key"`
	} `json:"public_keys_refused"`
}

// vectorRequest has the fields of a request envelope, except the payload hash.
type vectorRequest struct {
	ProtocolVersion string `json:"protocol_version"`
	DeviceSessionID string `json:"device_session_id"`
	MessageType     string `json:"message_type"`
	TimestampMs     int64  `json:"timestamp_ms"`
	RequestID       string `json:"request_id"`
	IdempotencyKey  string `json:"idempotency_key"`
}

func (r vectorRequest) envelope(payloadHash []byte) *sallyportv1.RequestEnvelope {
	return &sallyportv1.RequestEnvelope{
		ProtocolVersion: r.ProtocolVersion,
		DeviceSessionId: r.DeviceSessionID,
		MessageType:     r.MessageType,
		TimestampMs:     r.TimestampMs,
		RequestId:       r.RequestID,
		PayloadHash:     payloadHash,
		IdempotencyKey:  r.IdempotencyKey,
	}
}

// additionResult is what this program makes of one case. Only the secret key, the request's fields and the signatures are read.
type additionResult struct {
	SigningInput []byte `json:"signing_input"`
	PublicKey    []byte `json:"public_key"`
	// Verdicts has one entry per signature of the case.
	Verdicts []bool `json:"verdicts"`
	// Signature is a new signature of the signing input.
	Signature []byte `json:"signature"`
}

func (f additionFile) results() (results []additionResult) {
	for _, c := range f.Cases {
		key, err := parseKey(c.Algorithm, c.SecretKey)
		exitOn(err)
		verify, err := parsePublicKey(c.Algorithm, key.publicKey())
		exitOn(err)
		input := requestInput(c.Request.envelope(c.PayloadHash))
		result := additionResult{SigningInput: input, PublicKey: key.publicKey(), Signature: key.sign(input)}
		for _, each := range c.Signatures {
			result.Verdicts = append(result.Verdicts, verify(input, each.Signature))
		}
		results = append(results, result)
	}
	return results
}

func (f additionFile) keysAccepted() (accepted []bool) {
	for _, refused := range f.KeysRefused {
		_, err := parsePublicKey("ES256", refused.PublicKey)
		accepted = append(accepted, err == nil)
	}
	return accepted
}
