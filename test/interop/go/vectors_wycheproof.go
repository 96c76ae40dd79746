package main

import "encoding/hex"

// wycheproofFile is a file of the project Wycheproof. Bytes are in hex.
type wycheproofFile struct {
	Groups []struct {
		PublicKey struct {
			// Pk is the Ed25519 key. Uncompressed is the P-256 key.
			Pk           string `json:"pk"`
			Uncompressed string `json:"uncompressed"`
		} `json:"publicKey"`
		Tests []struct {
			Msg string `json:"msg"`
			Sig string `json:"sig"`
		} `json:"tests"`
	} `json:"testGroups"`
}

func (f wycheproofFile) verdicts(algorithm string) (verdicts []bool) {
	for _, group := range f.Groups {
		verify, err := parsePublicKey(algorithm, fromHex(group.PublicKey.Pk+group.PublicKey.Uncompressed))
		exitOn(err)
		for _, test := range group.Tests {
			verdicts = append(verdicts, verify(fromHex(test.Msg), fromHex(test.Sig)))
		}
	}
	return verdicts
}

func fromHex(text string) []byte {
	value, err := hex.DecodeString(text)
	exitOn(err)
	return value
}
