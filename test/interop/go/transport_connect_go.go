package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
	"sallyport.test/interop/gen/sallyport/v1/sallyportv1connect"
)

type connectGo struct {
	plain, gzip sallyportv1connect.GatewayClient
}

func openConnectGo(protocol string, client *http.Client, url string) (transport, error) {
	options := map[string][]connect.ClientOption{
		"connect":      nil,
		"connect-json": {connect.WithProtoJSON()},
		"grpc":         {connect.WithGRPC()},
		"grpc-web":     {connect.WithGRPCWeb()},
	}
	chosen, known := options[protocol]
	if !known {
		return nil, fmt.Errorf("unknown protocol: %s", protocol)
	}
	return connectGo{
		plain: sallyportv1connect.NewGatewayClient(client, url, chosen...),
		gzip:  sallyportv1connect.NewGatewayClient(client, url, append(chosen, connect.WithSendGzip())...),
	}, nil
}

func (c connectGo) execute(
	ctx context.Context, request *sallyportv1.ExecuteCommandRequest, compressed bool,
) (*sallyportv1.ExecuteCommandResponse, error) {
	client := c.plain
	if compressed {
		client = c.gzip
	}
	response, err := client.ExecuteCommand(ctx, connect.NewRequest(request))
	if err != nil {
		return nil, err
	}
	return response.Msg, nil
}

func (c connectGo) subscribe(ctx context.Context, request *sallyportv1.SubscribeEventsRequest) (eventStream, error) {
	stream, err := c.plain.SubscribeEvents(ctx, connect.NewRequest(request))
	if err != nil {
		return nil, err
	}
	return func() (*sallyportv1.GatewayEvent, error) {
		if stream.Receive() {
			return stream.Msg(), nil
		}
		ended := stream.Err()
		if ended == nil {
			ended = io.EOF
		}
		return nil, errors.Join(ended, stream.Close())
	}, nil
}

func (c connectGo) failureOf(err error) failure {
	failed := failure{Code: connect.CodeOf(err).String(), Message: err.Error()}
	var connectError *connect.Error
	if !errors.As(err, &connectError) {
		return failed
	}
	failed.Message = connectError.Message()
	for _, detail := range connectError.Details() {
		message, err := detail.Value()
		if info, ok := message.(*errdetails.ErrorInfo); ok && err == nil {
			failed.Reason, failed.Domain, failed.Metadata = info.Reason, info.Domain, info.Metadata
		}
	}
	return failed
}
