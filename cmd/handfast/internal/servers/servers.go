// Package servers reads where something is that several servers have: scheme://user:password@host:port,host:port/what?options.
package servers

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// Form is what may be written.
type Form struct {
	Plain, TLS string   // the schemes: without and with TLS
	Port       string   // where none is named
	What       string   // how the path is called in messages
	Options    []string // besides those of TLS, which are ca, cert and key: files in PEM
}

// Place is what was written.
type Place struct {
	Servers []string // host:port
	What    string   // what stands behind the slash; it begins with one where two do
	User    *url.Userinfo
	TLS     *tls.Config // nil: plain
	Options url.Values
	Shown   string // what may be printed: without the password
}

// Is reports whether a text has one of the schemes.
func (f Form) Is(where string) bool {
	scheme, _, ok := strings.Cut(where, "://")
	return ok && (scheme == f.Plain || scheme == f.TLS)
}

// Parse reads a text. An error does not show a password, whatever was written: of a text that is no
// URL nobody knows where the password is.
func (f Form) Parse(where string) (p Place, err error) {
	scheme, rest, _ := strings.Cut(where, "://")
	authority, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@') + 1
	var u *url.URL
	for host := range strings.SplitSeq(authority[at:], ",") { // several are no URL
		u, err = url.Parse(scheme + "://" + authority[:at] + host + "/" + path)
		if err != nil || !f.Is(where) || u.Hostname() == "" || len(u.Path) < 2 {
			return p, say.Errorf(say.Text{"write it as %s://host:%s,host:%[2]s/%[3]s", "请写成 %s://host:%s,host:%[2]s/%[3]s"}, f.Plain, f.Port, f.What)
		}
		port := u.Port()
		if port == "" {
			port = f.Port
		}
		p.Servers = append(p.Servers, net.JoinHostPort(u.Hostname(), port))
	}
	p.User, p.What, p.Options = u.User, u.Path[1:], u.Query()
	u.Host = authority[at:]
	p.Shown = u.Redacted()
	if p.TLS, err = f.tls(p.Options, scheme); err != nil {
		return p, say.Errorf(say.All("%s: %w"), p.Shown, err)
	}
	return p, nil
}

// ofTLS are the options of TLS.
var ofTLS = []string{"ca", "cert", "key"}

// tls is whom to believe, and who we are: the system's authorities and nobody, or what options say.
func (f Form) tls(options url.Values, scheme string) (*tls.Config, error) {
	known := f.Options
	if scheme == f.TLS {
		known = slices.Concat(ofTLS, known)
	}
	for name := range options {
		if scheme != f.TLS && slices.Contains(ofTLS, name) {
			return nil, say.Errorf(say.Text{"%q goes with %s://", "%q 须与 %s:// 一起使用"}, name, f.TLS)
		}
		if !slices.Contains(known, name) {
			return nil, say.Errorf(say.Text{"%q is none of the options of %s://: %s", "%q 不是 %s:// 的选项：%s"}, name, scheme, strings.Join(known, ", "))
		}
	}
	if scheme != f.TLS {
		return nil, nil
	}
	c := &tls.Config{}
	if file := options.Get("ca"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, say.Errorf(say.Text{"%s holds no certificate in PEM", "%s 中没有 PEM 格式的证书"}, file)
		}
	}
	if options.Has("cert") || options.Has("key") {
		pair, err := tls.LoadX509KeyPair(options.Get("cert"), options.Get("key"))
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
