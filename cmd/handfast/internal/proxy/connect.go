package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// maxAnswer bounds the header of an answer to CONNECT.
const maxAnswer = 16 << 10

// connect asks an HTTP server for a tunnel.
// https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
func connect(u *url.URL) func(context.Context, net.Conn, string) error {
	header := ""
	if u.User != nil {
		password, _ := u.User.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
		header = "Proxy-Authorization: Basic " + credentials + "\r\n"
	}
	return func(ctx context.Context, c net.Conn, address string) error {
		stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n%s\r\n", address, header); err != nil {
			return aboutProxy(err)
		}
		text, err := readHeader(c)
		if err != nil {
			return aboutProxy(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), &http.Request{Method: http.MethodConnect})
		if err != nil {
			return err
		}
		return status(r)
	}
}

// readHeader reads byte by byte: what follows the header is the destination's.
func readHeader(c net.Conn) (text []byte, err error) {
	for !bytes.HasSuffix(text, []byte("\r\n\r\n")) {
		if len(text) == maxAnswer {
			return nil, say.Errorf(say.Text{"the answer has no end", "应答没有结尾"})
		}
		text = append(text, 0)
		if _, err := c.Read(text[len(text)-1:]); err != nil {
			return nil, err
		}
	}
	return text, nil
}

func status(r *http.Response) error {
	switch r.StatusCode {
	case http.StatusForbidden, http.StatusProxyAuthRequired:
		return say.Errorf(say.All("%s: %w"), r.Status, syscall.EACCES)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return say.Errorf(say.All("%s: %w"), r.Status, syscall.EHOSTUNREACH)
	}
	if r.StatusCode/100 != 2 {
		return errors.New(r.Status)
	}
	return nil
}
