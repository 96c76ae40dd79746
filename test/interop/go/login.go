package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// loginClient calls the gateway's public REST.
type loginClient struct {
	http    *http.Client
	edgeURL string
}

// confirm exchanges a login code for a session with this device key. It returns the session's id.
func (l loginClient) confirm(challengeID, code string, key deviceKey) (string, error) {
	body, err := json.Marshal(map[string]string{
		"challenge_id":         challengeID,
		"code":                 code,
		"client_public_key":    base64.StdEncoding.EncodeToString(key.publicKey()),
		"client_key_algorithm": key.algorithm(),
	})
	if err != nil {
		return "", err
	}
	response, err := l.http.Post(l.edgeURL+"/api/v1/public/auth/confirm-email-code", "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		DeviceSessionID string `json:"device_session_id"`
		Message         string `json:"message"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the login was refused: %s, %s", response.Status, answer.Message)
	}
	return answer.DeviceSessionID, nil
}
