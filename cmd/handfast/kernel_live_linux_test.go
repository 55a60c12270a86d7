package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/ring"
)

// heard is output that a test waits for while it is written.
type heard struct {
	mu    sync.Mutex
	text  bytes.Buffer
	begun chan struct{}
	once  sync.Once
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.once.Do(func() { close(h.begun) })
	return h.text.Write(b)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// What passes an interface is told as what a file has: every connection that was made
// between the beginning and the end, none twice.
func TestAnalyzeLive(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	errs, out := &heard{begun: make(chan struct{})}, &heard{begun: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	cmd := newRoot()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	cmd.SetArgs([]string{"analyze", "-i", "lo", "--where", "dport = :" + port, "--explain"})
	cmd.SetOut(out)
	cmd.SetErr(errs)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	select {
	case err := <-ended:
		if strings.Contains(err.Error(), "root") {
			t.Skip(err)
		}
		t.Fatal(err)
	case <-errs.begun:
	}
	const connections = 40
	for i := range connections {
		c, err := net.Dial("tcp4", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%08d", i)
		_ = c.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "Both sides have closed, the client first."); n != connections || strings.Contains(errs.String(), "dropped") {
		t.Errorf("%d connections, %d were made\n%s%s", n, connections, out, errs)
	}
}

// Who may not capture, and whoever misspells an interface, is told what to do.
func TestLiveErrors(t *testing.T) {
	if text := liveError("eth0", ring.ErrRights).Error(); !strings.Contains(text, "sudo handfast analyze -i eth0") {
		t.Error(text)
	}
	if text := liveError("loo", ring.ErrNoInterface).Error(); !strings.Contains(text, "no such interface") || !strings.HasSuffix(text, "there are lo") {
		t.Error(text)
	}
}
