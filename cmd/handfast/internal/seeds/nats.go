package seeds

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/natsat"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// patience is how long the servers may take to answer, the first time and then: whoever asks
// for keys waits for it.
const (
	firstPatience = 10 * time.Second
	patience      = time.Second
)

// natsStore asks a key of NATS' key-value store. A watcher would hear of a change sooner, but
// not that its servers are away; and who rolls a seed tells of it minutes before.
type natsStore struct {
	where  string
	key    string
	conn   *nats.Conn
	bucket jetstream.KeyValue
}

// inNATS is how a place in NATS is written.
var inNATS = natsat.Form("bucket/key")

// openNATS connects to nats://user:password@host:port,host:port/bucket/key.
func openNATS(where string) (*natsStore, error) {
	place, err := inNATS.Parse(where)
	if err != nil {
		return nil, say.Errorf(say.All("seeds: %w"), err)
	}
	bucket, key, ok := strings.Cut(natsat.Path(&place), "/")
	if !ok {
		return nil, say.Errorf(say.Text{"seeds: %s is not nats://host:4222/bucket/key", "seeds：%s 不是 nats://host:4222/bucket/key 的形式"}, place.Shown)
	}
	conn, err := natsat.Connect(&place, nats.Name("handfast"), nats.MaxReconnects(-1), nats.ReconnectWait(patience))
	if err != nil {
		return nil, say.Errorf(say.All("seeds: %s: %w"), place.Shown, err)
	}
	s := &natsStore{where: place.Shown, key: key, conn: conn}
	if err := s.find(bucket); err != nil {
		s.conn.Close()
		return nil, err
	}
	return s, nil
}

// find looks for a bucket, and the key in it.
func (s *natsStore) find(bucket string) error {
	ctx, give := context.WithTimeout(context.Background(), firstPatience)
	defer give()
	js, err := jetstream.New(s.conn)
	if err == nil {
		s.bucket, err = js.KeyValue(ctx, bucket)
	}
	if err != nil {
		return say.Errorf(say.Text{"seeds: %s: bucket %s: %w (nats kv add %s makes one)", "seeds：%s：存储桶 %s：%w（可用 nats kv add %s 创建）"}, s.where, bucket, err, bucket)
	}
	_, err = s.get(ctx)
	return err
}

func (s *natsStore) get(ctx context.Context) ([][]byte, error) {
	entry, err := s.bucket.Get(ctx, s.key)
	if err != nil {
		return nil, say.Errorf(say.All("seeds: %s: %w"), s.where, err)
	}
	return parse(s.where, entry.Value())
}

// Seeds returns what the key holds.
func (s *natsStore) Seeds() ([][]byte, error) {
	if !s.conn.IsConnected() { // which would wait for the connection
		return nil, say.Errorf(say.All("seeds: %s: %w"), s.where, errAway)
	}
	ctx, give := context.WithTimeout(context.Background(), patience)
	defer give()
	return s.get(ctx)
}

// Close ends the connection.
func (s *natsStore) Close() error {
	s.conn.Close()
	return nil
}
