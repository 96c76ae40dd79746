// A scripted client of the gateway. It reads steps from standard input and writes their outcomes to standard output, one JSON object per
// line. ../driver.ts defines both.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"os"
	"time"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

type step struct {
	Do          string `json:"do"`
	MessageType string `json:"message_type"`
	Payload     string `json:"payload"`
	Gzip        bool   `json:"gzip"`
	TimeoutMs   int64  `json:"timeout_ms"`
	SignedMsAgo int64  `json:"signed_ms_ago"`
	ChallengeID string `json:"challenge_id"`
	Code        string `json:"code"`
	Algorithm   string `json:"algorithm"`
}

type outcome struct {
	SessionID  string   `json:"device_session_id,omitempty"`
	ResultCode string   `json:"result_code,omitempty"`
	EventType  string   `json:"event_type,omitempty"`
	Audience   string   `json:"audience,omitempty"`
	Payload    string   `json:"payload,omitempty"`
	Error      *failure `json:"error,omitempty"`
	ElapsedMs  int64    `json:"elapsed_ms"`
}

// client is the state between steps. It keeps the last request for the step "repeat", and the open stream.
type client struct {
	login     loginClient
	transport transport
	device    device
	keys      gatewayKeys
	last      signed
	next      eventStream
	cancel    context.CancelFunc
}

func main() {
	log.SetFlags(0)
	protocol := flag.String("protocol", "grpc-go", "grpc-go; or with connect-go: connect, connect-json, grpc, grpc-web")
	httpVersion := flag.String("http", "2", "1.1 or 2, for connect-go")
	url := flag.String("url", "", "URL of the gateway's listener to call")
	edgeURL := flag.String("edge", "", "URL of the gateway's edge, for the JWKS")
	caFile := flag.String("ca", "", "PEM file of the trusted certificates, for https URLs")
	session := flag.String("session", "", "device session id; empty if the step \"login\" opens the session")
	seed := flag.String("seed", "", "seed of the device's Ed25519 key, in hex")
	vectors := flag.String("vectors", "", "folder of vectors: print what this program makes of them, and exit")
	flag.Parse()

	if *vectors != "" {
		exitOn(printVectors(*vectors))
		return
	}
	trust, err := readTrust(*caFile)
	exitOn(err)
	http := httpClient("1.1", trust)
	keys, err := fetchKeys(http, *edgeURL)
	exitOn(err)
	transport, err := openTransport(*protocol, *httpVersion, *url, trust)
	exitOn(err)
	c := &client{login: loginClient{http, *edgeURL}, transport: transport, keys: keys}
	if *session != "" {
		secret, err := hex.DecodeString(*seed)
		exitOn(err)
		key, err := parseKey("EdDSA", secret)
		exitOn(err)
		c.device = device{*session, key}
	}

	output := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var s step
		exitOn(json.Unmarshal(lines.Bytes(), &s))
		started := time.Now()
		result := c.run(s)
		result.ElapsedMs = time.Since(started).Milliseconds()
		exitOn(output.Encode(result))
	}
}

func (c *client) run(s step) outcome {
	switch s.Do {
	case "login":
		key, err := generateKey(s.Algorithm)
		exitOn(err)
		session, err := c.login.confirm(s.ChallengeID, s.Code, key)
		exitOn(err)
		c.device = device{session, key}
		return outcome{SessionID: session}
	case "call":
		signedAt := time.Now().Add(-time.Duration(s.SignedMsAgo) * time.Millisecond)
		c.last = c.device.sign(s.MessageType, []byte(s.Payload), signedAt)
		return c.call(s)
	case "repeat":
		return c.call(s)
	case "subscribe":
		return c.subscribe()
	case "next":
		return c.receive()
	case "cancel":
		c.cancel()
		return c.receive()
	}
	log.Fatalf("unknown step: %q", s.Do)
	return outcome{}
}

func (c *client) call(s step) outcome {
	ctx := context.Background()
	if s.TimeoutMs > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(s.TimeoutMs)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	response, err := c.transport.execute(ctx, c.last.execute(), s.Gzip)
	if err != nil {
		return c.failed(err)
	}
	exitOn(c.keys.checkResponse(c.last.envelope, response))
	return outcome{ResultCode: response.Envelope.ResultCode, Payload: string(response.PayloadBytes)}
}

func (c *client) subscribe() outcome {
	ctx, cancel := context.WithCancel(context.Background())
	next, err := c.transport.subscribe(ctx, c.device.sign("gateway.subscribe", nil, time.Now()).subscribe())
	if err != nil {
		cancel()
		return c.failed(err)
	}
	c.next, c.cancel = next, cancel
	return c.receive()
}

func (c *client) receive() outcome {
	event, err := c.next()
	if errors.Is(err, io.EOF) {
		return outcome{Error: &failure{Code: "ok", Message: "the stream ended"}}
	}
	if err != nil {
		return c.failed(err)
	}
	exitOn(c.keys.checkEvent(event))
	return eventOutcome(event)
}

func eventOutcome(event *sallyportv1.GatewayEvent) outcome {
	envelope := event.Envelope
	return outcome{EventType: envelope.EventType, Audience: envelope.Audience, Payload: string(event.PayloadBytes)}
}

func (c *client) failed(err error) outcome {
	failed := c.transport.failureOf(err)
	return outcome{Error: &failed}
}

// exitOn ends the program after an error that fails the test, such as a response that does not verify.
func exitOn(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
