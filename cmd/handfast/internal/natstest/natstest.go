// Package natstest has NATS servers for tests, in their own process.
package natstest

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/tlstest"
)

// Start starts a server on the loopback device that ends with the test, and waits until it takes connections. What o leaves
// open is chosen: a port of -1 is any.
func Start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoLog, o.NoSigs = "127.0.0.1", true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

// TLS are options of a server that speaks TLS alone and asks for a client's certificate. A folder gets those of tlstest: of the authority
// (ca), the server and a client.
func TLS(t testing.TB, dir string) *server.Options {
	t.Helper()
	ca := tlstest.New(t, dir)
	ca.Sign(t, "server")
	ca.Sign(t, "client")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &server.Options{Port: -1, TLS: true, TLSVerify: true,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}}
}
