package tcp

import (
	"errors"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A name chooses congestion control for an endpoint, for a listener and for a
// connection, each over the one before.
func TestCongestionControlByName(t *testing.T) {
	for _, host := range append(cc.Names(), "") {
		for _, listener := range append(cc.Names(), "") {
			p := newPair(t, Config{CongestionControl: host})
			p.listen = func(l *Listener) { l.CongestionControl = listener }
			client, server := p.connect()
			wantHost := host
			if host == "" {
				wantHost = cc.Default
			}
			wantServer := listener
			if listener == "" {
				wantServer = wantHost
			}
			if got := client.Info(p.now).Congestion; got != wantHost {
				t.Errorf("host %q: a connection begins with %q", host, got)
			}
			if got := server.Info(p.now).Congestion; got != wantServer {
				t.Errorf("host %q, listener %q: a connection begins with %q", host, listener, got)
			}
			for _, name := range cc.Names() {
				before := client.Info(p.now).SndCwnd
				if err := p.ends[0].SetCongestionControl(p.now, client, name); err != nil {
					t.Fatal(err)
				}
				if i := client.Info(p.now); i.Congestion != name || i.SndCwnd != before {
					t.Errorf("%s: %q, window %d, was %d", name, i.Congestion, i.SndCwnd, before)
				}
			}
		}
	}
}

// A name that there is not is refused by a sentence that lists those that there are,
// and changes nothing; so is a choice before there is a connection.
func TestCongestionControlThatThereIsNot(t *testing.T) {
	names := strings.Join(cc.Names(), ", ")
	cfg := Config{CongestionControl: "vegas"}
	if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), "Config.CongestionControl") || !strings.Contains(err.Error(), names) {
		t.Errorf("Check: %v", err)
	}
	p := newPair(t, Config{})
	client, _ := p.connect()
	if err := p.ends[0].SetCongestionControl(p.now, client, "vegas"); err == nil || !strings.Contains(err.Error(), names) {
		t.Errorf("SetCongestionControl: %v", err)
	}
	if got := client.Info(p.now).Congestion; got != cc.Default {
		t.Errorf("it is %q now", got)
	}
	e := NewEndpoint(&Config{})
	en, err := e.Connect(1, path1500, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 4000, RemotePort: 80}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.SetCongestionControl(1, en, "reno"); !errors.Is(err, ErrNotEstablished) {
		t.Errorf("before the handshake: %v", err)
	}
}
