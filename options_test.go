package handfast_test

import (
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Every number of ListenOptions is refused outside its range, by a listener and by
// a forwarder. A new field needs a line here.
func TestListenOptionsRanges(t *testing.T) {
	ends := map[string][2]int64{"Backlog": {1, handfast.MaxBacklog}, "FastOpen": {1, handfast.MaxBacklog}, "ECN": {int64(cc.ECNOff), int64(cc.ECNAccurate)},
		"TOS": {0, 255}, "TTL": {0, 255}, "MaxSegment": {tcp.MinMaxSegment, tcp.MaxMaxSegment},
		"SynRetries": {0, tcp.MaxSynAckRetries}, "NotSentLowat": {0, tcp.MaxBuffer}, "DeferAccept": {0, int64(tcp.MaxTimeout)}}
	other := map[string]bool{"Prefix": true, "Verdict": true, "Lost": true, "CongestionControl": true, "FastOpenKeys": true}
	h, _ := newNet(t, handfast.Config{}, pipe.Options{})
	for i := range reflect.TypeFor[handfast.ListenOptions]().NumField() {
		name := reflect.TypeFor[handfast.ListenOptions]().Field(i).Name
		if other[name] {
			continue
		}
		r, ok := ends[name]
		if !ok {
			t.Errorf("ListenOptions.%s has no range in this test", name)
			continue
		}
		for _, v := range append(extremes, r[0]-1, r[1], r[1]+1) {
			var o handfast.ListenOptions
			if !setNumber(reflect.ValueOf(&o).Elem().Field(i), v) {
				continue
			}
			taken := v == 0 || v >= r[0] && v <= r[1]
			for kind, listen := range map[string]func() (*handfast.TCPListener, error){
				"listen":  func() (*handfast.TCPListener, error) { return h.ListenTCP("tcp", ":0", o) },
				"forward": func() (*handfast.TCPListener, error) { return h.Forward(o) },
			} {
				l, err := listen()
				switch {
				case (err == nil) != taken:
					t.Errorf("%s, %s %d: %v", kind, name, v, err)
				case err != nil && !strings.Contains(err.Error(), "ListenOptions."+name+" is "):
					t.Errorf("%s: %q does not name the field", kind, err)
				case err == nil:
					l.Close()
				}
			}
		}
	}
}

// The setters of a connection and of a UDP socket take any number as package net
// does: the nearest possible value counts, or EINVAL. The connection works on.
func TestSettersTakeAnyNumber(t *testing.T) {
	for _, v := range extremes {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { setAndEcho(t, v) })
		})
	}
}

func setAndEcho(t *testing.T, v int64) {
	a, b := pipe.New(pipe.Options{})
	from, to := newTestHost(t, handfast.Config{}, a, clientIP+"/24"), newTestHost(t, handfast.Config{}, b, serverIP+"/24")
	defer from.Close()
	defer to.Close()
	c, server := connect(t, from, listen(t, to, ":80"))
	c.SetReadBuffer(int(v))
	c.SetWriteBuffer(int(v))
	c.SetLinger(int(v))
	c.SetKeepAlivePeriod(time.Duration(v))
	c.SetTOS(int(v))
	c.SetTTL(int(v))
	c.SetNotSentLowat(int(v))
	server.SetReadBuffer(int(v))
	server.SetWriteBuffer(int(v))
	u, err := to.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	u.SetReadBuffer(int(v))
	u.SetWriteBuffer(int(v))
	go func() {
		io.Copy(server, server)
		server.Close()
	}()
	deadline := time.Now().Add(time.Hour) // virtual
	c.SetDeadline(deadline)
	sent := make([]byte, 50_000)
	go c.Write(sent)
	got := make([]byte, len(sent))
	for n := 0; n < len(got); {
		k, err := c.Read(got[n:])
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		n += k
	}
	c.SetLinger(-1)
}

// A dial whose time is over, however long ago, fails at once and in time.
func TestDialTimeoutRanges(t *testing.T) {
	h, _ := newNet(t, handfast.Config{}, pipe.Options{})
	for _, d := range []time.Duration{math.MinInt64, -1, 1} {
		dialer := handfast.Dialer{Host: h, Timeout: d}
		_, err := dialer.Dial("tcp", serverIP+":81")
		if err == nil || !strings.Contains(err.Error(), "timeout") {
			t.Errorf("%d ns: %v", d, err)
		}
	}
}
