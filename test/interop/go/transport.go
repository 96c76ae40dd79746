package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

// transport is one way of speaking to the gateway.
type transport interface {
	execute(ctx context.Context, request *sallyportv1.ExecuteCommandRequest, gzip bool) (*sallyportv1.ExecuteCommandResponse, error)
	subscribe(ctx context.Context, request *sallyportv1.SubscribeEventsRequest) (eventStream, error)
	// failureOf reads what the gateway said, or what the library makes of it.
	failureOf(err error) failure
}

// eventStream gives the next event, or why there is none: io.EOF after an end without an error.
type eventStream func() (*sallyportv1.GatewayEvent, error)

// failure is an error with its google.rpc.ErrorInfo, if it has one.
type failure struct {
	Code     string            `json:"code"`
	Message  string            `json:"message"`
	Reason   string            `json:"reason,omitempty"`
	Domain   string            `json:"domain,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

func openTransport(protocol, httpVersion, url string, trust *tls.Config) (transport, error) {
	if protocol == "grpc-go" {
		return openGrpcGo(url, trust)
	}
	return openConnectGo(protocol, httpClient(httpVersion, trust), url)
}

// readTrust trusts the certificates of a PEM file alone; nil where there is no file, for connections in the clear.
func readTrust(caFile string) (*tls.Config, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", caFile)
	}
	return &tls.Config{RootCAs: roots}, nil
}

// httpClient speaks exactly this version: in the clear HTTP/2 is known beforehand, under TLS it is agreed on by ALPN.
func httpClient(httpVersion string, trust *tls.Config) *http.Client {
	var protocols http.Protocols
	switch {
	case httpVersion == "1.1":
		protocols.SetHTTP1(true)
	case trust == nil:
		protocols.SetUnencryptedHTTP2(true)
	default:
		protocols.SetHTTP2(true)
	}
	return &http.Client{Transport: &http.Transport{Protocols: &protocols, TLSClientConfig: trust}}
}
