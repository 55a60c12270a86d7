package answers

import (
	"regexp"
	"slices"
	"strings"
)

// asks reports whether the probe's packets have a name that begins with one of
// the given.
func (c *comparison) asks(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(c.packets.name, n) })
}

// about reports whether it is about one of several payloads.
func (c *comparison) about(payloads ...string) bool {
	return slices.ContainsFunc(payloads, func(n string) bool { return strings.HasSuffix(c.packets.name, ", "+n) })
}

// packetDifferences are all that may be between answers to other packets.
var packetDifferences = []difference{
	{
		"RFC 1122 §3.2.1.8: an option that we do not understand is ignored, whole or broken; Linux looks into it",
		func(c *comparison) bool { return c.asks("option length", "option past the end") },
	},
	{
		"RFC 1122 §3.2.1.8: of a source route we are the end; Linux drops such packets, as RFC 7126 §4.3 wants of routers",
		func(c *comparison) bool {
			return c.asks("option loose source", "option strict source") && c.kernels.silent()
		},
	},
	{
		"RFC 1122 §3.2.2.6: nothing is recorded on the way back; Linux writes into the options that it quotes",
		func(c *comparison) bool { return c.asks("option record route", "option time") },
	},
	{
		"RFC 2474 §3: what class our packets have is ours to say; Linux gives back that of the question",
		func(c *comparison) bool {
			return c.asks("TOS", "class") && c.alike(func(s string) string { return tos.ReplaceAllString(s, "") })
		},
	},
	{
		"RFC 792, RFC 4443 §4.2: the code of an echo reply is 0; Linux gives back that of the request",
		func(c *comparison) bool {
			return c.asks("ICMP type 8 code", "ICMP type 128 code") && c.ours.says("ICMP") && c.kernels.says("ICMP")
		},
	},
	{
		"RFC 1122 §3.2.2.8: a host may answer requests for the time; we do not",
		func(c *comparison) bool { return c.asks("ICMP type 13") && c.ours.silent() },
	},
	{
		"RFC 1122 §3.2.1.3, RFC 1112 §4, RFC 4291 §2.5.2, §2.5.5: no host has this source address; Linux answers",
		func(c *comparison) bool {
			return c.asks("from 0.1.2.3", "from 240.0.0.1", "from 10.77.255.255", "from ::, ", "from ::ffff:", "from fd77::1, ") && c.ours.silent()
		},
	},
	{
		"RFC 4443 §3.1 is about routers; Linux sends no-route errors although it is a host",
		func(c *comparison) bool { return c.asks("to ::") && c.ours.silent() },
	},
	{
		"RFC 4443 §4.2: echo requests to groups should be answered, but one would make us all answer; we do not",
		func(c *comparison) bool { return c.asks("to ff0") && c.about("echo") && c.ours.silent() },
	},
	{
		"RFC 6335 §6: port 0 is reserved; Linux answers it",
		func(c *comparison) bool {
			return c.asks("SYN, from port 0", "SYN, to port 0", "datagram, to port 0") && c.ours.silent()
		},
	},
	{
		"RFC 2675 §4: a length of 0 is for jumbograms, which we do not have",
		func(c *comparison) bool { return c.v6 && c.asks("datagram, length 0") && c.ours.silent() },
	},
	{
		"RFC 1122 §3.2.2.2: protocol unreachable is what we should say; Linux has a socket or module for these",
		func(c *comparison) bool {
			return c.asks("protocol 2", "protocol 103", "protocol 136") && !c.asks("protocol 25") && c.kernels.silent()
		},
	},
	{
		"RFC 1858 §3: the first fragment has the whole TCP header, or it hides something",
		func(c *comparison) bool {
			return !c.v6 && c.asks("fragments by eights", "fragments a header cut") && c.about("SYN") && c.ours.silent()
		},
	},
	{
		"RFC 8200 §4.5, RFC 5722 §4: an overlap ends the reassembly; Linux lets a fragment be that lies in another",
		func(c *comparison) bool { return c.asks("fragments overlap inside") && c.ours.silent() },
	},
	{
		"RFC 1122 §3.2.2.1: nothing is reassembled for a protocol without a reader; Linux reassembles it, and then says that there is none",
		func(c *comparison) bool { return c.asks("fragments") && c.about("protocol 253") && c.ours.silent() },
	},
	{
		"RFC 8200 §4.2: Pad1 and PadN may be of any length and content; Linux wants zeros, and no more than 7",
		func(c *comparison) bool {
			return c.kernels.silent() && (strings.Contains(c.packets.name, "PadN not zero") || strings.Contains(c.packets.name, "nine Pad1"))
		},
	},
	{
		"RFC 8200 §4.2: an option that we do not know has code 2; Linux knows this one, and that it is wrong here",
		func(c *comparison) bool { return c.asks("hop-by-hop option jumbo") },
	},
	{
		"RFC 8200 §4.4: a routing type that we do not know has code 0; Linux knows 3 and 4, and drops them",
		func(c *comparison) bool {
			return c.asks("routing 3", "routing 4") && c.ours.says("ICMPv6 type 4 code 0 rest 0x2a") && c.kernels.silent()
		},
	},
	{
		"RFC 8200 §4.1: a fragment header occurs once, what follows is dropped; Linux says where the second is",
		func(c *comparison) bool {
			return c.asks("atomic fragment twice", "next header 44") && c.ours.silent()
		},
	},
	{
		"RFC 8200 §4.5: the length of a fragment that is not a multiple of 8 is wrong, also when its upper header is incomplete",
		func(c *comparison) bool {
			return c.v6 && c.asks("fragments seven bytes", "fragments nothing and more") && c.ours.says("ICMPv6 type 4 code 0 rest 0x4 ")
		},
	},
	{
		"RFC 4443 §2.4 (e): a fragment that may be of an ICMP error is not answered",
		func(c *comparison) bool {
			return c.v6 && c.asks("fragments nothing and more") && c.about("echo") && c.ours.silent()
		},
	},
	{
		"RFC 8200 §4.5: a last fragment may be empty, and the packet is then whole; Linux drops it",
		func(c *comparison) bool { return c.asks("fragments nothing at last") && c.kernels.silent() },
	},
}

// tos is what describe writes of a type of service or traffic class.
var tos = regexp.MustCompile(`tos 0x[0-9a-f]+ `)
