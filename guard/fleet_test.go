package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/guard"
	"github.com/handfast-tcp/handfast/keyring"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// fleetSize is how many guards have one address.
const fleetSize = 3

// fleet is guards that have one address, behind a router that changes its mind about each
// flow between the SYN-ACK and the ACK:
//
//	client - router = three fronts | out - server
type fleet struct {
	world
	guards []*guard.Guard
	hosts  []*handfast.Host
	router sync.WaitGroup
}

// clockOff are keys of a host whose clock is off.
type clockOff struct {
	*keyring.Ring
	by time.Duration
}

func (c clockOff) Keys(now time.Time) (tcp.CookieKeys, error) { return c.Ring.Keys(now.Add(c.by)) }

// inFleet has guard i ask source i for its seeds, by a clock that is off by so much.
func inFleet(t *testing.T, sources [fleetSize]keyring.Seeds, off [fleetSize]time.Duration, f func(*fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &fleet{world: world{T: t}}
		a, b := pipe.New(pipe.Options{})
		w.out, w.server = w.host(a, "192.0.2.1/32"), w.host(b, serverIP+"/32")
		w.live(8001, w.greet)
		up, down := pipe.New(pipe.Options{})
		w.client = w.host(up, clientIP+"/32")
		var lower []*pipe.End
		for i := range fleetSize {
			near, far := pipe.New(pipe.Options{})
			lower = append(lower, near)
			ring, err := keyring.New(sources[i])
			if err != nil {
				t.Fatal(err)
			}
			w.add(far, clockOff{ring, off[i]})
		}
		w.route(down, lower)
		synctest.Wait()
		f(w)
		for i := range fleetSize {
			w.guards[i].Close()
			w.hosts[i].Close()
		}
		w.client.Close()
		w.out.Close()
		w.server.Close()
		w.served.Wait()
		for _, end := range append(lower, down) {
			end.Close()
		}
		w.router.Wait()
	})
}

// add starts a guard of the fleet.
func (w *fleet) add(l *pipe.End, keys handfast.CookieKeys) {
	h, err := handfast.New(handfast.Config{CookieKeys: keys})
	if err == nil {
		err = h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(frontIP + "/32")},
			Routes: []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0")}}})
	}
	if err != nil {
		w.Fatal(err)
	}
	front, err := h.Listen("tcp", ":443")
	if err != nil {
		w.Fatal(err)
	}
	w.start(guard.Settings{})
	g := w.guard
	w.guards, w.hosts = append(w.guards, g), append(w.hosts, h)
	w.served.Go(func() { g.Serve(front) })
}

// route sends SYNs by their port, and all else of their flow to the next guard.
func (w *fleet) route(client *pipe.End, guards []*pipe.End) {
	forward := func(from *pipe.End, to func(packet []byte) *pipe.End) {
		w.router.Go(func() {
			batch := make([]*buf.Packet, 64)
			for {
				n, err := from.Read(0, batch)
				if err != nil {
					return
				}
				for _, p := range batch[:n] {
					to(p.Data).Write(0, []*buf.Packet{p})
				}
			}
		})
	}
	forward(client, func(p []byte) *pipe.End {
		const synAlone, header = 2, 20 // of IPv4, without options
		port := int(p[header])<<8 | int(p[header+1])
		if flags := p[header+13]; flags&0x17 != synAlone {
			port++
		}
		return guards[port%fleetSize]
	})
	for _, g := range guards {
		forward(g, func([]byte) *pipe.End { return client })
	}
}

// try opens a connection and says something.
func (w *fleet) try() error {
	ctx, give := context.WithTimeout(w.Context(), 10*time.Second)
	defer give()
	c, err := w.client.DialContext(ctx, "tcp", frontIP+":443")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		return err
	}
	c.(*handfast.TCPConn).CloseWrite()
	if said, err := io.ReadAll(c); string(said) != "8001hello" {
		return errors.Join(fmt.Errorf("%q", said), err)
	}
	return nil
}

// seedsOf is a store of seeds that can be changed, and that can be away.
type seedsOf struct {
	mu   sync.Mutex
	all  [][]byte
	away bool
}

func (s *seedsOf) Seeds() ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, net.ErrClosed
	}
	return s.all, nil
}

func (s *seedsOf) roll(seed string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all[:len(s.all):len(s.all)], []byte(seed))
}

func storeOf(seed string) *seedsOf { return &seedsOf{all: [][]byte{[]byte(seed)}} }

// With one seed every handshake that one guard has begun another one completes, also when
// their clocks are an epoch apart. With seeds of their own none is.
func TestFleet(t *testing.T) {
	one := storeOf("a seed of sixteen bytes and more").Seeds
	for name, off := range map[string][fleetSize]time.Duration{
		"same clocks": {}, "an epoch apart": {0, keyring.Epoch / 2, -keyring.Epoch / 2},
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, [fleetSize]keyring.Seeds{one, one, one}, off, func(w *fleet) {
				for range 30 {
					if err := w.try(); err != nil {
						t.Error(err)
					}
				}
				for i, g := range w.guards {
					if n := g.Stats().Carried; n == 0 {
						t.Errorf("guard %d had no connection", i)
					}
				}
			})
		})
	}
	t.Run("different seeds", func(t *testing.T) {
		inFleet(t, [fleetSize]keyring.Seeds{storeOf("the first seed of three").Seeds, storeOf("the second seed of three").Seeds, storeOf("the third seed of three").Seeds},
			[fleetSize]time.Duration{}, func(w *fleet) {
				for range 10 {
					if err := w.try(); !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("%v", err)
					}
				}
			})
	})
}

// Seeds are rolled again and again under load, each known to one guard sooner than to another,
// and in between the store is away for ten minutes: no handshake is lost.
func TestFleetRolls(t *testing.T) {
	stores := [fleetSize]*seedsOf{storeOf("the first seed of a long list"), storeOf("the first seed of a long list"), storeOf("the first seed of a long list")}
	inFleet(t, [fleetSize]keyring.Seeds{stores[0].Seeds, stores[1].Seeds, stores[2].Seeds}, [fleetSize]time.Duration{0, 20 * time.Second, -20 * time.Second}, func(w *fleet) {
		begin := time.Now()
		for tick := range 600 {
			if err := w.try(); err != nil {
				t.Errorf("at %d s: %v", tick*5, err)
			}
			away := tick >= 300 && tick < 420
			from := begin.Add(time.Duration(tick/40*40)*5*time.Second + 3*keyring.Epoch)
			for i, s := range stores {
				if tick%40 == i && !away { // 5 s later each
					s.roll(fmt.Sprintf("seed-%d-of-sixteen-bytes-and-more@%s", tick/40, from.UTC().Format(time.RFC3339)))
				}
				s.mu.Lock()
				s.away = away
				s.mu.Unlock()
			}
			time.Sleep(5 * time.Second)
		}
	})
}
