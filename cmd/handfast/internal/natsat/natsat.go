// Package natsat reads where on a NATS server something is, and connects to it.
package natsat

import (
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

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
	return nats.Connect(strings.Join(all, ","), more...)
}
