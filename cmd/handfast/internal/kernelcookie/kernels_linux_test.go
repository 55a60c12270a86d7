package kernelcookie

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/impair"
	"github.com/handfast-tcp/handfast/link/tun"
)

// away is a network namespace of its own, where clients are on the kernel's TCP.
type away struct{ *stage.Space }

// newAway makes one at the far end of a way to the server that takes this long each way.
func newAway(t *testing.T, s *side, delay time.Duration) away {
	t.Helper()
	space, err := stage.NewSpace()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { space.Close() })
	a := away{space}
	var far link.Link
	err = a.Do(func() (err error) {
		if far, err = tun.Open(tun.Options{Name: "hfk1"}); err != nil {
			return err
		}
		return stage.Configure("hfk1", stage.OurAddrs)
	})
	if far != nil {
		t.Cleanup(func() { far.Close() })
	}
	if err != nil {
		t.Skip(err)
	}
	slow, err := impair.New(far, impair.Options{In: netem.Config{Delay: delay}, Out: netem.Config{Delay: delay}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slow.Close() })
	go carry(slow, s.device)
	go carry(s.device, slow)
	return a
}

// carry takes packets from one link to another, until one of them is closed.
func carry(from, to link.Link) {
	batch := make([]*buf.Packet, 64)
	for {
		n, err := from.Read(0, batch)
		if err != nil || to.Write(0, batch[:n]) != nil {
			return
		}
	}
}

// set sets what TCP offers there.
func (a away) set(t *testing.T, settings map[string]int) {
	t.Helper()
	err := a.Do(func() error {
		for name, value := range settings {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+name, fmt.Append(nil, value), 0o644); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// call makes a connection, of which both ends are returned.
func (a away) call(t *testing.T, l net.Listener, to netip.AddrPort) (client, server net.Conn) {
	t.Helper()
	err := a.Do(func() (err error) {
		client, err = (&net.Dialer{Timeout: patience}).Dial("tcp", to.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

// greeting is what a server says first: some segments.
var greeting = make([]byte, 4000)

// talk has the server speak first, and the client answer.
func talk(client, server net.Conn) error {
	answered := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(client, make([]byte, len(greeting)))
		if err == nil {
			_, err = client.Write(greeting[:100])
		}
		answered <- err
	}()
	server.SetDeadline(time.Now().Add(patience))
	client.SetDeadline(time.Now().Add(patience))
	if _, err := server.Write(greeting); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return err
	}
	_, err := io.ReadFull(server, greeting[:100])
	return err
}

// offers are what a client offers, every mixture of it, as settings of its kernel.
func offers() (all []map[string]int) {
	for bits := range 16 {
		all = append(all, map[string]int{"tcp_sack": bits & 1, "tcp_timestamps": bits >> 1 & 1, "tcp_window_scaling": bits >> 2 & 1, "tcp_ecn": bits >> 3})
	}
	return all
}

// ssWords are those of ss -tino that say what was agreed on, and what a connection begins with.
var ssWords = []string{"ts", "sack", "ecn", "ecnseen", "wscale", "mss", "pmtu", "rcvmss", "advmss", "cwnd", "bytes_sent", "bytes_acked",
	"bytes_received", "data_segs_out", "data_segs_in", "retrans", "bytes_retrans", "rcv_space", "rcv_ssthresh", "snd_wnd", "rcv_wnd", "unacked"}

// shown is what ss shows of the connection with a client, as far as it does not change from one to
// the next.
func shown(t *testing.T, server net.Conn) string {
	t.Helper()
	far := server.RemoteAddr().(*net.TCPAddr)
	out, err := exec.Command("ss", "-tinoHO", "state", "established", "dport", "=", fmt.Sprint(":", far.Port)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var kept []string
	for word := range strings.FieldsSeq(string(out)) {
		if name, _, _ := strings.Cut(word, ":"); slices.Contains(ssWords, name) {
			kept = append(kept, word)
		}
	}
	return strings.Join(kept, " ")
}

// What ss shows of a kernel's client on the server is what it shows without us, for every mixture of
// what a client may offer, over IPv4 and IPv6; but that cookies have no room for ECN without SACK.
func TestSSAsWithoutUs(t *testing.T) {
	if _, err := exec.LookPath("ss"); err != nil {
		t.Skip(err)
	}
	s := newSide(t, false)
	far := newAway(t, s, 0)
	var alone []string
	withoutECN := strings.NewReplacer("ecn ", "", "ecnseen ", "")
	for _, armed := range []bool{false, true} {
		if armed {
			s.arm(t, Options{Always: true})
		}
		i := 0
		for _, offer := range offers() {
			far.set(t, offer)
			for family, to := range s.listen {
				got := "retrans:"
				for try := 0; try < 10 && strings.Contains(got, "retrans:"); try++ { // a busy machine may be late once
					client, server := far.call(t, s.servers[family], to)
					if err := talk(client, server); err != nil {
						t.Fatal(err)
					}
					got = shown(t, server)
				}
				if !armed && offer["tcp_sack"] == 0 {
					got = withoutECN.Replace(got)
				}
				if !armed {
					alone = append(alone, got)
				} else if got != alone[i] {
					t.Errorf("%v, %v:\n%s\nwithout us\n%s", to, offer, got, alone[i])
				}
				i++
			}
		}
	}
	if first, last := alone[0], alone[len(alone)-1]; !strings.HasPrefix(first, "mss:") || !strings.HasPrefix(last, "ts sack ecn ecnseen wscale:") {
		t.Errorf("ss does not show what is compared:\n%s\n%s", first, last)
	}
}

// A client that is 300 ms away gets nothing twice, also where the server speaks first, and sends
// nothing twice; and the server's kernel knows how far away it is.
func TestFarClient(t *testing.T) {
	const oneWay = 150 * time.Millisecond
	s := newSide(t, false)
	far := newAway(t, s, oneWay)
	for _, what := range []string{"without us", "by cookies"} {
		if what == "by cookies" {
			s.arm(t, Options{Always: true})
		}
		var all sync.WaitGroup
		for _, offer := range []map[string]int{{"tcp_timestamps": 1}, {"tcp_timestamps": 0}} {
			far.set(t, offer)
			for family, to := range s.listen {
				client, server := far.call(t, s.servers[family], to)
				all.Go(func() {
					if err := talk(client, server); err != nil {
						t.Error(err)
					}
					for _, end := range []net.Conn{client, server} {
						i := infoOf(t, end)
						if rtt := time.Duration(i.Rtt) * time.Microsecond; i.Total_retrans != 0 || rtt < 2*oneWay {
							t.Errorf("%s, %v, %v, %v: %d segments were sent twice, round-trip time %v", what, to, offer, end.LocalAddr(), i.Total_retrans, rtt)
						}
					}
				})
			}
		}
		all.Wait()
	}
}

// A machine of the other byte order is told, in both languages.
func TestByteOrder(t *testing.T) {
	if _, err := readObject(binary.LittleEndian); err != nil {
		t.Error(err)
	}
	_, err := readObject(binary.BigEndian)
	if err == nil || !strings.Contains(err.Error(), "big-endian") || !strings.Contains(say.Error(err, story.Chinese), "大端") {
		t.Error(err)
	}
}
