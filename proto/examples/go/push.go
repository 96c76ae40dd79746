package main

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"
)

// publish tells all devices of the user. Every gateway reads the stream.
func (s *shop) publish(ctx context.Context, o order) error {
	payload, err := json.Marshal(o)
	if err != nil {
		return err
	}
	values := []string{"user_id", o.owner, "event_type", "order.created", "event_id", o.ID, "payload", string(payload)}
	return s.redis.XAdd(ctx, &redis.XAddArgs{Stream: "sallyport:push", MaxLen: 100_000, Approx: true, Values: values}).Err()
}
