package natsat

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/natstest"
)

func TestParse(t *testing.T) {
	for where, want := range map[string]string{ // servers, path; "": none
		"nats://10.0.0.5:4222/bucket/key": "10.0.0.5:4222 bucket/key",
		"tls://me:secret@host/a.b/":       "host:4222 a.b",
		"nats://a,b:1/x":                  "a:4222,b:1 x",
		"nats://10.0.0.5:4222":            "",
		"nats:///bucket/key":              "",
		"http://host/a":                   "",
		"nats://me:secret@%zz/a":          "",
		"nats://me:secret/a":              "", // who forgets the host has a password for a port
		"nats://me:secret@host:x/a":       "",
		"nats://me:secret@host/a?ca=x":    "",
	} {
		p, err := Form("path").Parse(where)
		got := ""
		if err == nil {
			got = strings.Join(p.Servers, ",") + " " + Path(&p)
		}
		if got != want || err != nil && strings.Contains(err.Error(), "secret") || strings.Contains(p.Shown, "secret") {
			t.Errorf("%s: %q, %v, shown as %q", where, got, err, p.Shown)
		}
	}
}

// Over TLS a server is one that the named authority has signed, and a client too; and of a cluster one that lives is enough.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	options := natstest.TLS(t, dir)
	options.Username, options.Password = "me", "a/secret"
	s := natstest.Start(t, options)
	file := func(name string) string { return filepath.Join(dir, name) }
	own := "&cert=" + file("client.pem") + "&key=" + file("client.key")
	for query, want := range map[string]string{
		"?ca=" + file("ca.pem") + own: "",
		"?ca=" + file("ca.pem"):       "certificate",
		"?" + own[1:]:                 "unknown authority",
		"":                            "unknown authority",
		"?ca=" + file("client.key"):   "holds no certificate",
		"?ca=" + file("ca.pem") + own + "&keyy=none": "none of the options",
	} {
		where := s.Addr().String()
		if want == "" {
			where = "127.0.0.1:1," + where // which nobody is
		}
		p, err := Form("subject").Parse("tls://me:a%2fsecret@" + where + "/x" + query)
		if err == nil {
			conn, failed := Connect(&p)
			if err = failed; err == nil {
				err = conn.Flush()
				conn.Close()
			}
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}
