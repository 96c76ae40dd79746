package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// vectorResults is what this program makes of the files in test/vectors. encoding/json writes []byte in base64.
type vectorResults struct {
	Golden    []goldenResult   `json:"golden"`
	Additions []additionResult `json:"additions"`
	// KeysAccepted has one entry per key that must be refused.
	KeysAccepted []bool `json:"keys_accepted"`
	// Wycheproof has, by algorithm, one entry per test: whether the signature is accepted.
	Wycheproof map[string][]bool `json:"wycheproof"`
}

// printVectors reads the files of the folder. Each file has its own Go file, which defines its type and its result.
func printVectors(folder string) error {
	var golden goldenFile
	var additions additionFile
	var eddsa, es256 wycheproofFile
	for name, file := range map[string]any{
		"golden.json":                      &golden,
		"golden-additions.json":            &additions,
		"wycheproof-ed25519.json":          &eddsa,
		"wycheproof-ecdsa-p256-p1363.json": &es256,
	} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, file); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(vectorResults{
		Golden:       golden.results(),
		Additions:    additions.results(),
		KeysAccepted: additions.keysAccepted(),
		Wycheproof:   map[string][]bool{"EdDSA": eddsa.verdicts("EdDSA"), "ES256": es256.verdicts("ES256")},
	})
}
