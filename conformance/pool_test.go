package conformance

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// idle is how many connections a pool keeps, and a server closes.
const idle = 20

// world is a TCP for a pool and its server.
type world struct {
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	listener net.Listener
	// noticed waits until the pool's end of all connections has the FIN.
	noticed func()
}

func worlds(t *testing.T) map[string]world {
	kernel, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, b := pipe.New(pipe.Options{})
	client, err := newHost(a, []string{"10.0.0.1/24"})
	if err != nil {
		t.Fatal(err)
	}
	server, err := newHost(b, []string{"10.0.0.2/24"})
	if err != nil {
		t.Fatal(err)
	}
	ours, err := server.Listen("tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kernel.Close()
		client.Close()
		server.Close()
	})
	return map[string]world{
		"kernel": {new(net.Dialer).DialContext, kernel, func() {}},
		"ours": {client.DialContext, ours, func() {
			for established(client) > 0 {
				runtime.Gosched()
			}
		}},
	}
}

func established(h *handfast.Host) (n int) {
	for c := range h.Connections() {
		if c.State == tcp.Established {
			n++
		}
	}
	return n
}

// server serves each connection with a function that answers one request, and
// closes all when told to. The first requests are answered when idle of them
// have come, so that the pool has as many connections.
type server struct {
	mu    sync.Mutex
	conns []net.Conn
	first sync.WaitGroup
	begun int
}

func serve(l net.Listener, greet, answer func(c net.Conn, r *bufio.Reader) error) *server {
	s := new(server)
	s.first.Add(idle)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			go s.speak(c, greet, answer)
		}
	}()
	return s
}

func (s *server) speak(c net.Conn, greet, answer func(c net.Conn, r *bufio.Reader) error) {
	defer c.Close()
	r := bufio.NewReader(c)
	err := greet(c, r)
	for err == nil {
		if _, err = r.Peek(1); err == nil {
			s.together()
			err = answer(c, r)
		}
	}
}

// together holds the first requests until there are idle of them.
func (s *server) together() {
	s.mu.Lock()
	s.begun++
	if s.begun <= idle {
		s.first.Done()
	}
	s.mu.Unlock()
	s.first.Wait()
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// A server closes what is idle in a pool: what comes next succeeds all the same.
func TestPoolsNoticeClosedConnections(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, w world) (*server, func() error){
		"go-redis": startRedis, "database/sql with mysql": startMySQL, "http.Transport": startHTTP,
	} {
		for where, w := range worlds(t) {
			t.Run(name+"/"+where, func(t *testing.T) {
				s, request := start(t, w)
				inParallel(t, request)
				s.closeAll()
				w.noticed()
				for range idle {
					if err := request(); err != nil {
						t.Error("after the close:", err)
					}
				}
			})
		}
	}
}

// inParallel fills the pool.
func inParallel(t *testing.T, request func() error) {
	var wg sync.WaitGroup
	for range idle {
		wg.Go(func() {
			if err := request(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func silent(net.Conn, *bufio.Reader) error { return nil }

func startRedis(t *testing.T, w world) (*server, func() error) {
	s := serve(w.listener, silent, func(c net.Conn, r *bufio.Reader) error {
		command, err := readCommand(r)
		if err != nil {
			return err
		}
		answer := "+PONG\r\n"
		if !strings.EqualFold(command, "ping") {
			answer = "-ERR unknown command\r\n"
		}
		_, err = io.WriteString(c, answer)
		return err
	})
	client := redis.NewClient(&redis.Options{
		Addr: w.listener.Addr().String(), Dialer: w.dial, PoolSize: idle, MaxRetries: -1, Protocol: 2, DisableIdentity: true,
	})
	t.Cleanup(func() { client.Close() })
	return s, func() error { return client.Ping(context.Background()).Err() }
}

// readCommand reads a command of Redis, and returns its name.
func readCommand(r *bufio.Reader) (name string, err error) {
	var args int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &args); err != nil {
		return "", err
	}
	for i := range args {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return "", err
		}
		if i == 0 {
			name = string(word[:size])
		}
	}
	return name, nil
}

func startMySQL(t *testing.T, w world) (*server, func() error) {
	ok := []byte{0, 0, 0, 2, 0, 0, 0}
	s := serve(w.listener, func(c net.Conn, r *bufio.Reader) error {
		if err := writePacket(c, 0, greeting()); err != nil {
			return err
		}
		if err := skipPacket(r); err != nil {
			return err
		}
		return writePacket(c, 2, ok)
	}, func(c net.Conn, r *bufio.Reader) error {
		if err := skipPacket(r); err != nil {
			return err
		}
		return writePacket(c, 1, ok)
	})
	network := t.Name()
	mysql.RegisterDialContext(network, func(ctx context.Context, address string) (net.Conn, error) {
		return w.dial(ctx, "tcp", address)
	})
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "user", network, w.listener.Addr().String()
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(idle)
	t.Cleanup(func() { db.Close() })
	return s, func() error { _, err := db.Exec("DO 1"); return err }
}

// greeting is the first packet of a MySQL server.
func greeting() []byte {
	p := append([]byte{10}, "8.0.0\x00"...)
	p = append(p, 1, 0, 0, 0)
	p = append(p, "12345678\x00"...)
	const protocol41, secure, pluginAuth = 1 << 9, 1 << 15, 1 << 3 // pluginAuth is of the upper half
	p = binary.LittleEndian.AppendUint16(p, protocol41|secure)
	p = append(p, 45, 2, 0)
	p = binary.LittleEndian.AppendUint16(p, pluginAuth)
	p = append(p, 21)
	p = append(p, make([]byte, 10)...)
	p = append(p, "123456789012\x00"...)
	return append(p, "mysql_native_password\x00"...)
}

func writePacket(w io.Writer, number byte, p []byte) error {
	_, err := w.Write(append([]byte{byte(len(p)), byte(len(p) >> 8), 0, number}, p...))
	return err
}

func skipPacket(r *bufio.Reader) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	_, err := r.Discard(int(head[0]) | int(head[1])<<8)
	return err
}

func startHTTP(t *testing.T, w world) (*server, func() error) {
	s := serve(w.listener, silent, func(c net.Conn, r *bufio.Reader) error {
		q, err := http.ReadRequest(r)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, q.Body)
		_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return err
	})
	transport := &http.Transport{DialContext: w.dial, MaxIdleConnsPerHost: idle}
	t.Cleanup(transport.CloseIdleConnections)
	client := http.Client{Transport: transport}
	return s, func() error {
		r, err := client.Get("http://" + w.listener.Addr().String())
		if err == nil {
			err = r.Body.Close()
		}
		return err
	}
}
