package inspect

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// predicate is a compiled condition.
type predicate func(*Row) bool

// filterParser reads a filter. After the first mistake it returns no more
// conditions that mean anything.
type filterParser struct {
	text   string
	tokens []token
	err    error
}

func (p *filterParser) peek() token { return p.tokens[0] }

// at reports whether the next word is one of these.
func (p *filterParser) at(words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(p.tokens[0].text, w) {
			return true
		}
	}
	return false
}

// take returns the next word and goes on; the last one stays.
func (p *filterParser) take() token {
	t := p.tokens[0]
	if t.text != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

// fail notes a mistake at the next word.
func (p *filterParser) fail(format string, args ...any) { p.failAt(p.peek(), format, args...) }

func (p *filterParser) failAt(t token, format string, args ...any) {
	// Only the first mistake is told: those after it may only follow from it.
	if p.err == nil {
		p.err = &filterError{p.text, t.column, fmt.Sprintf(format, args...)}
	}
}

// states reads "state X" and "exclude X", as many as there are.
func (p *filterParser) states(def stateSet) stateSet {
	var chosen, excluded stateSet
	for p.err == nil && p.at("state", "exclude") {
		set := &chosen
		if p.at("exclude") {
			set = &excluded
		}
		p.take()
		p.stateList(set)
	}
	switch {
	case chosen != 0:
		return chosen &^ excluded
	case excluded != 0:
		return everyState &^ excluded
	}
	return def
}

func (p *filterParser) stateList(set *stateSet) {
	for {
		t := p.take()
		s, ok := stateNamed(t.text)
		if !ok {
			p.failAt(t, "%s; the states are established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, "+
				"close-wait, last-ack, listening, closing, and the groups all, connected, synchronized, bucket, big", missing(t, "a state"))
			return
		}
		*set |= s
		if !p.at(",") {
			return
		}
		p.take()
	}
}

// missing says what a word is not, or that there is none.
func missing(t token, what string) string {
	if t.text == "" {
		return "the filter ends too early"
	}
	return fmt.Sprintf("%q is not %s", t.text, what)
}

// either reads conditions joined by "or".
func (p *filterParser) either() predicate {
	left := p.both()
	for p.err == nil && p.at("or", "||", "|") {
		p.take()
		a, b := left, p.both()
		left = func(r *Row) bool { return a(r) || b(r) }
	}
	return left
}

// both reads conditions joined by "and", or that simply follow each other.
func (p *filterParser) both() predicate {
	left := p.not()
	// ss joins conditions that only follow each other by "and".
	for p.err == nil && !p.at("", ")", "or", "||", "|") {
		if p.at("and", "&&", "&") {
			p.take()
		}
		a, b := left, p.not()
		left = func(r *Row) bool { return a(r) && b(r) }
	}
	return left
}

func (p *filterParser) not() predicate {
	if p.at("not", "!") {
		p.take()
		inner := p.not()
		return func(r *Row) bool { return !inner(r) }
	}
	if !p.at("(") {
		return p.condition()
	}
	open := p.take()
	inner := p.either()
	if p.err == nil && !p.at(")") {
		p.failAt(open, "this parenthesis is not closed")
	}
	p.take()
	return inner
}

// condition reads one comparison.
func (p *filterParser) condition() predicate {
	t := p.take()
	switch strings.ToLower(t.text) {
	case "dst":
		return p.host(func(r *Row) *Endpoint { return &r.Remote })
	case "src":
		return p.host(func(r *Row) *Endpoint { return &r.Local })
	case "dport":
		return p.port(func(r *Row) *Endpoint { return &r.Remote })
	case "sport":
		return p.port(func(r *Row) *Endpoint { return &r.Local })
	case "dev":
		return p.device()
	case "autobound":
		return func(r *Row) bool { return r.Autobound }
	case "state", "exclude":
		p.failAt(t, "%q must stand before the other conditions", t.text)
	default:
		p.failAt(t, "%s; conditions are dst, src, dport, sport, dev, autobound", missing(t, "a condition"))
	}
	return nil
}

// side names the end of a connection that a condition is about.
type side func(*Row) *Endpoint

// comparisons map the ways to write one to what the order of two values may be.
var comparisons = map[string][]int{
	"=": {0}, "==": {0}, "eq": {0}, "!=": {-1, 1}, "ne": {-1, 1}, "neq": {-1, 1},
	"<": {-1}, "lt": {-1}, ">": {1}, "gt": {1}, "<=": {-1, 0}, "le": {-1, 0}, "leq": {-1, 0}, ">=": {0, 1}, "ge": {0, 1}, "geq": {0, 1},
}

// port reads "= :80".
func (p *filterParser) port(of side) predicate {
	op := token{text: "="}
	wanted, ok := comparisons["="], true
	if _, isOp := comparisons[strings.ToLower(p.peek().text)]; isOp || p.at("") {
		op = p.take()
		wanted, ok = comparisons[strings.ToLower(op.text)]
	}
	if !ok {
		p.failAt(op, "%s; one of = != < <= > >= and a port belong here", missing(op, "a comparison"))
		return nil
	}
	t := p.take()
	port, ok := parsePort(strings.TrimPrefix(t.text, ":"))
	if !ok {
		p.failAt(t, "%s; write :80 or :http", missing(t, "a port"))
		return nil
	}
	return func(r *Row) bool {
		order := cmp.Compare(of(r).Port, port)
		for _, w := range wanted {
			if order == w {
				return true
			}
		}
		return false
	}
}

// parsePort reads a number or a service's name.
func parsePort(s string) (uint16, bool) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return uint16(n), true
	}
	// LookupPort takes numbers too, also those that are too large, with an error of
	// its own that would say nothing of the filter.
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return 0, false
	}
	n, err := net.LookupPort("tcp", s)
	return uint16(n), err == nil
}

