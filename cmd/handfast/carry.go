package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/lab/story"
)

// carrying is how flows of others are carried, and what is told of them: the flags that
// run and vm share.
type carrying struct {
	bad     badNetwork
	rules   rules
	maps    addressMap
	proxy   proxyFlag
	cc      string
	summary bool
	ladder  bool
	first   int
	out     outFile
	web     webOptions
	export  flowsOut

	streams
}

func (o *carrying) addTo(f *pflag.FlagSet) {
	o.bad.addTo(f)
	o.rules.addTo(f)
	f.Var(&o.maps, "map", "have an `address=address` inside be another one outside; may be repeated")
	f.Var(&o.proxy, "proxy", "carry all of TCP, and UDP where it grants that, through a proxy, such as socks5://host:1080 or http://host:8080, with user:password@ before the host; pings are refused")
	f.StringVar(&o.cc, "cc", "", "congestion control: "+strings.Join(cc.Names(), ", "))
	f.BoolVar(&o.summary, "summary", true, "print a line for each flow at the end")
	f.BoolVar(&o.ladder, "ladder", false, "draw the first connections at the end")
	f.IntVar(&o.first, "first", 1, "how many connections are drawn and written")
	o.out.addTo(f)
	o.web.addTo(f)
	o.export.addTo(f)
}

func (o *carrying) check() error {
	if o.first < 1 || o.first > 1000 {
		return usagef(say.Text{"--first %d: it may be 1 to 1000", "--first %d：取值为 1 到 1000"}, o.first)
	}
	if err := cc.Check(o.cc); err != nil {
		return usagef(say.All("--cc: %w"), err)
	}
	return cmp.Or(o.bad.check(), o.out.check())
}

// network is what carries flows.
type network struct {
	host     *handfast.Host
	gateway  *gateway.Gateway
	recorder *live.Recorder
	flows    flowLog
	stop     func() // of the control socket
	exported func() // ends the export of flows
}

// segment is the network inside.
type segment struct {
	command   string         // whose it is
	peer      say.Text       // who is there, in pictures
	addresses []netip.Prefix // our host's
	dns       []netip.Addr   // where names are answered, some of addresses
	system    netip.AddrPort // who answers them in fact; zero: nobody
}

// isOurs reports whether an address is our host's.
func (s *segment) isOurs(a netip.Addr) bool {
	for _, p := range s.addresses {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// network makes a host, which attach plugs in, and has a gateway carry what comes.
func (o *carrying) network(s segment, attach func(*handfast.Host) error) (*network, error) {
	n := &network{stop: func() {}, exported: func() {}, flows: flowLog{stderr: o.stderr, ended: make(chan struct{}, 1)}}
	cfg := handfast.Config{}
	cfg.TCP.CongestionControl = o.cc
	observe(&cfg)
	if o.ladder || o.out.wanted() {
		n.recorder = live.New(live.Options{Host: stage.OurName, Peer: s.peer[o.stderr.lang], Connections: o.first, Head: 40, Tail: 64, Lang: o.stderr.lang})
		cfg.Trace = n.recorder.Events
	}
	var err error
	if n.host, err = handfast.New(cfg); err != nil {
		return nil, err
	}
	if err = attach(n.host); err == nil {
		policy := o.proxy.policy(o.rules.policy(o.maps, &s), o.stderr)
		n.gateway, err = gateway.New(gateway.Config{Host: n.host, Policy: policy, Ended: n.flows.add})
	}
	if err == nil {
		n.exported, err = o.export.export(n.host, s.command, o.stderr)
	}
	if err != nil {
		n.host.Close()
		return nil, err
	}
	control, page := openControlWith(n.host, s.command, o.stderr, o.export.writeMetrics), o.web.serve(n.host, s.command, o.stderr)
	n.stop = func() { page(); control() }
	return n, nil
}

// settle lets the connections that the programs inside have left end in peace.
func (n *network) settle(patience time.Duration) {
	end := time.After(patience)
	for n.gateway.Stats().Connections > 0 {
		select {
		case <-n.flows.ended:
		case <-end:
			return
		}
	}
}

func (n *network) close() {
	if n.gateway != nil {
		n.gateway.Close()
		n.stop()
		n.host.Close()
		n.exported()
		n.gateway = nil
	}
}

// report prints what is wanted to be known at the end.
func (n *network) report(o *carrying, title string) error {
	if o.summary {
		n.flows.write(o.stderr)
	}
	if n.recorder == nil {
		return nil
	}
	if o.ladder && !n.recorder.Empty() {
		if err := writeLadder(o.stderr, n.recorder, title); err != nil {
			return err
		}
	}
	return o.out.write(n.recorder, title)
}

// writeLadder draws what r has kept.
func writeLadder(w terminal, r *live.Recorder, title string) error {
	fmt.Fprintf(w, "\n%s\n\n", title)
	t := r.Tell(story.TellOptions{Lang: w.lang})
	return story.Ladder{Lanes: t.Lanes, Width: w.columns(), Color: w.color}.Write(w, t.Steps)
}
