// Package natsat reads where on a NATS server something is, and connects to it.
package natsat

import (
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/servers"
)

// Form is how a place is written whose path is called what: nats://user:password@host:4222,host:4222/what, or
// tls://….
func Form(what string) servers.Form {
	return servers.Form{Plain: "nats", TLS: "tls", Port: "4222", What: what}
}

// Path is what stands behind the servers, without slashes around it.
func Path(p *servers.Place) string { return strings.Trim(p.What, "/") }

// Connect connects to one of the servers of a place.
func Connect(p *servers.Place, more ...nats.Option) (*nats.Conn, error) {
	all := make([]string, 0, len(p.Servers))
	for _, server := range p.Servers {
		u := url.URL{Scheme: "nats", User: p.User, Host: server}
		all = append(all, u.String())
	}
	if p.TLS != nil {
		more = append(more, nats.Secure(p.TLS))
	}
	conn, err := nats.Connect(strings.Join(all, ","), more...)
	// Since TLS 1.3 a server looks for the client's certificate when the client is done: that
	// hears of it by an alert, or only that the connection has ended.
	if err != nil && p.TLS != nil && len(p.TLS.Certificates) == 0 && strings.Contains(err.Error(), "after TLS handshake") {
		err = say.Errorf(say.Text{"%w; the server may ask for a certificate: ?cert=FILE&key=FILE", "%w；服务器可能要求客户端证书：?cert=FILE&key=FILE"}, err)
	}
	return conn, err
}