// device reads "hf0" or "= hf0": a device that the socket is bound to, or a link
// of ours.
func (p *filterParser) device() predicate {
	equal := p.equal()
	t := p.take()
	if t.text == "" {
		p.failAt(t, "%s; write the name of a device", missing(t, ""))
		return nil
	}
	return func(r *Row) bool { return equal == (r.Device == t.text || r.Link == t.text) }
}

// equal reads "=" or "!=", or nothing, which is "=".
func (p *filterParser) equal() bool {
	switch {
	case p.at("!=", "ne", "neq"):
		p.take()
		return false
	case p.at("=", "==", "eq"):
		p.take()
	}
	return true
}

// host reads "10.0.0.0/8", "10.0.0.1:80", "[::1]:80", ":80", perhaps behind
// "=" or "!=".
func (p *filterParser) host(of side) predicate {
	equal := p.equal()
	t := p.take()
	within, port, ok := parseHost(t.text)
	if !ok {
		p.failAt(t, "%s; write 10.0.0.1, 10.0.0.0/8, 10.0.0.1:80, [::1]:80 or :80", missing(t, "an address"))
		return nil
	}
	return func(r *Row) bool {
		e := of(r)
		return equal == ((port == nil || *port == e.Port) && (!within.IsValid() || e.inside(within)))
	}
}

// inside reports whether the address is in a network. One of IPv4 over a socket
// of IPv6 is in networks of both; every address of both is, as for the kernel,
// the unspecified one of IPv6.
func (e Endpoint) inside(network netip.Prefix) bool {
	a := e.Addr
	switch {
	case !a.IsValid():
		a = netip.IPv6Unspecified()
	case network.Addr().Is4():
		a = a.Unmap()
	}
	return network.Contains(a.WithZone(""))
}

// parseHost reads an address or a network, or a port, or both. What is not said
// is not valid, and nil.
func parseHost(s string) (within netip.Prefix, port *uint16, ok bool) {
	if within, ok = parseNetwork(s); ok {
		return within, nil, true
	}
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 {
		return within, nil, false
	}
	if name := s[colon+1:]; name != "*" {
		n, known := parsePort(name)
		if !known {
			return within, nil, false
		}
		port = &n
	}
	if s[:colon] == "" || s[:colon] == "*" {
		return within, port, true
	}
	within, ok = parseNetwork(s[:colon])
	return within, port, ok
}

// parseNetwork reads an address with or without a prefix length.
func parseNetwork(s string) (netip.Prefix, bool) {
	s = strings.NewReplacer("[", "", "]", "").Replace(s)
	if n, err := netip.ParsePrefix(s); err == nil {
		return n.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}
