package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/guard"
)

// noBackends are what a SYN may get while no back end lives.
var noBackends = []string{"reset", "ignore"}

// readGuard returns what the command line says, and for what it does not say what the file of
// --config does.
func readGuard(said *pflag.FlagSet) (*guardOptions, error) {
	o := &guardOptions{}
	f := pflag.NewFlagSet("guard", pflag.ContinueOnError)
	o.addTo(f)
	var err error
	if file := said.Lookup("config").Value.String(); file != "" {
		err = readOptions(file, f, said)
	}
	said.Visit(func(x *pflag.Flag) {
		if own := f.Lookup(x.Name); own != nil {
			err = cmp.Or(err, copyFlag(own, x))
		}
	})
	if err == nil {
		err = o.check(f)
	}
	return o, err
}

// copyFlag gives a flag the value of another.
func copyFlag(to, from *pflag.Flag) error {
	to.Changed = true
	if list, ok := from.Value.(pflag.SliceValue); ok {
		return to.Value.(pflag.SliceValue).Replace(list.GetSlice())
	}
	return to.Value.Set(from.Value.String())
}

// readOptions sets the flags that a file names, but for those that were said already.
func readOptions(file string, f, said *pflag.FlagSet) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return say.Errorf(say.All("--config: %w"), err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		x := f.Lookup(name)
		if x == nil || name == "config" {
			return say.Errorf(say.Text{"--config %s, line %d: there is no option %q", "--config %s 第 %d 行：没有选项 %q"}, file, n, name)
		}
		if value = strings.TrimSpace(value); value == "" && x.NoOptDefVal != "" {
			value = x.NoOptDefVal
		}
		if said.Changed(name) {
			continue
		}
		if err := f.Set(name, value); err != nil {
			return say.Errorf(say.Text{"--config %s, line %d: %w", "--config %s 第 %d 行：%w"}, file, n, flagError(nil, err))
		}
	}
	return nil
}

// check finds what contradicts itself, and puts the words into the settings.
func (o *guardOptions) check(f *pflag.FlagSet) error {
	if len(o.listen) == 0 {
		return usagef(say.Text{"--listen says where clients come: --listen 203.0.113.5:443", "--listen 说明客户端从哪里来：--listen 203.0.113.5:443"})
	}
	if o.kernel {
		return o.checkKernel(f)
	}
	if len(o.settings.Backends) == 0 {
		return usagef(say.Text{"--to says where the server is: --to 127.0.0.1:8443", "--to 说明服务器在哪里：--to 127.0.0.1:8443"})
	}
	for _, b := range o.settings.Backends {
		if o.isOurs(b) {
			return usagef(say.Text{"--to %s is the guard itself: name the server that stands behind it", "--to %s 就是 guard 自己：请写出它背后的服务器"}, b)
		}
	}
	for _, w := range []struct {
		flag, value string
		all         []string
	}{{"link", o.link, guardLinks}, {"balance", o.balance, balances}, {"proxy-protocol", o.header, headers}, {"no-backend", o.noBackend, noBackends}} {
		if !slices.Contains(w.all, w.value) {
			return usagef(say.Text{"--%s %s: it is one of %s", "--%s %s：可选 %s"}, w.flag, w.value, strings.Join(w.all, ", "))
		}
	}
	if o.drain < 0 {
		return usagef(say.Text{"--drain %v: it may not be negative", "--drain %v：不能为负"}, o.drain)
	}
	o.settle(f)
	g, err := guard.Check(o.settings)
	if err != nil {
		return usagef(say.All("%w"), err)
	}
	o.settings = g
	return o.defence.check()
}

// settle derives what follows from the rest.
func (o *guardOptions) settle(f *pflag.FlagSet) {
	o.settings.Balance = guard.Balance(slices.Index(balances, o.balance))
	o.settings.Header = guard.Header(slices.Index(headers, o.header))
	o.settings.Silent = o.noBackend == "ignore"
	if o.device != "" && !f.Changed("link") {
		o.link = "packet"
	}
	if o.link != "packet" && o.link != "xdp" && o.usualAddrs() {
		o.addrs, o.hostAddrs = stage.OurAddrs, stage.KernelAddrs
	}
	if o.link == "memory" {
		o.nameOwn()
	}
}

// nameOwn makes those of --listen our addresses, where nobody has named any.
func (o *guardOptions) nameOwn() {
	if len(o.addrs) > 0 {
		return
	}
	for _, l := range o.listen {
		if p := netip.PrefixFrom(l.Addr(), l.Addr().BitLen()); !slices.Contains(o.addrs, p) {
			o.addrs = append(o.addrs, p)
		}
	}
}

// reload takes what the file says now. With a mistake in it everything stays as it is.
func (g *guarding) reload() {
	if g.config == "" {
		g.say(say.Text{"SIGHUP: there is no --config to be read again", "SIGHUP：没有可重新读取的 --config"})
		return
	}
	o, err := readGuard(g.flags)
	if err == nil {
		err = g.guard.Set(o.settings)
	}
	if err != nil {
		g.say(say.Text{"SIGHUP: all stays as it is: %s", "SIGHUP：一切保持不变：%s"}, say.Error(err, g.stderr.lang))
		return
	}
	g.drain = o.drain
	g.say(say.Text{"SIGHUP: %s has been read; back ends: %s", "SIGHUP：已重新读取 %s；后端：%s"}, g.config, strings.Join(o.settings.Backends, ", "))
	if fixed := g.changedForGood(o); len(fixed) > 0 {
		g.say(say.Text{"these count from the next start on: --%s", "这些选项要到下次启动才生效：--%s"}, strings.Join(fixed, ", --"))
	}
}

// changedForGood are the options that differ in o and cannot change while it works.
func (g *guarding) changedForGood(o *guardOptions) (names []string) {
	flags := func(o guardOptions) *pflag.FlagSet {
		var as guardOptions
		f := pflag.NewFlagSet("guard", pflag.ContinueOnError)
		as.addTo(f)
		as = o
		return f
	}
	was, now := flags(*g.guardOptions), flags(*o)
	was.VisitAll(func(x *pflag.Flag) {
		if !slices.Contains(reloaded, x.Name) && fmt.Sprint(x.Value) != fmt.Sprint(now.Lookup(x.Name).Value) {
			names = append(names, x.Name)
		}
	})
	return names
}
