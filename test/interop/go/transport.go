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

// transport calls the gateway with one client library.
type transport interface {
	execute(ctx context.Context, request *sallyportv1.ExecuteCommandRequest, gzip bool) (*sallyportv1.ExecuteCommandResponse, error)
	subscribe(ctx context.Context, request *sallyportv1.SubscribeEventsRequest) (eventStream, error)
	// failureOf converts an error of the library.
	failureOf(err error) failure
}

// eventStream waits for the next event. It returns io.EOF after the end of a stream that ended without an error.
type eventStream func() (*sallyportv1.GatewayEvent, error)

// failure is an error of a call or stream. Reason, Domain and Metadata come from its google.rpc.ErrorInfo, if it has one.
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

// readTrust trusts only the certificates of the PEM file. It returns nil without a file: the connection then has no TLS.
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

// httpClient supports only the given HTTP version. Without TLS it uses HTTP/2 with prior knowledge, with TLS it negotiates it by ALPN.
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
