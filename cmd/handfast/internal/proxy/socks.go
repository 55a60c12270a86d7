package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// The words of RFC 1928, and of RFC 1929 for a password.
// https://www.rfc-editor.org/rfc/rfc1928
// https://www.rfc-editor.org/rfc/rfc1929
const (
	socksVersion    = 5
	passwordVersion = 1

	noAuthentication = 0
	byPassword       = 2

	commandConnect   = 1
	commandAssociate = 3

	typeIPv4 = 1
	typeName = 3
	typeIPv6 = 4
)

// socks is a client of a SOCKS server.
type socks struct {
	greeting []byte // which methods of authentication there are
	password []byte // the message with name and password; empty: there is none
}

func newSocks(u *url.URL) (*socks, error) {
	if u.User == nil {
		return &socks{greeting: []byte{socksVersion, 1, noAuthentication}}, nil
	}
	name := u.User.Username()
	password, _ := u.User.Password()
	if len(name) == 0 || len(name) > 255 || len(password) > 255 {
		return nil, say.Errorf(say.Text{"a SOCKS proxy takes a name and a password of up to 255 bytes", "SOCKS 代理的用户名和密码最长 255 字节"})
	}
	message := append([]byte{passwordVersion, byte(len(name))}, name...)
	message = append(append(message, byte(len(password))), password...)
	return &socks{greeting: []byte{socksVersion, 2, noAuthentication, byPassword}, password: message}, nil
}

// connect has the server open a connection to an address.
func (s *socks) connect(ctx context.Context, c net.Conn, address string) error {
	_, err := s.ask(ctx, c, commandConnect, address)
	return err
}

// ask says who we are, and what is wanted. It returns the address that the server names,
// where there is one: host:port. No byte behind its answer is read.
func (s *socks) ask(ctx context.Context, c net.Conn, command byte, address string) (named string, err error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request, err := appendAddress([]byte{socksVersion, command, 0}, address)
	if err == nil {
		err = s.authenticate(c)
	}
	if err == nil {
		_, err = c.Write(request)
	}
	if err != nil {
		return "", aboutProxy(err)
	}
	var answer [3]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return "", aboutProxy(err)
	}
	if answer[0] != socksVersion {
		return "", errVersion
	}
	named, err = readAddress(c)
	if answer[1] != 0 { // the reply counts, also where it names no address
		return "", refusal(answer[1])
	}
	return named, aboutProxy(err)
}

// authenticate agrees on a method, and tells the password where that is it.
func (s *socks) authenticate(c net.Conn) error {
	var answer [2]byte
	if _, err := c.Write(s.greeting); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return err
	}
	switch {
	case answer[0] != socksVersion:
		return errVersion
	case answer[1] == noAuthentication:
		return nil
	case answer[1] != byPassword || len(s.password) == 0:
		return say.Errorf(say.Text{"it wants another authentication", "它要求其他认证方式"})
	}
	if _, err := c.Write(s.password); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return say.Errorf(say.Text{"it does not know this name and password", "它不接受此用户名和密码"})
	}
	return nil
}

var errVersion = say.Errorf(say.Text{"it does not speak SOCKS5", "它不使用 SOCKS5"})

// errUnsupported is reply 7.
var errUnsupported = say.Errorf(say.Text{"command not supported", "不支持该命令"})

// refusals are replies of a server: 1 to 8. Those about the destination are what the
// system would say.
var refusals = [...]error{
	say.Errorf(say.Text{"general failure", "一般故障"}),
	syscall.EACCES, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ECONNREFUSED,
	syscall.EHOSTUNREACH, // TTL expired
	errUnsupported,
	say.Errorf(say.Text{"address type not supported", "不支持该地址类型"}),
}

func refusal(reply byte) error {
	if i := int(reply) - 1; i < len(refusals) {
		return refusals[i]
	}
	return say.Errorf(say.Text{"unknown reply %d", "未知应答 %d"}, reply)
}

// appendAddress appends host:port as both requests and datagrams have it.
func appendAddress(p []byte, address string) ([]byte, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	switch a, err := netip.ParseAddr(host); {
	case err != nil && len(host) > 255:
		return nil, errors.New(host)
	case err != nil:
		p = append(append(p, typeName, byte(len(host))), host...)
	case a.Unmap().Is4():
		p = append(append(p, typeIPv4), a.Unmap().AsSlice()...)
	default:
		p = append(append(p, typeIPv6), a.AsSlice()...)
	}
	return append(p, byte(port>>8), byte(port)), nil
}

// readAddress reads what appendAddress writes.
func readAddress(r io.Reader) (address string, err error) {
	var p [256 + 2]byte
	if _, err := io.ReadFull(r, p[:1]); err != nil {
		return "", err
	}
	size := 0
	kind := p[0]
	switch kind {
	case typeIPv4:
		size = 4
	case typeIPv6:
		size = 16
	case typeName:
		if _, err := io.ReadFull(r, p[:1]); err != nil {
			return "", err
		}
		size = int(p[0])
	default:
		return "", say.Errorf(say.Text{"unknown address type %d", "未知地址类型 %d"}, kind)
	}
	if _, err := io.ReadFull(r, p[:size+2]); err != nil {
		return "", err
	}
	host := string(p[:size])
	if a, ok := netip.AddrFromSlice(p[:size]); ok && kind != typeName {
		host = a.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(p[size])<<8|int(p[size+1]))), nil
}
