package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/guard"
	"github.com/handfast-tcp/handfast/inspect"
)

// say tells what goes on.
func (o *guardOptions) say(format say.Text, args ...any) {
	fmt.Fprintf(o.stderr, "handfast guard: "+format[o.stderr.lang]+"\n", args...)
}

// changed tells that a back end has come or gone.
func (g *guarding) changed(b guard.Backend, why error) {
	if b.Alive {
		g.say(say.Text{"back end %s is up", "后端 %s 已恢复"}, b.Address)
		return
	}
	g.say(say.Text{"back end %s is down: %v", "后端 %s 不可用：%v"}, b.Address, why)
}

// greet says where to go, and which back ends do not answer.
func (g *guarding) greet(device string) {
	way := say.Text{"the TUN " + device, "TUN " + device}
	switch g.link {
	case "memory":
		way = say.Text{"memory", "内存"}
	case "packet":
		way = say.Text{"the Ethernet device " + device, "以太网设备 " + device}
	case "xdp":
		way = say.Text{"the Ethernet device " + device + " by AF_XDP", "以太网设备 " + device + "（AF_XDP）"}
	}
	g.stdout.printf(say.Text{"Guarding %s, at %s, through %s.\n", "正在保护 %s，地址 %s，经由 %s。\n"},
		strings.Join(g.settings.Backends, ", "), listed(g.listen), way[g.stdout.lang])
	for _, b := range g.guard.Stats().Backends {
		if !b.Alive {
			g.say(say.Text{"back end %s does not answer yet", "后端 %s 尚无应答"}, b.Address)
		}
	}
	if g.link == "tun" && !g.usual() && !forwards() {
		g.say(say.Text{"only this machine gets there: it does not forward for others (sysctl net.ipv4.ip_forward, net.ipv6.conf.all.forwarding)",
			"只有本机可以到达：它不为其他机器转发（sysctl net.ipv4.ip_forward、net.ipv6.conf.all.forwarding）"})
	}
	g.stdout.printf(ctrlCEnds)
}

// usual reports whether the guard has the addresses that only this machine is to reach.
func (g *guarding) usual() bool { return len(g.hostAddrs) > 0 }

func listed(all []netip.AddrPort) string {
	var s []string
	for _, a := range all {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}

// farewell says what was done.
func (g *guarding) farewell() {
	s := g.guard.Stats()
	g.stdout.printf(say.Text{"%s connections carried, %s refused by a limit, %s without a back end; %s to back ends, %s from them\n",
		"已转发连接 %s 个，因限额拒绝 %s 个，没有后端可用 %s 个；发往后端 %s，来自后端 %s\n"},
		formatCount(s.Carried), formatCount(s.OverLimit), formatCount(s.NoBackend), formatSize(s.Sent), formatSize(s.Received))
}

// openMetrics answers Prometheus with what write writes, where --metrics says.
func (o *guardOptions) openMetrics(write func(w io.Writer)) (stop func(), err error) {
	if o.metrics == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", o.metrics)
	if err != nil {
		return nil, say.Errorf(say.All("--metrics: %w"), err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		write(w)
	})
	s := &http.Server{Handler: mux, ReadTimeout: askLimit, WriteTimeout: askLimit, IdleTimeout: time.Minute, MaxHeaderBytes: 4 << 10}
	go s.Serve(l) // ends with stop
	return func() { s.Close() }, nil
}

// writeAll writes what a host knows, and the guard.
func (g *guarding) writeAll(w io.Writer) {
	inspect.WriteMetrics(w, g.host) // a failure is the client's to see
	g.writeMetrics(w)
}

// writeFamily writes a metric that has one sample.
func writeFamily(w io.Writer, name, kind, help string, value any) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", name, help, name, kind, name, value)
}

// writeMetrics writes in Prometheus' text format what the guard alone knows.
func (g *guarding) writeMetrics(w io.Writer) {
	g.defence.writeMetrics(w)
	g.verdicts.writeMetrics(w)
	g.flows.writeMetrics(w)
	s := g.guard.Stats()
	family := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	one := func(name, kind, help string, value any) { writeFamily(w, name, kind, help, value) }
	one("handfast_guard_connections", "gauge", "Connections that are carried or dialled now.", s.Active)
	one("handfast_guard_carried_total", "counter", "Connections that reached a back end.", s.Carried)
	one("handfast_guard_failed_total", "counter", "Connections that reached a back end and ended with a reset or an error.", s.Failed)
	one("handfast_guard_no_backend_total", "counter", "Connections that no back end took.", s.NoBackend)
	one("handfast_guard_over_limit_total", "counter", "Connections that a limit refused.", s.OverLimit)
	one("handfast_guard_sent_bytes_total", "counter", "Bytes to back ends, of connections that have ended.", s.Sent)
	one("handfast_guard_received_bytes_total", "counter", "Bytes from back ends, of connections that have ended.", s.Received)
	for _, m := range []struct {
		name, kind, help string
		value            func(guard.Backend) any
	}{
		{"handfast_guard_backend_up", "gauge", "1 while a back end answers.", func(b guard.Backend) any { return oneIf(b.Alive) }},
		{"handfast_guard_backend_connections", "gauge", "Connections of a back end now.", func(b guard.Backend) any { return b.Active }},
		{"handfast_guard_backend_connections_total", "counter", "Connections that were dialled to a back end.", func(b guard.Backend) any { return b.Total }},
		{"handfast_guard_backend_errors_total", "counter", "Dials and checks of a back end that failed.", func(b guard.Backend) any { return b.Errors }},
	} {
		family(m.name, m.kind, m.help)
		for _, b := range s.Backends {
			fmt.Fprintf(w, "%s{backend=%q} %v\n", m.name, b.Address, m.value(b))
		}
	}
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}
