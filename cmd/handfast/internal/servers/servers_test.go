package servers

import (
	"slices"
	"strings"
	"testing"
)

var form = Form{Plain: "etcd", TLS: "etcds", Port: "2379", What: "key", Options: []string{"way"}}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		where, what, user string
		servers           []string
		secure            bool
	}{
		{"etcd://a/k", "k", "", []string{"a:2379"}, false},
		{"etcd://a:1,b,[::1]:7,[::2]/dir/k?way=x", "dir/k", "", []string{"a:1", "b:2379", "[::1]:7", "[::2]:2379"}, false},
		{"etcds://me:secret@a,b:2//k", "/k", "me", []string{"a:2379", "b:2"}, true},
		{"etcd://me:sec%40ret@10.0.0.1/a%3fb", "a?b", "me", []string{"10.0.0.1:2379"}, false},
	} {
		p, err := form.Parse(c.where)
		if err != nil {
			t.Errorf("%s: %v", c.where, err)
			continue
		}
		if p.What != c.what || !slices.Equal(p.Servers, c.servers) || (p.TLS != nil) != c.secure || p.User.Username() != c.user {
			t.Errorf("%s: %+v", c.where, p)
		}
		if strings.Contains(p.Shown, "sec") || !strings.Contains(p.Shown, c.where[strings.LastIndexByte(c.where, '@')+1:]) {
			t.Errorf("%s: shown as %s", c.where, p.Shown)
		}
	}
}

func TestRefused(t *testing.T) {
	for where, says := range map[string]string{
		"etcd://a": "etcd://host:2379,host:2379/key", "etcd://a/": "write it as", "etcd:///k": "write it as", "etcd://a,/k": "write it as", "http://a/k": "write it as",
		"etcd://me:secret/k":          "write it as", // who forgets the host has a password for a port
		"etcd://a:1,me:secret@b:x/k":  "write it as",
		"etcd://me:secret@%zz/k":      "write it as",
		"etcd://me:secret@a/k?ca=x":   `"ca" goes with etcds://`,
		"etcd://me:secret@a/k?sa=x":   `"sa" is none of the options of etcd://: way`,
		"etcds://me:secret@a/k?sa=x":  `"sa" is none of the options of etcds://: ca, cert, key, way`,
		"etcds://me:secret@a/k?ca=x":  "open x",
		"etcds://me:secret@a/k?key=x": "open",
		"etcds://a/k?ca=servers.go":   "servers.go holds no certificate",
	} {
		if p, err := form.Parse(where); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", where, p, err)
		}
	}
}
