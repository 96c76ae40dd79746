package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

// gatewayKeys holds the gateway's public keys by key id.
type gatewayKeys map[string]ed25519.PublicKey

// fetchKeys reads the gateway's JWKS. It checks that each key id is the key's RFC 7638 thumbprint.
func fetchKeys(client *http.Client, edgeURL string) (gatewayKeys, error) {
	response, err := client.Get(edgeURL + "/.well-known/jwks.json")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var set struct {
		Keys []struct{ Kty, Crv, X, Kid string }
	}
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return nil, err
	}
	keys := gatewayKeys{}
	for _, jwk := range set.Keys {
		public, err := base64.RawURLEncoding.DecodeString(jwk.X)
		if err != nil || len(public) != ed25519.PublicKeySize || jwk.Kty != "OKP" || jwk.Crv != "Ed25519" {
			return nil, fmt.Errorf("not an Ed25519 key: %+v", jwk)
		}
		if jwk.Kid != thumbprint(jwk.X) {
			return nil, fmt.Errorf("kid %s is not the key's thumbprint", jwk.Kid)
		}
		keys[jwk.Kid] = public
	}
	return keys, nil
}

func thumbprint(x string) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (k gatewayKeys) checkResponse(request *sallyportv1.RequestEnvelope, r *sallyportv1.ExecuteCommandResponse) error {
	envelope := r.GetEnvelope()
	if envelope.GetRequestId() != request.RequestId {
		return errors.New("request_id differs from the request's")
	}
	return k.check(envelope.KeyId, responseInput(request, envelope), r.Signature, envelope.PayloadHash, r.PayloadBytes)
}

func (k gatewayKeys) checkEvent(event *sallyportv1.GatewayEvent) error {
	envelope := event.GetEnvelope()
	if envelope == nil {
		return errors.New("the event has no envelope")
	}
	return k.check(envelope.KeyId, eventInput(envelope), event.Signature, envelope.PayloadHash, event.PayloadBytes)
}

func (k gatewayKeys) check(keyID string, input, signature, payloadHash, payload []byte) error {
	key, known := k[keyID]
	if !known {
		return fmt.Errorf("the key %q is not in the JWKS", keyID)
	}
	if hash := sha256.Sum256(payload); !bytes.Equal(hash[:], payloadHash) {
		return errors.New("payload_hash does not match the payload")
	}
	if !ed25519.Verify(key, input, signature) {
		return errors.New("the signature does not verify")
	}
	return nil
}
