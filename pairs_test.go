package handfast_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// playground is one of everything, for calls at the same time.
type playground struct {
	client, server *handfast.Host
	listener       *handfast.TCPListener
	forwarder      *handfast.TCPListener
	conn, peer     *handfast.TCPConn
	open, dialled  *handfast.UDPConn
	echo           *handfast.EchoConn
	ping           *handfast.PingConn
	request        chan *handfast.Request // of a connection that waits for its verdict
}

func newPlayground(t *testing.T, shards int) *playground {
	a, b := pipe.New(pipe.Options{})
	p := &playground{
		client: mustHost(t, shards, a, clientIP+"/24"), server: mustHost(t, shards, b, serverIP+"/24"),
		request: make(chan *handfast.Request, 1),
	}
	p.listener = listen(t, p.server, ":80")
	p.conn, p.peer = connect(t, p.client, p.listener)
	var err error
	p.forwarder, err = p.server.Forward(handfast.ListenOptions{Verdict: func(r *handfast.Request) {
		select {
		case p.request <- r:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.open = listenPacket(t, p.server, ":53")
	c, err := p.client.Dial("udp", serverIP+":53")
	if err != nil {
		t.Fatal(err)
	}
	p.dialled = c.(*handfast.UDPConn)
	if p.echo, err = p.server.ForwardEcho(netip.Prefix{}); err != nil {
		t.Fatal(err)
	}
	if p.ping, err = p.server.ListenPing(netip.IPv4Unspecified()); err != nil {
		t.Fatal(err)
	}
	return p
}

// dialAway dials what the forwarder is asked about, for a moment.
func (p *playground) dialAway() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	p.client.DialContext(ctx, "tcp", serverIP+":9999")
}

// decide gives a verdict on a request, if there is one.
func (p *playground) decide(do func(*handfast.Request) error) {
	p.dialAway()
	select {
	case r := <-p.request:
		do(r)
	default:
	}
}

var toOpen = &net.UDPAddr{IP: net.ParseIP(clientIP), Port: 9}

// pairCalls are calls of every method, by its name. None waits once both hosts
// are closed.
var pairCalls = map[string]func(p *playground){
	"Host.SetAuthenticator": func(p *playground) { p.server.SetAuthenticator(nil) },
	"Host.AddAddress":       func(p *playground) { p.server.AddAddress("pipe-b", netip.MustParsePrefix("10.0.0.9/24")) },
	"Host.AddRoute":         func(p *playground) { p.server.AddRoute("pipe-b", awayRoute) },
	"Host.RemoveAddress":    func(p *playground) { p.server.RemoveAddress("pipe-b", netip.MustParseAddr(serverIP)) },
	"Host.RemoveRoute":      func(p *playground) { p.server.RemoveRoute("pipe-b", awayRoute) },
	"Host.Attach": func(p *playground) {
		a, _ := pipe.New(pipe.Options{})
		p.server.Attach(a, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}})
	},
	"Host.Close":        func(p *playground) { p.server.Close() },
	"Host.Connections":  func(p *playground) { exhaust(p.server.Connections()) },
	"Host.Counters":     func(p *playground) { p.server.Counters() },
	"Host.BufferMemory": func(p *playground) { p.server.BufferMemory() },
	"Host.Defence":      func(p *playground) { p.server.Defence() },
	"Host.Histories":    func(p *playground) { p.server.Histories(handfast.EventFilter{}) },
	"Host.Totals":       func(p *playground) { p.server.Totals() },
	"Host.WallTime":     func(p *playground) { p.server.WallTime(1) },
	"Host.WatchEvents": func(p *playground) {
		w := p.server.WatchEvents(handfast.EventFilter{})
		w.Close()
		w.Next(context.Background())
	},
	"Host.Dial":           func(p *playground) { p.client.Dial("tcp", serverIP+":80") },
	"Host.DialContext":    func(p *playground) { p.dialAway() },
	"Host.DialPing":       func(p *playground) { p.server.DialPing(netip.Addr{}, pinged.From) },
	"Host.Done":           func(p *playground) { <-p.server.Done() },
	"Host.EphemeralPorts": func(p *playground) { p.server.EphemeralPorts() },
	"Host.Kill": func(p *playground) {
		at := p.peer.LocalAddr().(*net.TCPAddr).AddrPort()
		p.server.Kill(at, p.peer.RemoteAddr().(*net.TCPAddr).AddrPort())
	},
	"Host.Err":                func(p *playground) { p.server.Err() },
	"Host.FloodVerdict":       func(p *playground) { p.server.FloodVerdict() },
	"Host.ForwardEcho":        func(p *playground) { p.server.ForwardEcho(netip.MustParsePrefix("10.9.9.0/24")) },
	"Host.ForwardPacket":      func(p *playground) { p.server.ForwardPacket(netip.Prefix{}) },
	"Host.Forward":            func(p *playground) { p.server.Forward(handfast.ListenOptions{}) },
	"Host.Links":              func(p *playground) { p.server.Links() },
	"Host.Listen":             func(p *playground) { p.server.Listen("tcp", ":81") },
	"Host.ListenMulticastUDP": func(p *playground) { p.server.ListenMulticastUDP("udp", nil, aGroup) },
	"Host.ListenPing":         func(p *playground) { p.server.ListenPing(netip.IPv4Unspecified()) },
	"Host.ListenPacket":       func(p *playground) { p.server.ListenPacket("udp", ":0") },
	"Host.ListenTCP":          func(p *playground) { p.server.ListenTCP("tcp", ":81", handfast.ListenOptions{Backlog: 1}) },
	"Host.Listeners":          func(p *playground) { exhaust(p.server.Listeners()) },
	"Host.Resolver":           func(p *playground) { p.server.Resolver() },
	"Host.PacketConns":        func(p *playground) { exhaust(p.server.PacketConns()) },

	"Dialer.Dial": func(p *playground) {
		d := handfast.Dialer{Host: p.client, Resolver: nil, Timeout: time.Millisecond}
		d.Dial("tcp", serverIP+":80")
	},
	"Dialer.DialContext": func(p *playground) {
		d := handfast.Dialer{Host: p.client, KeepAlive: -1}
		d.DialContext(context.Background(), "udp", serverIP+":53")
	},

	"TCPListener.Accept":         func(p *playground) { p.listener.Accept() },
	"TCPListener.AcceptPrepared": func(p *playground) { p.forwarder.AcceptPrepared() },
	"TCPListener.AcceptTCP":      func(p *playground) { p.forwarder.AcceptTCP() },
	"TCPListener.Addr":           func(p *playground) { p.listener.Addr() },
	"TCPListener.AddrPort":       func(p *playground) { p.listener.AddrPort() },
	"TCPListener.Close":          func(p *playground) { p.listener.Close() },
	"TCPListener.SetDeadline":    func(p *playground) { p.listener.SetDeadline(time.Now()) },
	"TCPListener.SetVerdict": func(p *playground) {
		p.listener.SetVerdict(func(r *handfast.Request) { r.Accept() })
		p.listener.SetVerdict(nil)
	},
	"TCPListener.Stats": func(p *playground) { p.listener.Stats() },

	"Request.AcceptWith": func(p *playground) {
		p.decide(func(r *handfast.Request) error { return r.AcceptWith(1) })
	},
	"Request.Accept": func(p *playground) { p.decide((*handfast.Request).Accept) },
	"Request.Ignore": func(p *playground) { p.decide((*handfast.Request).Ignore) },
	"Request.Local":  func(p *playground) { p.decide(func(r *handfast.Request) error { r.Local(); return nil }) },
	"Request.Refuse": func(p *playground) {
		p.decide(func(r *handfast.Request) error { return r.Refuse(host.HostUnreachable) })
	},
	"Request.Remote": func(p *playground) { p.decide(func(r *handfast.Request) error { r.Remote(); return nil }) },
	"Request.Reset":  func(p *playground) { p.decide((*handfast.Request).Reset) },

	"TCPConn.Close":                func(p *playground) { p.peer.SetLinger(1); p.peer.Close() },
	"TCPConn.CloseRead":            func(p *playground) { p.peer.CloseRead() },
	"TCPConn.CloseWrite":           func(p *playground) { p.peer.CloseWrite() },
	"TCPConn.Info":                 func(p *playground) { p.peer.Info() },
	"TCPConn.LocalAddr":            func(p *playground) { p.peer.LocalAddr() },
	"TCPConn.MultipathTCP":         func(p *playground) { p.peer.MultipathTCP() },
	"TCPConn.Peek":                 func(p *playground) { p.peer.Peek(make([]byte, 1)) },
	"TCPConn.Queued":               func(p *playground) { p.peer.Queued() },
	"TCPConn.SetCork":              func(p *playground) { p.conn.SetCork(true); p.conn.SetCork(false) },
	"TCPConn.SetNotSentLowat":      func(p *playground) { p.conn.SetNotSentLowat(1 << 16) },
	"TCPConn.SetQuickAck":          func(p *playground) { p.peer.SetQuickAck(true) },
	"TCPConn.SetTOS":               func(p *playground) { p.conn.SetTOS(0x20) },
	"TCPConn.SetTTL":               func(p *playground) { p.conn.SetTTL(9) },
	"TCPConn.WriteMore":            func(p *playground) { p.conn.WriteMore([]byte("abc")) },
	"TCPConn.WriteRecord":          func(p *playground) { p.conn.WriteRecord([]byte("abc")) },
	"TCPConn.Read":                 func(p *playground) { p.peer.Read(make([]byte, 1)) },
	"TCPConn.ReadFrom":             func(p *playground) { p.conn.ReadFrom(strings.NewReader("abc")) },
	"TCPConn.RelayFrom":            func(p *playground) { p.conn.RelayFrom(strings.NewReader("abc")) },
	"TCPConn.RelayTo":              func(p *playground) { p.conn.RelayTo(io.Discard) },
	"TCPConn.RemoteAddr":           func(p *playground) { p.peer.RemoteAddr() },
	"TCPConn.SetCongestionControl": func(p *playground) { p.peer.SetCongestionControl("reno") },
	"TCPConn.SetDeadline":          func(p *playground) { p.peer.SetDeadline(time.Now().Add(time.Microsecond)) },
	"TCPConn.SetKeepAlive":         func(p *playground) { p.peer.SetKeepAlive(true) },
	"TCPConn.SetKeepAliveConfig":   func(p *playground) { p.peer.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) },
	"TCPConn.SetKeepAlivePeriod":   func(p *playground) { p.peer.SetKeepAlivePeriod(time.Second) },
	"TCPConn.SetLinger":            func(p *playground) { p.peer.SetLinger(0) },
	"TCPConn.SetNoDelay":           func(p *playground) { p.peer.SetNoDelay(false) },
	"TCPConn.SetReadBuffer":        func(p *playground) { p.peer.SetReadBuffer(1 << 20) },
	"TCPConn.SetUserTimeout":       func(p *playground) { p.peer.SetUserTimeout(time.Hour) },
	"TCPConn.SetReadDeadline":      func(p *playground) { p.peer.SetReadDeadline(time.Now()) },
	"TCPConn.SetWriteBuffer":       func(p *playground) { p.peer.SetWriteBuffer(1) },
	"TCPConn.SetWriteDeadline":     func(p *playground) { p.peer.SetWriteDeadline(time.Now()) },
	"TCPConn.SyscallConn": func(p *playground) {
		raw, _ := p.peer.SyscallConn()
		raw.Read(func(uintptr) bool { return true })
	},
	"TCPConn.Write":        func(p *playground) { p.peer.Write(make([]byte, 1<<20)) },
	"TCPConn.WriteBuffers": func(p *playground) { v := pieces(make([]byte, 20<<10), 100); v.WriteTo(p.peer) },
	"TCPConn.WriteTo":      func(p *playground) { p.conn.WriteTo(io.Discard) },

	"PingConn.Close":        func(p *playground) { p.ping.Close() },
	"PingConn.LocalAddr":    func(p *playground) { p.ping.LocalAddr() },
	"PingConn.Read":         func(p *playground) { p.ping.Read(nil) },
	"PingConn.ReadFrom":     func(p *playground) { p.ping.ReadFrom(nil) },
	"PingConn.ReadFromAddr": func(p *playground) { p.ping.ReadFromAddr(nil) },
	"PingConn.RemoteAddr":   func(p *playground) { p.ping.RemoteAddr() },
	"PingConn.SetDeadline":  func(p *playground) { p.ping.SetDeadline(time.Now()) },
	"PingConn.SetReadDeadline": func(p *playground) {
		p.ping.SetReadDeadline(time.Time{})
	},
	"PingConn.SetWriteDeadline": func(p *playground) { p.ping.SetWriteDeadline(time.Now()) },
	"PingConn.Write":            func(p *playground) { p.ping.Write(ping(pinged.From, 1, "")) },
	"PingConn.WriteTo":          func(p *playground) { p.ping.WriteTo(ping(pinged.From, 1, ""), &net.IPAddr{IP: toOpen.IP}) },
	"PingConn.WriteToAddr":      func(p *playground) { p.ping.WriteToAddr(ping(pinged.From, 1, ""), pinged.From) },

	"EchoConn.Close":  func(p *playground) { p.echo.Close() },
	"EchoConn.Read":   func(p *playground) { p.echo.Read(nil) },
	"EchoConn.Refuse": func(p *playground) { p.echo.Refuse(pinged, 1, netip.Addr{}, host.HostUnreachable) },
	"EchoConn.Reply":  func(p *playground) { p.echo.Reply(pinged, make([]byte, 9)) },

	"UDPConn.Close":               func(p *playground) { p.open.Close() },
	"UDPConn.JoinGroup":           func(p *playground) { p.open.JoinGroup(nil, aGroup) },
	"UDPConn.LeaveGroup":          func(p *playground) { p.open.LeaveGroup(nil, aGroup) },
	"UDPConn.LocalAddr":           func(p *playground) { p.open.LocalAddr() },
	"UDPConn.Read":                func(p *playground) { p.dialled.Read(nil) },
	"UDPConn.ReadFrom":            func(p *playground) { p.open.ReadFrom(nil) },
	"UDPConn.ReadFromTo":          func(p *playground) { p.open.ReadFromTo(nil) },
	"UDPConn.ReadFromUDP":         func(p *playground) { p.open.ReadFromUDP(nil) },
	"UDPConn.ReadFromUDPAddrPort": func(p *playground) { p.open.ReadFromUDPAddrPort(nil) },
	"UDPConn.ReadMsgUDP":          func(p *playground) { p.open.ReadMsgUDP(nil, nil) },
	"UDPConn.ReadMsgUDPAddrPort":  func(p *playground) { p.open.ReadMsgUDPAddrPort(nil, nil) },
	"UDPConn.Refuse": func(p *playground) {
		p.open.Refuse(toOpen.AddrPort(), toOpen.AddrPort(), 1, host.PortUnreachable)
	},
	"UDPConn.RemoteAddr":            func(p *playground) { p.open.RemoteAddr() },
	"UDPConn.SetDeadline":           func(p *playground) { p.open.SetDeadline(time.Now()) },
	"UDPConn.SetMulticastHopLimit":  func(p *playground) { p.open.SetMulticastHopLimit(2) },
	"UDPConn.SetMulticastInterface": func(p *playground) { p.open.SetMulticastInterface(nil) },
	"UDPConn.SetMulticastLoopback":  func(p *playground) { p.open.SetMulticastLoopback(false) },
	"UDPConn.SetMulticastTTL":       func(p *playground) { p.open.SetMulticastTTL(2) },
	"UDPConn.SetReadBuffer":         func(p *playground) { p.open.SetReadBuffer(1) },
	"UDPConn.SetReadDeadline":       func(p *playground) { p.open.SetReadDeadline(time.Now()) },
	"UDPConn.SetWriteBuffer":        func(p *playground) { p.open.SetWriteBuffer(1) },
	"UDPConn.SetWriteDeadline":      func(p *playground) { p.open.SetWriteDeadline(time.Now()) },
	"UDPConn.Write":                 func(p *playground) { p.dialled.Write([]byte("x")) },
	"UDPConn.WriteFromTo": func(p *playground) {
		p.open.WriteFromTo(nil, netip.MustParseAddrPort(serverIP+":53"), toOpen.AddrPort())
	},
	"UDPConn.WriteMsgUDP":         func(p *playground) { p.open.WriteMsgUDP(nil, nil, toOpen) },
	"UDPConn.WriteMsgUDPAddrPort": func(p *playground) { p.open.WriteMsgUDPAddrPort(nil, nil, toOpen.AddrPort()) },
	"UDPConn.WriteTo":             func(p *playground) { p.open.WriteTo(nil, toOpen) },
	"UDPConn.WriteToUDP":          func(p *playground) { p.open.WriteToUDP(nil, toOpen) },
	"UDPConn.WriteToUDPAddrPort":  func(p *playground) { p.open.WriteToUDPAddrPort(nil, toOpen.AddrPort()) },
}

