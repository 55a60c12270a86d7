package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
)

// linkKinds are what may lie between the two sides.
var linkKinds = []string{"auto", "tun", "packet", "memory"}

// place is where a trial or a flood happens, as --link and --ipv6 say.
type place struct {
	link string
	ipv6 bool
}

func (p *place) addTo(f *pflag.FlagSet) {
	f.StringVar(&p.link, "link", "auto", "what lies between the two: "+strings.Join(linkKinds, ", "))
	f.BoolVar(&p.ipv6, "ipv6", false, "over IPv6")
}

func (p *place) check() error {
	if !slices.Contains(linkKinds, p.link) {
		return usagef(say.Text{"--link %s: it is one of %s", "--link %s：可选 %s"}, p.link, strings.Join(linkKinds, ", "))
	}
	return nil
}

// address is our host's.
func (p *place) address() netip.AddrPort {
	if p.ipv6 {
		return netip.AddrPortFrom(stage.OurAddrs[1].Addr(), tryPort)
	}
	return netip.AddrPortFrom(stage.OurAddrs[0].Addr(), tryPort)
}

// isolate runs this program again in a namespace of its own, where one is
// needed, with the page's address open there; done says that it ran there, or that it could
// not and must.
func (p *place) isolate(out terminal, instead say.Text, page *webOptions) (done bool, err error) {
	if p.link == "memory" || stage.Inside() {
		return false, nil
	}
	files := page.inherited()
	code, err := stage.InNamespace(files...)
	for _, f := range files {
		f.Close()
	}
	switch {
	case err == nil && code != exitOK:
		return true, exitError(code)
	case err == nil || p.link != "auto":
		return true, err
	}
	p.fallBack(out, instead, err)
	return false, nil
}

var inMemory = say.Text{"The kernel cannot take part, so %s, in memory:\n  %s\n\n", "内核无法参与，因此%s，在内存中进行：\n  %s\n\n"}

// fallBack goes on without the kernel, and says why; instead says who has its
// part.
func (p *place) fallBack(out terminal, instead say.Text, why error) {
	p.link = "memory"
	fmt.Fprintf(out, inMemory[out.lang], instead[out.lang], strings.ReplaceAll(say.Error(why, out.lang), "\n", "\n  "))
}
