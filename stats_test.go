package handfast_test

import (
	"runtime"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A listener counts what it was asked for, over all shards, and its queues.
func TestListenerStats(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 4, Backlog: 64}, pipe.Options{})
	l := listen(t, server, serverIP+":80")
	listen(t, server, ":443")
	for range 5 {
		c, err := client.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for l.Stats().Completed < 5 { // the last ACK may still be on its way
		runtime.Gosched()
	}
	s := l.Stats()
	if s.SYNs != 5 || s.Completed != 5 || s.Waiting != 4 || s.Backlog != 64 || s.HalfOpen != 0 || s.Drops != 0 {
		t.Errorf("%+v", s)
	}
	var ports []uint16
	for l := range server.Listeners() {
		ports = append(ports, l.AddrPort().Port())
	}
	if len(ports) != 2 || ports[0] != 80 || ports[1] != 443 {
		t.Error("listeners:", ports)
	}
	l.Close()
	if s := l.Stats(); s != (handfast.ListenerStats{}) {
		t.Errorf("closed: %+v", s)
	}
}

// The counters go by Linux's names, each once.
func TestCounterNames(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 2}, pipe.Options{})
	connect(t, client, listen(t, server, serverIP+":80"))
	counters := server.Counters()
	got := map[[2]string]uint64{}
	for name, n := range counters.All() {
		if _, twice := got[name]; twice {
			t.Error("twice:", name)
		}
		got[name] = n
	}
	for name, want := range map[[2]string]uint64{{"Tcp", "PassiveOpens"}: 1, {"Tcp", "InSegs"}: counters.TcpInSegs,
		{"TcpExt", "SyncookiesSent"}: 0, {"Ip", "InReceives"}: counters.IpInReceives, {"Tcp", "RetransSegs"}: 0} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%v: %d, want %d", name, n, want)
		}
	}
}

// The limit of half-open connections is the host's, spread over its shards.
func TestHalfOpenLimit(t *testing.T) {
	_, server := newNet(t, handfast.Config{Shards: 4, HalfOpen: 128}, pipe.Options{})
	if d := server.Defence(); d.MaxHalfOpen != 128 || d.AttackEnter != 64 || d.AttackLeave != 32 || d.SynAckRetries != 5 || d.Attack {
		t.Errorf("%+v", d)
	}
}
