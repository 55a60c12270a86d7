// Command echo sends back what it gets, by lneto on a TAP device.
package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/soypat/lneto"
	"github.com/soypat/lneto/x/xnet"
)

func main() {
	log.Fatal(serve(os.Args[1], os.Args[2]))
}

// serve listens on port 7 of a prefix such as 10.0.0.2/24.
func serve(device, prefix string) error {
	address, err := netip.ParsePrefix(prefix)
	if err != nil {
		return err
	}
	fd, err := open(device)
	if err != nil {
		return err
	}
	ln, err := attach(fd, address.Addr())
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

func attach(fd *os.File, address netip.Addr) (net.Listener, error) {
	s := new(xnet.StackAsync)
	err := s.Reset(xnet.StackConfig{
		Hostname: "echo-0", RandSeed: time.Now().UnixNano(), HardwareAddress: [6]byte{2, 0, 0, 0, 0, 1},
		StaticAddress4: address.As4(), MaxActiveTCPPorts: 1, MTU: 1500,
	})
	if err != nil {
		return nil, err
	}
	go carry(fd, s)
	sockets := s.StackGo(wait, xnet.StackGoConfig{ListenerPoolConfig: xnet.TCPPoolConfig{
		PoolSize: 64, QueueSize: 16, TxBufSize: 16 << 10, RxBufSize: 16 << 10,
		EstablishedTimeout: 5 * time.Second, ClosingTimeout: 5 * time.Second,
		NewBackoff: func() lneto.BackoffStrategy { return wait },
	}})
	l, err := sockets.Socket(context.Background(), "tcp", syscall.AF_INET, syscall.SOCK_STREAM,
		net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, 7)), nil)
	if err != nil {
		return nil, err
	}
	return l.(net.Listener), nil
}

func wait(uint) time.Duration { return time.Millisecond }

// carry moves frames in both directions.
func carry(fd *os.File, s *xnet.StackAsync) {
	go func() {
		b := make([]byte, 2048)
		for {
			n, err := fd.Read(b)
			if err != nil {
				log.Fatal(err)
			}
			_ = s.IngressEthernet(b[:n])
		}
	}()
	b := make([]byte, 2048)
	for {
		n, err := s.EgressEthernet(b)
		if err != nil || n == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		if _, err := fd.Write(b[:n]); err != nil {
			log.Fatal(err)
		}
	}
}
