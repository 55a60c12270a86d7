package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

const serveHelp = `Serves the files of DIR (default: the present directory) over HTTP/1.1 on our
TCP. It makes a TUN device in the present network namespace: the kernel's side
of it gets --host-addr, our side answers at --addr, and every program of this
machine can reach it. This needs CAP_NET_ADMIN. With --link memory there is no
device, and no need for it: only handfast connect of the same user gets there.

Ctrl-C drains: no new connection is taken, transfers that run may finish for
--drain, then the device goes. A second Ctrl-C goes at once.
--out then writes the first connections, each from its beginning to its end.`

// aClient is what pictures call whoever comes.
var aClient = say.Text{"client", "客户端"}

// serveLinks are how clients get to serve.
var serveLinks = []string{"tun", "memory"}

type serveOptions struct {
	dir       string
	link      string
	tun       string
	addrs     prefixes
	hostAddrs prefixes
	port      uint16
	upload    bool
	drain     time.Duration
	defence   defenceOptions
	flows     flowsOut
	verdicts  verdictsOut
	out       outFile
	web       webOptions

	streams
}

func newServe() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Serve files over our TCP to the programs of this machine",
		Long:  serveHelp,
		Example: `  sudo handfast serve ~/public
  curl http://10.77.0.2/
  sudo handfast serve --upload /srv/in
  curl -T file http://10.77.0.2/
  handfast serve --link memory
  printf 'GET / HTTP/1.0\r\n\r\n' | handfast connect 10.77.0.2:80`,
		Args: oneDirectory,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = "."
			if len(args) > 0 {
				o.dir = args[0]
			}
			o.streams = streamsOf(cmd)
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.link, "link", "tun", "how clients get here: "+strings.Join(serveLinks, ", "))
	f.StringVar(&o.tun, "tun", "hf0", "name of the TUN device; hf%d takes the first free number")
	f.Var(&o.addrs, "addr", "our address and its network, may be repeated (default 10.77.0.2/24, fd77::2/64)")
	f.Var(&o.hostAddrs, "host-addr", "address for the kernel's side, may be repeated (default 10.77.0.1/24, fd77::1/64)")
	f.Uint16Var(&o.port, "port", 80, "TCP port")
	f.BoolVar(&o.upload, "upload", false, "let clients store files in DIR with PUT")
	f.DurationVar(&o.drain, "drain", 30*time.Second, "how long connections may take to finish")
	o.defence.addTo(f)
	o.flows.addTo(f)
	o.verdicts.addTo(f)
	o.out.addTo(f)
	o.web.addTo(f)
	addLang(f)
	return cmd
}

func oneDirectory(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(say.Text{"serve takes one directory, but there is also %q", "serve 只接受一个目录，却还有 %q"}, args[1])
	}
	return nil
}

// prefixes is a repeatable flag of addresses with their prefix lengths.
type prefixes []netip.Prefix

// Type names the flag's kind in the help.
func (*prefixes) Type() string { return "prefix" }

func (p *prefixes) String() string {
	var s []string
	for _, x := range *p {
		s = append(s, x.String())
	}
	return strings.Join(s, ",")
}

// Set adds one or, separated by commas, several.
func (p *prefixes) Set(text string) error {
	for _, word := range strings.Split(text, ",") {
		x, err := netip.ParsePrefix(strings.TrimSpace(word))
		if err != nil {
			return say.Errorf(say.Text{"%q is not an address with a prefix length, such as 10.77.0.2/24", "%q 不是带前缀长度的地址，例如 10.77.0.2/24"}, word)
		}
		*p = append(*p, x)
	}
	return nil
}

// check sets the defaults and finds what contradicts itself.
func (o *serveOptions) check() error {
	if len(o.addrs) == 0 {
		o.addrs = stage.OurAddrs
		if len(o.hostAddrs) == 0 {
			o.hostAddrs = stage.KernelAddrs
		}
	}
	if err := cmp.Or(o.checkAddrs(), o.defence.check()); err != nil {
		return err
	}
	if o.port == 0 {
		return usagef(say.Text{"--port 0: choose one from 1 to 65535", "--port 0：取值为 1 到 65535"})
	}
	return o.out.check()
}

