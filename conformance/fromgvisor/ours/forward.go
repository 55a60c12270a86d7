package ours

import (
	"context"
	"io"
	"net"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
)

// Forward carries all flows on by a dialer: TCP and UDP.
func Forward(h *handfast.Host, d gateway.Dialer) (*gateway.Gateway, error) {
	return gateway.New(gateway.Config{Host: h, Dialer: d})
}

// ForwardTCP does by hand what the gateway does, for programs that want each
// connection themselves. The other side is asked first; when it fails the client
// gets a RST.
func ForwardTCP(h *handfast.Host, d gateway.Dialer) (*handfast.TCPListener, error) {
	l, err := h.Forward(handfast.ListenOptions{
		Verdict: func(r *handfast.Request) {
			go func() {
				up, err := d.DialContext(context.Background(), "tcp", r.Local().String())
				if err != nil {
					r.Reset()
				} else if r.AcceptWith(up) != nil {
					up.Close() // the client has gone
				}
			}()
		},
		Lost: func(up any) { up.(net.Conn).Close() },
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			down, up, err := l.AcceptPrepared()
			if err != nil {
				return
			}
			go carry(down, up.(net.Conn))
		}
	}()
	return l, nil
}

// carry copies both ways until both have ended.
func carry(down *handfast.TCPConn, up net.Conn) {
	done := make(chan struct{})
	go func() {
		io.Copy(up, down)
		if half, ok := up.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		close(done)
	}()
	io.Copy(down, up)
	down.CloseWrite()
	<-done
	down.Close()
	up.Close()
}
