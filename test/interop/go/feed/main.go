// A push feed on unmodified grpc-go with its default keepalive enforcement. It prints its address to standard output.
//
// A new stream gets one keepalive. Each line of standard input becomes an event for every stream, with the line as its id. The line
// "unencodable" becomes an event that grpc-go cannot encode. It ends the stream, and again after each reconnect that resumes before it.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	sallyportv1 "sallyport.test/interop/gen/sallyport/v1"
)

type feed struct {
	sallyportv1.UnimplementedPushServer
	mu      sync.Mutex
	changed *sync.Cond
	events  []string
}

// SubscribePush sends the events after the cursor. A cursor is a number of events.
func (f *feed) SubscribePush(
	request *sallyportv1.SubscribePushRequest, stream grpc.ServerStreamingServer[sallyportv1.PushEvent],
) error {
	log.Printf("subscribed from %q", request.GetCursor())
	f.mu.Lock()
	at, err := strconv.Atoi(request.GetCursor())
	if err != nil {
		at = len(f.events)
	}
	f.mu.Unlock()
	if err := stream.Send(&sallyportv1.PushEvent{Cursor: strconv.Itoa(at)}); err != nil {
		return err
	}
	go func() {
		<-stream.Context().Done()
		f.changed.Broadcast()
	}()
	for {
		f.mu.Lock()
		for at == len(f.events) && stream.Context().Err() == nil {
			f.changed.Wait()
		}
		if stream.Context().Err() != nil {
			f.mu.Unlock()
			return stream.Context().Err()
		}
		event := f.events[at]
		at++
		f.mu.Unlock()
		if err := stream.Send(pushEvent(at, event)); err != nil {
			return err
		}
	}
}

func pushEvent(cursor int, event string) *sallyportv1.PushEvent {
	client := &sallyportv1.ClientEvent{UserId: "u1", EventType: "chat.message", EventId: event}
	if event == "unencodable" {
		client.EventId = "\xed\xa0\x80"
	}
	return &sallyportv1.PushEvent{
		Cursor: strconv.Itoa(cursor),
		Kind:   &sallyportv1.PushEvent_ClientEvent{ClientEvent: client},
	}
}

func (f *feed) push(event string) {
	f.mu.Lock()
	f.events = append(f.events, event)
	f.mu.Unlock()
	f.changed.Broadcast()
}

func main() {
	log.SetFlags(log.Lmicroseconds)
	minTime := flag.Duration("min-time", 0, "minimum time between pings; 0 for the default of grpc-go")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	options := []grpc.ServerOption{}
	if *minTime > 0 {
		options = append(options, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: *minTime}))
	}
	server := grpc.NewServer(options...)
	f := &feed{}
	f.changed = sync.NewCond(&f.mu)
	sallyportv1.RegisterPushServer(server, f)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			f.push(lines.Text())
		}
		server.Stop()
	}()
	fmt.Println(listener.Addr())
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