var aGroup = &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 5353}

var awayRoute = handfast.Route{Destination: netip.MustParsePrefix("172.16.0.0/12")}

var pinged = handfast.Echo{From: netip.MustParseAddr(clientIP), To: netip.MustParseAddr("192.0.2.1"), ID: 1, TTL: 64}

func exhaust[T any](all func(yield func(T) bool)) {
	for range all {
	}
}

func TestPairCallsAreAll(t *testing.T) {
	for _, x := range []any{
		&handfast.Host{}, &handfast.Dialer{}, &handfast.TCPListener{}, &handfast.Request{}, &handfast.TCPConn{}, &handfast.UDPConn{},
		&handfast.EchoConn{}, &handfast.PingConn{},
	} {
		typ := reflect.TypeOf(x)
		for i := range typ.NumMethod() {
			if name := typ.Elem().Name() + "." + typ.Method(i).Name; pairCalls[name] == nil {
				t.Errorf("%s is not in the table", name)
			}
		}
	}
}

// Any two calls are made at the same time, while the hosts are closed: none
// panics, all come back, no goroutine stays, and the race detector has nothing
// to say.
func TestPairsOfCalls(t *testing.T) {
	before := runtime.NumGoroutine()
	var names []string
	for name := range pairCalls {
		names = append(names, name)
	}
	slices.Sort(names)
	turn := 0
	for i, first := range names {
		for _, second := range names[i:] {
			if turn++; !testing.Short() || turn%10 == 0 {
				tryPair(t, turn, pairCalls[first], pairCalls[second])
			}
		}
	}
	wantGoroutines(t, before)
}

func tryPair(t *testing.T, turn int, first, second func(*playground)) {
	p := newPlayground(t, 1+turn%2)
	var wg sync.WaitGroup
	wg.Go(func() { first(p) })
	wg.Go(func() { second(p) })
	for range turn % 7 * 4 {
		runtime.Gosched()
	}
	p.server.Close()
	p.client.Close()
	wg.Wait()
}
