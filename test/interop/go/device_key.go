package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
)

const (
	coordinateSize = 32
	pointSize      = 1 + 2*coordinateSize
	signatureSize  = 2 * coordinateSize
)

// deviceKey is the private key of a device. algorithm and publicKey are what the login registers.
type deviceKey interface {
	algorithm() string
	publicKey() []byte
	sign(input []byte) []byte
}

// deviceVerifier verifies the signatures of one public key of a device.
type deviceVerifier func(input, signature []byte) bool

func generateKey(algorithm string) (deviceKey, error) {
	secret := make([]byte, ed25519.SeedSize)
	rand.Read(secret)
	return parseKey(algorithm, secret)
}

// parseKey takes the seed of an Ed25519 key, or the private scalar of a P-256 key; both have 32 bytes.
func parseKey(algorithm string, secret []byte) (deviceKey, error) {
	switch algorithm {
	case "EdDSA":
		if len(secret) != ed25519.SeedSize {
			return nil, errors.New("the seed is not 32 bytes")
		}
		return eddsaKey{ed25519.NewKeyFromSeed(secret)}, nil
	case "ES256":
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
		return es256Key{key}, err
	}
	return nil, fmt.Errorf("unknown algorithm: %s", algorithm)
}

// parsePublicKey takes a public key as the login registers it.
func parsePublicKey(algorithm string, raw []byte) (deviceVerifier, error) {
	switch algorithm {
	case "EdDSA":
		if len(raw) != ed25519.PublicKeySize {
			return nil, errors.New("the public key is not 32 bytes")
		}
		return func(input, signature []byte) bool { return ed25519.Verify(raw, input, signature) }, nil
	case "ES256":
		if len(raw) != pointSize {
			return nil, errors.New("the public key is not 65 bytes")
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
		return func(input, signature []byte) bool { return verifyES256(key, input, signature) }, err
	}
	return nil, fmt.Errorf("unknown algorithm: %s", algorithm)
}

type eddsaKey struct{ private ed25519.PrivateKey }

func (k eddsaKey) algorithm() string        { return "EdDSA" }
func (k eddsaKey) publicKey() []byte        { return k.private.Public().(ed25519.PublicKey) }
func (k eddsaKey) sign(input []byte) []byte { return ed25519.Sign(k.private, input) }

type es256Key struct{ private *ecdsa.PrivateKey }

func (k es256Key) algorithm() string { return "ES256" }

func (k es256Key) publicKey() []byte {
	raw, err := k.private.PublicKey.Bytes()
	exitOn(err)
	return raw
}

// sign returns R ‖ S, 32 bytes each.
func (k es256Key) sign(input []byte) []byte {
	hash := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, k.private, hash[:])
	exitOn(err)
	signature := make([]byte, signatureSize)
	r.FillBytes(signature[:coordinateSize])
	s.FillBytes(signature[coordinateSize:])
	return signature
}

func verifyES256(key *ecdsa.PublicKey, input, signature []byte) bool {
	if len(signature) != signatureSize {
		return false
	}
	r := new(big.Int).SetBytes(signature[:coordinateSize])
	s := new(big.Int).SetBytes(signature[coordinateSize:])
	hash := sha256.Sum256(input)
	return ecdsa.Verify(key, hash[:], r, s)
}
