package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/soypat/lneto"
	"github.com/soypat/lneto/x/xnet"
)

// Settings of lneto, which takes all its memory at the start.
const (
	lnetoPool    = 256 // connections that a listener can have
	lnetoBuffer  = 64<<10 - 1
	lnetoPackets = 64               // segments on their way for one connection
	lnetoTimeout = 30 * time.Second // a busy machine may take its time
	lnetoClosing = 5 * time.Second  // until the pool has a connection back

	sockStream = 1

	lnetoFirstPort = 20000
	lnetoPorts     = 40000
)

// lnetoPeer is lneto with two pumps that spin: that is how it is fastest.
func lnetoPeer() *peer {
	return &peer{
		name: "lneto", module: "github.com/soypat/lneto",
		what:    "xnet.StackAsync, two joined in memory by goroutines that spin; it has no TUN of its own",
		attach:  map[path]func() (stack, stack, error){mem1500: lnetoPair},
		program: "lneto",
	}
}

// lnetoStack is one lneto stack with one address.
type lnetoStack struct {
	async   *xnet.StackAsync
	sockets xnet.StackGo
	address netip.Addr
	ports   atomic.Uint32
}

func newLneto(address netip.Addr, number byte) (*lnetoStack, error) {
	s := &lnetoStack{async: new(xnet.StackAsync), address: address}
	err := s.async.Reset(xnet.StackConfig{
		Hostname:          fmt.Sprintf("bench-%d", number),
		RandSeed:          int64(number) + 1,
		HardwareAddress:   [6]byte{2, 0, 0, 0, 0, number},
		StaticAddress4:    address.As4(),
		MaxActiveTCPPorts: lnetoPool,
		MTU:               1500,
	})
	if err != nil {
		return nil, fmt.Errorf("lneto: %w", err)
	}
	s.async.SetGatewayHardwareAddr([6]byte{2, 0, 0, 0, 0, 1 - number})
	s.sockets = s.async.StackGo(lnetoPatience, xnet.StackGoConfig{ListenerPoolConfig: xnet.TCPPoolConfig{
		PoolSize: lnetoPool, QueueSize: lnetoPackets, TxBufSize: lnetoBuffer, RxBufSize: lnetoBuffer,
		EstablishedTimeout: lnetoTimeout, ClosingTimeout: lnetoClosing,
		NewBackoff: func() lneto.BackoffStrategy { return lnetoYield },
	}})
	return s, nil
}

// lnetoYield waits by letting others run.
func lnetoYield(uint) time.Duration { return lneto.BackoffFlagGosched }

// lnetoPatience is for dialling, which gives up after a number of tries and not
// after a time.
func lnetoPatience(tries uint) time.Duration {
	if tries < 100 {
		return lneto.BackoffFlagGosched
	}
	return 50 * time.Microsecond
}

func (s *lnetoStack) addr() netip.Addr { return s.address }

func (s *lnetoStack) listen(port uint16) (net.Listener, error) {
	l, err := s.socket(context.Background(), net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.address, port)), nil)
	if err != nil {
		return nil, err
	}
	return l.(net.Listener), nil
}

func (s *lnetoStack) dial(to netip.AddrPort) (net.Conn, error) {
	// Left to choose a port, lneto takes a random one, used or not.
	local := netip.AddrPortFrom(s.address, uint16(lnetoFirstPort+s.ports.Add(1)%lnetoPorts))
	ctx, cancel := context.WithTimeout(context.Background(), lnetoTimeout)
	defer cancel()
	c, err := s.socket(ctx, net.TCPAddrFromAddrPort(local), net.TCPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	conn, ok := c.(net.Conn)
	if !ok {
		return nil, fmt.Errorf("lneto: dial returned %v", c)
	}
	// Under load a connection of lneto's may end silently.
	return conn, conn.SetDeadline(time.Now().Add(lnetoTimeout))
}

func (s *lnetoStack) socket(ctx context.Context, local, remote net.Addr) (any, error) {
	return s.sockets.Socket(ctx, "tcp", syscall.AF_INET, sockStream, local, remote)
}

func lnetoPair() (near, far stack, err error) {
	a, err := newLneto(nearAddr, 0)
	if err != nil {
		return nil, nil, err
	}
	b, err := newLneto(farAddr, 1)
	if err != nil {
		return nil, nil, err
	}
	go lnetoCarry(a, b)
	go lnetoCarry(b, a)
	return a, b, nil
}

// lnetoCarry asks one stack for packets and gives them to the other, forever.
// A packet that is refused is lost, as on a wire.
func lnetoCarry(from, to *lnetoStack) {
	room := make([]byte, 2048)
	for {
		n, err := from.async.EgressIP(room)
		if err != nil || n == 0 {
			runtime.Gosched()
			continue
		}
		_ = to.async.IngressIP(room[:n])
	}
}
