package seeds

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// etcdPlace is where a key of etcd is.
type etcdPlace struct {
	shown   string   // without the password
	servers []string // http://host:port, or https://
	key     string
	user    *url.Userinfo // nil: none
	tls     *tls.Config   // nil: plain
}

// etcdSchemes are how a place begins, and what its servers speak.
var etcdSchemes = map[string]string{"etcd": "http", "etcds": "https"}

// isEtcd reports whether a text is a place in etcd.
func isEtcd(where string) bool {
	scheme, _, ok := strings.Cut(where, "://")
	return ok && etcdSchemes[scheme] != ""
}

// parseEtcd reads etcd://user:password@host:2379,host:2379/key. The key is what stands behind the slash, so
// that of etcd://host//a/b begins with one. TLS is etcds://, and takes ?ca=FILE&cert=FILE&key=FILE.
func parseEtcd(where string) (p etcdPlace, err error) {
	scheme, rest, _ := strings.Cut(where, "://")
	authority, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@') + 1
	hosts := strings.Split(authority[at:], ",")
	p.shown = scheme + "://…" // of what is no URL nobody knows where the password is
	for i, host := range hosts {
		u, err := url.Parse(scheme + "://" + authority[:at] + host + "/" + path)
		if err != nil || u.Hostname() == "" || len(u.Path) < 2 {
			return p, say.Errorf(say.Text{"seeds: %s is not etcd://host:2379,host:2379/key", "seeds：%s 不是 etcd://host:2379,host:2379/key 的形式"}, p.shown)
		}
		if u.Port() == "" {
			u.Host += ":2379"
		}
		p.servers = append(p.servers, etcdSchemes[scheme]+"://"+u.Host)
		if i == len(hosts)-1 {
			p.user, p.key = u.User, u.Path[1:]
			if p.tls, err = etcdTLS(u); err != nil {
				return p, say.Errorf(say.All("seeds: %s: %w"), u.Redacted(), err)
			}
			u.Host = strings.Join(hosts, ",")
			p.shown = u.Redacted()
		}
	}
	return p, nil
}

// etcdTLS is whom to believe, and who we are: the system's roots and nobody, or what a URL says.
func etcdTLS(u *url.URL) (*tls.Config, error) {
	q := u.Query()
	for name := range q {
		if u.Scheme == "etcd" || name != "ca" && name != "cert" && name != "key" {
			return nil, say.Errorf(say.Text{"unknown option %q: etcds:// takes ca, cert and key", "未知选项 %q：etcds:// 支持 ca、cert 和 key"}, name)
		}
	}
	if u.Scheme == "etcd" {
		return nil, nil
	}
	c := &tls.Config{}
	if file := q.Get("ca"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, say.Errorf(say.Text{"%s holds no certificate in PEM", "%s 中没有 PEM 格式的证书"}, file)
		}
	}
	if q.Get("cert") != "" || q.Get("key") != "" {
		pair, err := tls.LoadX509KeyPair(q.Get("cert"), q.Get("key"))
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
