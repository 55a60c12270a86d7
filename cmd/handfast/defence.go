package main

import (
	"io"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/seeds"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/keyring"
)

// defenceOptions are the measures against SYN floods, as flags.
type defenceOptions struct {
	halfOpen, backlog int
	synAckRetries     int
	cookies           cookieMode
	attackMode        string
	seeds             string // a file, or a key in NATS or etcd
	store             *seeds.Watched
}

// never is more half-open entries than there can be.
const never = 1 << 30

func (o *defenceOptions) addTo(f *pflag.FlagSet) {
	o.halfOpen, o.backlog, o.synAckRetries = 4096, handfast.DefaultBacklog, 5
	o.attackMode = "auto"
	f.IntVar(&o.halfOpen, "half-open", o.halfOpen, "half-open connections that are kept at most, of up to 100 bytes each")
	f.IntVar(&o.synAckRetries, "synack-retries", o.synAckRetries, "how often a SYN-ACK is repeated, 1 to 15")
	f.Var(&o.cookies, "cookies", "SYN cookies: off, auto (when the half-open queue is full, or under attack), always")
	f.StringVar(&o.attackMode, "attack-mode", o.attackMode, "auto: when the half-open queue is half full, cookies first and fewer SYN-ACKs; off: never")
	f.StringVar(&o.seeds, "cookie-seeds", "", "`file` of the seeds that several hosts share, so that they accept each other's cookies, or nats://host:4222/bucket/key, or etcd://host:2379/key; one a line, followed as it changes")
	f.IntVar(&o.backlog, "backlog", o.backlog, "connections that wait at most until the program takes them")
}

func (o *defenceOptions) check() error {
	for _, n := range []struct {
		flag            string
		value, min, max int
	}{{"half-open", o.halfOpen, 1, 1 << 24}, {"synack-retries", o.synAckRetries, 1, 15}, {"backlog", o.backlog, 1, 1 << 20}} {
		if n.value < n.min || n.value > n.max {
			return usagef(say.Text{"--%s %d: choose from %d to %d", "--%s %d：取值为 %d 到 %d"}, n.flag, n.value, n.min, n.max)
		}
	}
	if o.attackMode != "auto" && o.attackMode != "off" {
		return usagef(say.Text{"--attack-mode %s: it is auto or off", "--attack-mode %s：只能是 auto 或 off"}, o.attackMode)
	}
	return nil
}

// apply sets what the flags say.
func (o *defenceOptions) apply(cfg *handfast.Config) error {
	cfg.HalfOpen, cfg.Backlog = o.halfOpen, o.backlog
	cfg.TCP.SynAckRetries, cfg.TCP.Cookies = o.synAckRetries, tcp.CookieMode(o.cookies)
	if o.attackMode == "off" {
		cfg.TCP.AttackEnter = never
	}
	if o.seeds == "" {
		return nil
	}
	ring, err := o.ring()
	if err != nil {
		return err
	}
	cfg.CookieKeys = ring
	return nil
}

// ring opens the store of --cookie-seeds.
func (o *defenceOptions) ring() (ring *keyring.Ring, err error) {
	if o.store, err = seeds.Open(o.seeds); err == nil {
		ring, err = keyring.New(o.store.Seeds)
	}
	if err != nil {
		o.close()
		return nil, say.Errorf(say.All("--cookie-seeds: %w"), err)
	}
	return ring, nil
}

// close ends what ring has opened.
func (o *defenceOptions) close() {
	if o.store != nil {
		o.store.Close() // what it says is of no use at the end
	}
}

// writeMetrics writes how old the seeds are, if there are any.
func (o *defenceOptions) writeMetrics(w io.Writer) {
	if o.store != nil {
		o.store.WriteMetrics(w)
	}
}

// cookieMode is a tcp.CookieMode as a flag.
type cookieMode tcp.CookieMode

// Type names the flag's kind in the help.
func (*cookieMode) Type() string { return "mode" }

func (m *cookieMode) String() string { return tcp.CookieMode(*m).String() }

// Set takes off, auto or always.
func (m *cookieMode) Set(text string) error {
	for _, c := range []tcp.CookieMode{tcp.CookiesOff, tcp.CookiesAuto, tcp.CookiesAlways} {
		if c.String() == text {
			*m = cookieMode(c)
			return nil
		}
	}
	return say.Errorf(say.Text{"%q is not off, auto or always", "%q 不是 off、auto 或 always"}, text)
}