func (o *serveOptions) checkAddrs() error {
	switch {
	case !slices.Contains(serveLinks, o.link):
		return usagef(say.Text{"--link %s: it is one of %s", "--link %s：可选 %s"}, o.link, strings.Join(serveLinks, ", "))
	case o.link == "memory":
		return nil // there is no kernel's side
	case len(o.hostAddrs) == 0:
		return usagef(say.Text{"--addr without --host-addr: the kernel's side needs an address in the same network", "有 --addr 而没有 --host-addr：内核一侧需要同一网络中的地址"})
	}
	for _, a := range o.addrs {
		if err := o.checkAddr(a); err != nil {
			return err
		}
	}
	return nil
}

// checkAddr asks for one of the kernel's addresses in a's network.
func (o *serveOptions) checkAddr(a netip.Prefix) error {
	for _, h := range o.hostAddrs {
		if h.Addr() == a.Addr() {
			return usagef(say.Text{"--addr and --host-addr are both %v: the two sides need different addresses", "--addr 与 --host-addr 都是 %v：两侧需要不同的地址"}, a.Addr())
		}
		if h.Contains(a.Addr()) && a.Contains(h.Addr()) {
			return nil
		}
	}
	return usagef(say.Text{"no --host-addr is in the network of --addr %v: the kernel could not reach it", "没有一个 --host-addr 位于 --addr %v 的网络中：内核无法到达它"}, a)
}

func (o *serveOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.web.listen(); err != nil {
		return err
	}
	defer o.web.close()
	files, err := newFileServer(o.dir, o.upload)
	if err != nil {
		return err
	}
	defer files.close()
	var r *live.Recorder
	if o.out.wanted() {
		r = live.New(live.Options{Host: stage.OurName, Peer: aClient[o.stderr.lang], Lang: o.stderr.lang, Port: o.port, Connections: 8, Head: 10, Tail: 64})
	}
	l, err := o.open(r)
	if err != nil {
		return err
	}
	o.tun = l.Attributes().Name // hf%d gets a number
	return afterRun(o.serve(ctx, l, files, r), o.out.write(r, say.Text{"Clients of handfast serve", "handfast serve 的客户端"}[o.stderr.lang]))
}

// open makes the link, which tells r, if any, what the kernel's side does.
func (o *serveOptions) open(r *live.Recorder) (link.Link, error) {
	if o.link == "memory" {
		// The far end is nobody's, and a full queue drops: visitors have their own way.
		l, _ := pipe.New(pipe.Options{Queue: 1})
		return l, nil
	}
	return openServeLink(o.tun, o.addrs, o.hostAddrs, r)
}

