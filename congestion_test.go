package handfast_test

import (
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Congestion control is chosen by name for a host, a listener and a connection, and a
// name that there is not is refused by an error with those that there are.
func TestCongestionControl(t *testing.T) {
	names := handfast.CongestionControls()
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), strings.Join(names, ", ")) {
			t.Errorf("%s: %v does not list the names", what, err)
		}
	}
	_, err := handfast.New(handfast.Config{TCP: tcp.Config{CongestionControl: "vegas"}})
	refused("New", err)

	a, b := pipe.New(pipe.Options{})
	client, server := mustHost(t, 1, a, clientIP+"/24"), mustHost(t, 2, b, serverIP+"/24")
	defer client.Close()
	defer server.Close()
	_, err = server.ListenTCP("tcp", ":81", handfast.ListenOptions{CongestionControl: "vegas"})
	refused("ListenTCP", err)
	_, err = server.Forward(handfast.ListenOptions{CongestionControl: "vegas"})
	refused("Forward", err)
	for _, name := range names {
		l, err := server.ListenTCP("tcp", ":80", handfast.ListenOptions{CongestionControl: name})
		if err != nil {
			t.Fatal(err)
		}
		conn, _ := connect(t, client, l)
		refused("SetCongestionControl", conn.SetCongestionControl("vegas"))
		for _, other := range names {
			if err := conn.SetCongestionControl(other); err != nil {
				t.Error(err)
			}
			for c := range client.Connections() {
				if c.State == tcp.Established && c.Info.Congestion != other {
					t.Errorf("it is %q, not %q", c.Info.Congestion, other)
				}
			}
		}
		for c := range server.Connections() {
			if c.State == tcp.Established && c.Info.Congestion != name {
				t.Errorf("an accepted connection has %q, not %q", c.Info.Congestion, name)
			}
		}
		conn.SetLinger(0)
		conn.Close()
		l.Close()
		if conn.SetCongestionControl(name) == nil {
			t.Error("a closed connection takes it")
		}
	}
}
