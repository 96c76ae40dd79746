package main

import (
	"context"
	"crypto/tls"
	"net/url"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

type grpcGo struct{ client sallyportv1.GatewayClient }

func openGrpcGo(rawURL string, trust *tls.Config) (transport, error) {
	target, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	security := insecure.NewCredentials()
	if trust != nil {
		security = credentials.NewTLS(trust)
	}
	connection, err := grpc.NewClient(target.Host, grpc.WithTransportCredentials(security))
	if err != nil {
		return nil, err
	}
	return grpcGo{sallyportv1.NewGatewayClient(connection)}, nil
}

func (g grpcGo) execute(
	ctx context.Context, request *sallyportv1.ExecuteCommandRequest, compressed bool,
) (*sallyportv1.ExecuteCommandResponse, error) {
	if compressed {
		return g.client.ExecuteCommand(ctx, request, grpc.UseCompressor(gzip.Name))
	}
	return g.client.ExecuteCommand(ctx, request)
}

func (g grpcGo) subscribe(ctx context.Context, request *sallyportv1.SubscribeEventsRequest) (eventStream, error) {
	stream, err := g.client.SubscribeEvents(ctx, request)
	if err != nil {
		return nil, err
	}
	return stream.Recv, nil
}

func (g grpcGo) failureOf(err error) failure {
	grpcStatus := status.Convert(err)
	failed := failure{Code: connect.Code(grpcStatus.Code()).String(), Message: grpcStatus.Message()}
	for _, detail := range grpcStatus.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			failed.Reason, failed.Domain, failed.Metadata = info.Reason, info.Domain, info.Metadata
		}
	}
	return failed
}
