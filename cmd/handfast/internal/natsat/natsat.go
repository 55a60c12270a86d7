// Package natsat reads where on a NATS server something is.
package natsat

import (
	"net/url"
	"strings"
)

// Parse takes nats://user:password@host:4222/path, or tls://…, apart: into the server, which NATS' client connects to,
// and the path, without slashes around it. Shown is what may be printed, without a password: nothing of a text that is
// no URL, because where the password in it is nobody knows. It reports whether there are a server and a path.
func Parse(where string) (server, path, shown string, ok bool) {
	u, err := url.Parse(where)
	if err != nil {
		return "", "", "nats://…", false
	}
	path, shown = strings.Trim(u.Path, "/"), u.Redacted()
	known := (u.Scheme == "nats" || u.Scheme == "tls") && u.Host != ""
	u.Path = ""
	return u.String(), path, shown, known && path != ""
}
