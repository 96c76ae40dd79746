package main

import (
	"crypto/subtle"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
)

// onlyWith refuses calls without the token of the file. What the gateway says about the user is trusted.
func onlyWith(tokenFile string, next http.HandlerFunc) http.HandlerFunc {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		log.Fatal(err)
	}
	want := []byte("Bearer " + strings.TrimSpace(string(token)))
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "unauthenticated")
			return
		}
		next(w, r)
	}
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(into)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request")
	}
	return err == nil
}

func refuse(w http.ResponseWriter, status int, code string) {
	reply(w, status, map[string]string{"code": code})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client is gone
}