// newHost makes the host, with l attached; l is closed if that fails.
func (o *serveOptions) newHost(l link.Link, r *live.Recorder) (*handfast.Host, error) {
	cfg := handfast.Config{Logger: slog.New(slog.NewTextHandler(o.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	observe(&cfg)
	if r != nil {
		cfg.Trace = r.Events
	}
	err := o.defence.apply(&cfg)
	var h *handfast.Host
	if err == nil {
		h, err = handfast.New(cfg)
	}
	if err == nil {
		err = h.Attach(l, handfast.LinkOptions{Addresses: o.addrs})
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return h, nil
}

// serve serves until Ctrl-C.
func (o *serveOptions) serve(ctx context.Context, l link.Link, files http.Handler, r *live.Recorder) error {
	h, err := o.newHost(l, r)
	if err != nil {
		return err
	}
	defer o.defence.close()
	export, err := o.flows.export(h, "serve", o.stderr)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	defer export()
	defer h.Close()
	ln, err := h.Listen("tcp", fmt.Sprintf(":%d", o.port))
	if err != nil {
		return err
	}
	silence, err := o.verdicts.publish("serve", ofHost(h), o.stderr)
	if err != nil {
		return err
	}
	defer silence()
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	defer openControlWith(h, "serve", o.stderr, o.writeMetrics)()
	defer o.web.serve(h, "serve", o.stderr)()
	o.greet() // now it may be visited, and stopped
	s := newWebServer(files)
	failed := make(chan error, 1)
	go func() { failed <- s.web.Serve(lingeringListener{ln, o.drain, &s.open}) }()
	select {
	case err := <-failed:
		return err
	case <-h.Done():
		return h.Err()
	case <-ctx.Done():
	}
	return o.shutDown(s)
}

// writeMetrics writes what the control socket tells beside the host's figures.
func (o *serveOptions) writeMetrics(w io.Writer) {
	o.defence.writeMetrics(w)
	o.verdicts.writeMetrics(w)
	o.flows.writeMetrics(w)
}

var ctrlCEnds = say.Text{"\nCtrl-C ends it.\n", "\n按 Ctrl-C 结束。\n"}

// greet says where to go.
func (o *serveOptions) greet() {
	if o.link == "memory" {
		o.greetInMemory()
		return
	}
	o.stdout.printf(say.Text{"Serving %s on our TCP, through the TUN %s:\n\n", "正在我们的 TCP 上提供 %s，经由 TUN %s：\n\n"}, o.dir, o.tun)
	for _, a := range o.addrs {
		host := net.JoinHostPort(a.Addr().String(), fmt.Sprint(o.port))
		if o.port == 80 {
			host = strings.TrimSuffix(host, ":80")
		}
		command := "curl"
		if a.Addr().Is6() {
			command = "curl -g" // or curl takes the brackets for a pattern
		}
		fmt.Fprintf(o.stdout, "  %s 'http://%s/'\n", command, host) // quoted: to zsh brackets are a pattern
	}
	if o.upload {
		o.stdout.printf(say.Text{"\nPUT stores into %s: curl -T FILE 'http://…/'\n", "\nPUT 存入 %s：curl -T FILE 'http://…/'\n"}, o.dir)
	}
	o.stdout.printf(ctrlCEnds)
}

// greetInMemory says where to go without a device.
func (o *serveOptions) greetInMemory() {
	o.stdout.printf(say.Text{"Serving %s on our TCP, in memory:\n\n", "正在我们的 TCP 上提供 %s，在内存中：\n\n"}, o.dir)
	for _, a := range o.addrs {
		fmt.Fprintf(o.stdout, "  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | %s connect '%v'\n", called(), netip.AddrPortFrom(a.Addr(), o.port))
	}
	o.stdout.printf(ctrlCEnds)
}

// shutDown lets the connections finish.
func (o *serveOptions) shutDown(s *webServer) error {
	if n := s.busy.Load(); n > 0 {
		o.stderr.printf(say.Text{"\nDraining %d running requests for up to %v; Ctrl-C again stops at once.\n", "\n最多用 %[2]v 完成 %[1]d 个进行中的请求；再按 Ctrl-C 立即退出。\n"}, n, o.drain)
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.drain)
	defer cancel()
	err := errors.Join(s.web.Shutdown(ctx), s.awaitClosed(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		return say.Errorf(say.Text{"not all was delivered in %v; what remained was cut off", "%v 之内没有全部送达；剩余的已被切断"}, o.drain)
	}
	return err
}

// webServer is an HTTP server that counts the requests it works on, and knows
// the connections whose peer may not have everything yet.
type webServer struct {
	web  *http.Server
	busy atomic.Int64
	open sync.WaitGroup
}

// awaitClosed waits until no connection is open. Shutdown alone is not enough:
// it takes a connection for closed while its Close still waits for the peer.
func (s *webServer) awaitClosed(ctx context.Context) error {
	done := make(chan struct{})
	go func() { s.open.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newWebServer(h http.Handler) *webServer {
	s := &webServer{}
	s.web = &http.Server{
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.busy.Add(1)
			defer s.busy.Add(-1)
			h.ServeHTTP(w, r)
		}),
	}
	return s
}

// lingeringListener makes connections whose Close waits until the peer has
// everything: the device must not go before.
type lingeringListener struct {
	*handfast.TCPListener
	patience time.Duration
	open     *sync.WaitGroup
}

// Accept waits for the next connection.
func (l lingeringListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	// A connection that is dead already fails here, and tells its reader why.
	c.SetLinger(max(1, int(l.patience.Seconds())))
	l.open.Add(1)
	return &lingeringConn{TCPConn: c, open: l.open}, nil
}

type lingeringConn struct {
	*handfast.TCPConn
	once sync.Once
	open *sync.WaitGroup
}

// Close closes the connection; it may be called more than once.
func (c *lingeringConn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.TCPConn.Close()
		c.open.Done()
	})
	return err
}
