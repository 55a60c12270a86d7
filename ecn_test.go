package handfast_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// ECN is chosen for a host, a listener and a dialer, and what is no mode is refused.
func TestECN(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 1}, pipe.Options{})
	for _, c := range []struct {
		asks, listener cc.ECNMode
		want           bool
	}{
		{cc.ECNDefault, cc.ECNDefault, false}, {cc.ECNOn, cc.ECNDefault, true}, {cc.ECNOn, cc.ECNOff, false}, {cc.ECNPassive, cc.ECNOn, false},
	} {
		l, err := server.ListenTCP("tcp", serverIP+":80", handfast.ListenOptions{ECN: c.listener})
		if err != nil {
			t.Fatal(err)
		}
		d := handfast.Dialer{Host: client, ECN: c.asks}
		conn, err := d.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(make([]byte, 5000))
		accepted.Read(make([]byte, 10))
		for _, h := range []*handfast.Host{client, server} {
			for i := range h.Connections() {
				if i.State == tcp.Established && i.Info.ECN != c.want {
					t.Errorf("asks %v of %v: ECN is %v, want %v", c.asks, c.listener, i.Info.ECN, c.want)
				}
				if h == server && i.State == tcp.Established && i.Info.ECNSeen != c.want {
					t.Errorf("asks %v of %v: seen %v", c.asks, c.listener, i.Info.ECNSeen)
				}
			}
		}
		conn.(*handfast.TCPConn).SetLinger(0)
		conn.Close()
		accepted.Close()
		l.Close()
	}
	counters := server.Counters()
	if n := counters.IpExtInECT0Pkts; n == 0 || counters.IpExtInCEPkts != 0 {
		t.Errorf("%d packets are markable, %d marked", n, counters.IpExtInCEPkts)
	}
	var op *net.OpError
	if _, err := (&handfast.Dialer{Host: client, ECN: 99}).Dial("tcp", serverIP+":80"); !errors.As(err, &op) || !strings.Contains(err.Error(), "Dialer.ECN is 99") {
		t.Errorf("mode 99: %v", err)
	}
}
