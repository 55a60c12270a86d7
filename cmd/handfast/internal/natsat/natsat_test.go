package natsat

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		where, server, path string
		ok                  bool
	}{
		{"nats://10.0.0.5:4222/bucket/key", "nats://10.0.0.5:4222", "bucket/key", true},
		{"tls://me:secret@host/a.b/", "tls://me:secret@host", "a.b", true},
		{"nats://10.0.0.5:4222", "nats://10.0.0.5:4222", "", false},
		{"nats:///bucket/key", "nats:", "bucket/key", false},
		{"http://host/a", "http://host", "a", false},
		{"nats://me:secret@%zz/a", "", "", false},
		{"nats://me:secret/a", "", "", false}, // who forgets the host has a password for a port
		{"nats://me:secret@host:x/a", "", "", false},
	} {
		server, path, shown, ok := Parse(c.where)
		if server != c.server || path != c.path || ok != c.ok {
			t.Errorf("%s: %q, %q, %v", c.where, server, path, ok)
		}
		if shown == "" || strings.Contains(shown, "secret") {
			t.Errorf("%s: shown as %q", c.where, shown)
		}
	}
}
