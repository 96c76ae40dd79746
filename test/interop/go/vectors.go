package main

import (
	"encoding/json"
	"os"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

// vectorFile is test/vectors/golden-additions.json. encoding/json decodes base64 into []byte.
type vectorFile struct {
	Cases []struct {
		Algorithm   string `json:"client_key_algorithm"`
		SecretKey   []byte `json:"device_secret_key"`
		PublicKey   []byte `json:"device_public_key"`
		PayloadHash []byte `json:"payload_hash"`
		Request     struct {
			ProtocolVersion string `json:"protocol_version"`
			DeviceSessionID string `json:"device_session_id"`
			MessageType     string `json:"message_type"`
			TimestampMs     int64  `json:"timestamp_ms"`
			RequestID       string `json:"request_id"`
			IdempotencyKey  string `json:"idempotency_key"`
		} `json:"request"`
		Signatures []struct {
			Signature []byte `json:"signature"`
		} `json:"signatures"`
	} `json:"cases"`
	KeysRefused []struct {
		PublicKey []byte `json:"client_public_key"`
	} `json:"public_keys_refused"`
}

// caseResult is what this program makes of one case. Only the secret key, the request's fields and the signatures are read.
type caseResult struct {
	SigningInput []byte `json:"signing_input"`
	PublicKey    []byte `json:"public_key"`
	// Verdicts has one entry per signature of the case.
	Verdicts []bool `json:"verdicts"`
	// Signature is a new signature of the signing input.
	Signature []byte `json:"signature"`
}

type vectorResults struct {
	Cases []caseResult `json:"cases"`
	// KeysAccepted has one entry per key that must be refused.
	KeysAccepted []bool `json:"keys_accepted"`
}

func printVectors(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file vectorFile
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	var results vectorResults
	for _, c := range file.Cases {
		key, err := parseKey(c.Algorithm, c.SecretKey)
		if err != nil {
			return err
		}
		verify, err := parsePublicKey(c.Algorithm, key.publicKey())
		if err != nil {
			return err
		}
		input := requestInput(&sallyportv1.RequestEnvelope{
			ProtocolVersion: c.Request.ProtocolVersion,
			DeviceSessionId: c.Request.DeviceSessionID,
			MessageType:     c.Request.MessageType,
			TimestampMs:     c.Request.TimestampMs,
			RequestId:       c.Request.RequestID,
			PayloadHash:     c.PayloadHash,
			IdempotencyKey:  c.Request.IdempotencyKey,
		})
		result := caseResult{SigningInput: input, PublicKey: key.publicKey(), Signature: key.sign(input)}
		for _, each := range c.Signatures {
			result.Verdicts = append(result.Verdicts, verify(input, each.Signature))
		}
		results.Cases = append(results.Cases, result)
	}
	for _, refused := range file.KeysRefused {
		_, err := parsePublicKey("ES256", refused.PublicKey)
		results.KeysAccepted = append(results.KeysAccepted, err == nil)
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}
