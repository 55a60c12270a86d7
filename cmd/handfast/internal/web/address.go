package web

import (
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// minToken is how many characters a token has at least: nobody guesses 16.
const minToken = 16

var (
	notAnAddress = say.Text{"%q is no address for a page; write for example 127.0.0.1:8080, [::1]:8080 or unix:/tmp/web.sock",
		"%q 不是网页的地址；写法例如 127.0.0.1:8080、[::1]:8080 或 unix:/tmp/web.sock"}
	notHere = say.Text{"%q would be open to other machines; use 127.0.0.1:%s and for example ssh -L %[2]s:127.0.0.1:%[2]s, or allow it with a token",
		"%q 会对其他机器开放；请用 127.0.0.1:%s 并配合例如 ssh -L %[2]s:127.0.0.1:%[2]s，或者用令牌允许它"}
	shortToken = say.Text{"a token has at least %d characters", "令牌至少要有 %d 个字符"}
)

// Listen opens an address for a page: a port of this machine alone, "unix:" and a path
// that its owner alone may open, or with a token any.
func Listen(address, token string) (net.Listener, error) {
	if token != "" && len(token) < minToken {
		return nil, say.Errorf(shortToken, minToken)
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return nil, say.Errorf(notAnAddress, address)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" && token != "":
	case host != "" && err != nil:
		return nil, say.Errorf(notAnAddress, address)
	case token == "" && !ip.IsLoopback():
		return nil, say.Errorf(notHere, address, port)
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// listenUnix opens a path. What lies there is removed when nobody answers it.
func listenUnix(path string) (net.Listener, error) {
	if path == "" {
		return nil, say.Errorf(notAnAddress, "unix:")
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
		} else {
			os.Remove(path) // if it stays, the next line says why that is bad
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
