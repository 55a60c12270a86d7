package main

import (
	"bufio"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/gateway"
)

// rule is which destinations may be reached, or may not.
type rule struct {
	allow  bool
	prefix netip.Prefix // zero: all addresses
	port   uint16       // 0: all ports
}

func (r rule) fits(to netip.AddrPort) bool {
	return (!r.prefix.IsValid() || r.prefix.Contains(to.Addr())) && (r.port == 0 || r.port == to.Port())
}

// rules are in the order of the command line; the first one that fits counts.
type rules struct {
	all     []rule
	offline bool
}

func (r *rules) addTo(f *pflag.FlagSet) {
	f.Var(&ruleFlag{r, true}, "allow", "a `prefix:port` that may be reached, or either of them; may be repeated")
	f.Var(&ruleFlag{r, false}, "deny", "a `prefix:port` that is refused, or either of them; may be repeated")
	f.BoolVar(&r.offline, "offline", false, "refuse all that --allow does not name")
}

// ruleFlag adds to rules.
type ruleFlag struct {
	rules *rules
	allow bool
}

// Type names the flag's kind in the help.
func (*ruleFlag) Type() string { return "prefix:port" }

func (*ruleFlag) String() string { return "" }

// Set parses 10.0.0.0/8, 10.0.0.1, :443, 10.0.0.0/8:443, [fd00::/8]:443.
func (f *ruleFlag) Set(text string) error {
	r := rule{allow: f.allow}
	address, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 && (strings.Count(text, ":") == 1 || strings.HasPrefix(text, "[") && text[i-1] == ']') {
		address, port = strings.Trim(text[:i], "[]"), text[i+1:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return say.Errorf(say.Text{"%q is not a port", "%q 不是端口"}, port)
		}
		r.port = uint16(n)
	}
	if address != "" {
		p, err := netip.ParsePrefix(address)
		if err != nil {
			a, err := netip.ParseAddr(address)
			if err != nil {
				return say.Errorf(say.Text{"%q is not an address or a prefix; write for example 10.0.0.0/8, :443 or [fd00::/8]:443", "%q 不是地址或前缀；写法例如 10.0.0.0/8、:443 或 [fd00::/8]:443"}, address)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		r.prefix = p.Masked()
	}
	f.rules.all = append(f.rules.all, r)
	return nil
}

// allows says whether a destination may be reached.
func (r *rules) allows(to netip.AddrPort) bool {
	closed := r.offline
	for _, x := range r.all {
		if x.fits(to) {
			return x.allow
		}
		closed = closed || x.allow
	}
	return !closed
}

// policy is what the gateway does with flows: names are always answered, unless there
// is no server that could.
func (r *rules) policy(maps addressMap, s *segment) func(gateway.Flow) gateway.Route {
	return func(f gateway.Flow) gateway.Route {
		to := f.Destination
		outside, mapped := maps[to.Addr()]
		switch {
		case to.Port() == 53 && slices.Contains(s.dns, to.Addr()) && s.system.IsValid() && !r.offline:
			return gateway.Route{Address: s.system.String()}
		case !r.allows(to):
			return gateway.Route{Verdict: gateway.Refuse}
		case mapped:
			return gateway.Route{Address: netip.AddrPortFrom(outside, to.Port()).String()}
		case s.isOurs(to.Addr()):
			return gateway.Route{Verdict: gateway.Refuse} // nobody is there
		}
		return gateway.Route{}
	}
}

// addressMap is a flag of addresses inside and what they are outside.
type addressMap map[netip.Addr]netip.Addr

// Type names the flag's kind in the help.
func (*addressMap) Type() string { return "address=address" }

func (m *addressMap) String() string { return "" }

// Set adds a pair.
func (m *addressMap) Set(text string) error {
	inside, outside, _ := strings.Cut(text, "=")
	a, err := netip.ParseAddr(inside)
	b, err2 := netip.ParseAddr(outside)
	if err != nil || err2 != nil {
		return say.Errorf(say.Text{"%q is not a pair of addresses; write for example 10.0.2.2=127.0.0.1", "%q 不是一对地址；写法例如 10.0.2.2=127.0.0.1"}, text)
	}
	if *m == nil {
		*m = addressMap{}
	}
	(*m)[a] = b
	return nil
}

// systemNameServer is the first that /etc/resolv.conf names; the zero value: none.
func systemNameServer() (server netip.AddrPort) {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return server
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "nameserver" {
			if a, err := netip.ParseAddr(words[1]); err == nil {
				return netip.AddrPortFrom(a, 53)
			}
		}
	}
	return server
}
