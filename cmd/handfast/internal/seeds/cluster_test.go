package seeds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/handfast-tcp/handfast/keyring"
)

// natsCluster is three servers that keep each bucket thrice.
func natsCluster(t *testing.T) []*server.Server {
	t.Helper()
	var all []*server.Server
	var routes []*url.URL
	var ports []int
	for len(ports) < 3 { // JetStream wants to know all of them before it starts
		// Nobody who asks for any port gets one so low, between here and the start.
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil {
			continue
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		l.Close()
	}
	for i := range 3 {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
			Cluster: server.ClusterOpts{Name: "seeds", Host: "127.0.0.1", Port: ports[i]}, Routes: routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		all = append(all, s)
	}
	for _, s := range all {
		if !s.ReadyForConnections(time.Minute) {
			t.Fatal("a NATS server does not start")
		}
	}
	until(t, "the servers do not find each other", func() bool {
		for _, s := range all {
			if !s.JetStreamIsCurrent() || s.NumRoutes() == 0 {
				return false
			}
		}
		return all[0].JetStreamIsLeader() || all[1].JetStreamIsLeader() || all[2].JetStreamIsLeader()
	})
	return all
}

// putThrice stores seeds on three servers, as soon as they take them.
func putThrice(t *testing.T, at, text string) {
	t.Helper()
	c, err := nats.Connect(at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the cluster takes no seeds", func() bool {
		ctx, give := context.WithTimeout(t.Context(), 5*time.Second)
		defer give()
		kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "handfast", Replicas: 3})
		if err == nil {
			_, err = kv.Put(ctx, "seeds", []byte(text))
		}
		return err == nil
	})
}

// The leader of three servers is killed while a seed is rolled: every host goes on with the
// keys it has, and then has the new one, also the host that was connected to the dead server.
func TestLeaderDiesInARoll(t *testing.T) {
	if testing.Short() {
		t.Skip("an election takes seconds")
	}
	servers := natsCluster(t)
	putThrice(t, servers[0].ClientURL(), oneSeed)
	now := time.Unix(64_000_000, 0)
	var rings []*keyring.Ring
	for _, s := range servers {
		w, err := Open(s.ClientURL() + "/handfast/seeds")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		ring, err := keyring.New(w.Seeds)
		if err != nil {
			t.Fatal(err)
		}
		rings = append(rings, ring)
	}
	before, _ := rings[0].Keys(now)
	var living *server.Server
	killed := false
	for _, s := range servers {
		if s.JetStreamIsStreamLeader("$G", "KV_handfast") && !killed {
			s.Shutdown()
			killed = true
		} else {
			living = s
		}
	}
	if !killed {
		t.Fatal("the bucket has no leader")
	}
	for i, ring := range rings {
		if k, _ := ring.Keys(now); k != before {
			t.Errorf("host %d has other keys when the leader is dead", i)
		}
	}
	putThrice(t, living.ClientURL(), twoSeeds)
	for i, ring := range rings {
		until(t, fmt.Sprintf("the new seed did not come to host %d", i), func() bool {
			k, _ := ring.Keys(now)
			if k.Current != before.Current {
				t.Fatalf("host %d lost the key in force", i)
			}
			return k.Next != before.Next
		})
	}
	want, _ := rings[0].Keys(now)
	for i, ring := range rings {
		if k, err := ring.Keys(now); err != nil || k != want {
			t.Errorf("host %d disagrees: %v", i, err)
		}
	}
}
