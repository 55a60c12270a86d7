/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Two programs before a listener of the kernel's: syn answers SYNs by cookies, of which nothing
 * is kept, and ack makes connections of those that come back. See doc.go of this package. */
#include "cookie.h"

enum { PREVIOUS, CURRENT, NEXT };

/* One address and port that is guarded. */
struct place { u64 addr[2]; u32 port; } __attribute__((packed, aligned(4)));

/* All of it changes at once: see turn. As Go's type settings. */
struct settings {
	struct key base, keys[3];
	u64 hold;           /* how long an attack lasts at least, in ns */
	u32 epoch;
	u16 mss[2];         /* of our SYN-ACKs, by version of IP */
	u8 link_header;     /* bytes before IP: 14, or 0 */
	u8 shift;           /* of our windows; NO_SCALING: none */
	u8 sack, timestamps, ecn;
	u8 always;          /* cookies always, or in an attack */
	u8 shared;          /* the keys: cookies may come that we have not made */
	u8 pad;
	struct place first; /* mostly there are no others, and a look in the map costs more */
};

/* What is remembered: of an attack, and no more. As Go's type state. */
struct state {
	u64 sent;           /* when a cookie was sent last, to a second; 0: never */
	u64 until, hold;    /* of an attack */
	u64 attacks;
};

/* As Go's type Counters. */
struct counters {
	u64 syns, sent, left, mptcp, received, failed, refused;
};

#define MAP(kind, k, v, n) struct { MAP_INT(type, kind); k *key; v *value; MAP_INT(max_entries, n); }
MAP(MAP_ARRAY, u32, struct settings, 2) slots SEC(".maps");
MAP(MAP_ARRAY, u32, u32, 1) turn SEC(".maps");           /* which slot is in force */
MAP(MAP_ARRAY, u32, u64, 1024) ports SEC(".maps");       /* one bit for each */
MAP(MAP_HASH, struct place, u8, 1024) places SEC(".maps");
MAP(MAP_ARRAY, u32, struct state, 1) states SEC(".maps");
MAP(MAP_PERCPU_ARRAY, u32, struct counters, 1) counted SEC(".maps");

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, ECE = 64, CWR = 128 };
enum { SECOND = 1000000000, HOLD_MAX = 64, BELIEVED = 128 };
enum { LISTEN = 10 };

struct iphdr { u8 vihl, tos; u16 len, id, frag; u8 ttl, protocol; u16 check; u32 saddr, daddr; };
struct ip6hdr { u32 flow; u16 len; u8 next, hops; u32 saddr[4], daddr[4]; };
struct tcphdr { u16 sport, dport; u32 seq, ack; u8 doff, flags; u16 window, check, urgent; };

/* What a segment's options say. */
struct offer {
	u8 bytes[40] __attribute__((aligned(4))); /* of them, and what comes then */
	u32 at, end;        /* what of them is to be read */
	u32 bad;
	u32 stamps_at;      /* where TSval is */
	u32 tsval, tsecr;
	u16 mss;
	u8 shift, has_mss, has_shift, sack, timestamps;
};

/* What both programs read of a packet, at once: each call to read costs as much as what is then done with it. TCP's
 * header is in one place whichever IP comes before it. */
struct head {
	union {
		struct ip6hdr ip6;
		struct { u8 none[sizeof(struct ip6hdr) - sizeof(struct iphdr)]; struct iphdr ip4; };
	};
	struct tcphdr tcp;
	struct offer offer; /* begins with the options */
	struct bpf_sock_tuple tuple;
	u16 length;         /* of TCP's header and text */
	u8 v6, ect;
	u32 at;             /* where TCP begins */
};

INLINE struct settings *current(void)
{
	u32 zero = 0, *slot = bpf_map_lookup_elem(&turn, &zero);

	return slot ? bpf_map_lookup_elem(&slots, slot) : 0;
}

/* read reads what of a packet is there from at on, up to the end of TCP's longest header, and returns 0
 * where TCP's shortest is not. */
INLINE int read(struct __sk_buff *skb, u32 at, void *ip, u32 size)
{
	u32 n = skb->len - at;

	if (skb->len < at + size + sizeof(struct tcphdr))
		return 0;
	if (n > size + 60)
		n = size + 60;
	asm volatile("" : "+r"(n)); /* the verifier sees this one bounded */
	return n <= size + 60 && n > 0 && !bpf_skb_load_bytes(skb, at, ip, n);
}

/* read_head reads a packet for one of our ports, and returns 0 for any other: those with IP options,
 * fragments, extension headers and VLAN tags are the kernel's. */
INLINE int read_head(struct __sk_buff *skb, const struct settings *s, struct head *h)
{
	u32 at = s->link_header, word;
	u64 *bits;

	if (skb->pkt_type != 0 || skb->vlan_present)
		return 0;
	if (skb->protocol == htons(0x0800)) {
		if (!read(skb, at, &h->ip4, sizeof(h->ip4)) || h->ip4.vihl != 0x45 || h->ip4.protocol != 6 || h->ip4.frag & htons(0x3fff))
			return 0;
		h->v6 = 0;
		h->ect = h->ip4.tos & 3;
		h->tuple.ipv4.saddr = h->ip4.saddr;
		h->tuple.ipv4.daddr = h->ip4.daddr;
		h->tuple.ipv4.sport = h->tcp.sport;
		h->tuple.ipv4.dport = h->tcp.dport;
		h->length = ntohs(h->ip4.len) - sizeof(h->ip4);
		h->at = at + sizeof(h->ip4);
	} else if (skb->protocol == htons(0x86dd)) {
		if (!read(skb, at, &h->ip6, sizeof(h->ip6)) || h->ip6.next != 6)
			return 0;
		h->v6 = 1;
		h->ect = ntohl(h->ip6.flow) >> 20 & 3;
		__builtin_memcpy(h->tuple.ipv6.saddr, h->ip6.saddr, 32);
		h->tuple.ipv6.sport = h->tcp.sport;
		h->tuple.ipv6.dport = h->tcp.dport;
		h->length = ntohs(h->ip6.len);
		h->at = at + sizeof(h->ip6);
	} else {
		return 0;
	}
	word = ntohs(h->tcp.dport) >> 6;
	bits = bpf_map_lookup_elem(&ports, &word);
	return bits && *bits >> (ntohs(h->tcp.dport) & 63) & 1;
}

/* version is the index of a family, and the verifier sees that it is one. */
INLINE u32 version(const struct head *h)
{
	u32 v = h->v6;

	asm volatile("%0 &= 1" : "+r"(v));
	return v;
}

/* guarded says whether the packet is for one of our addresses, and not to be forwarded. */
INLINE int guarded(const struct settings *s, const struct head *h)
{
	struct place p = {.port = ntohs(h->tcp.dport)};

	if (h->v6) {
		__builtin_memcpy(p.addr, h->tuple.ipv6.daddr, 16);
	} else {
		p.addr[0] = 0;
		p.addr[1] = (u64)h->tuple.ipv4.daddr << 32 | htonl(0xffff);
	}
	if (p.addr[1] == s->first.addr[1] && p.addr[0] == s->first.addr[0] && p.port == s->first.port)
		return 1;
	return bpf_map_lookup_elem(&places, &p) != 0;
}

INLINE struct bpf_sock *socket_of(struct __sk_buff *skb, struct head *h)
{
	if (h->v6)
		return bpf_skc_lookup_tcp(skb, &h->tuple, sizeof(h->tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	return bpf_skc_lookup_tcp(skb, &h->tuple, sizeof(h->tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

/* flow_of is the keyed hash of a four-tuple. Ours is the destination. */
INLINE u64 flow_of(const struct settings *s, const struct head *h)
{
	u64 last = ntohs(h->tcp.dport) | (u64)ntohs(h->tcp.sport) << 16;
	u64 w[5];

	if (!h->v6) {
		w[0] = (u64)ntohl(h->tuple.ipv4.daddr) << 32 | ntohl(h->tuple.ipv4.saddr);
		w[1] = last | 12ULL << 56;
		w[2] = w[3] = w[4] = 0;
		return siphash(&s->base, w, 2);
	}
	w[0] = (u64)ntohl(h->tuple.ipv6.daddr[0]) << 32 | ntohl(h->tuple.ipv6.daddr[1]);
	w[1] = (u64)ntohl(h->tuple.ipv6.daddr[2]) << 32 | ntohl(h->tuple.ipv6.daddr[3]);
	w[2] = (u64)ntohl(h->tuple.ipv6.saddr[0]) << 32 | ntohl(h->tuple.ipv6.saddr[1]);
	w[3] = (u64)ntohl(h->tuple.ipv6.saddr[2]) << 32 | ntohl(h->tuple.ipv6.saddr[3]);
	w[4] = last | 36ULL << 56;
	return siphash(&s->base, w, 5);
}

INLINE u32 milliseconds(u64 ns) { return ns / 1000000; }

INLINE u32 word_at(const struct offer *o, u32 at)
{
	return (u32)o->bytes[at] << 24 | (u32)o->bytes[at + 1] << 16 | (u32)o->bytes[at + 2] << 8 | o->bytes[at + 3];
}

/* next_option reads an option as engine/wire does: the first of a kind counts, and one with a wrong
 * length is none. */
NOINLINE long next_option(u32 n, struct offer *o)
{
	u32 at = o->at, kind, len;

	if (at >= o->end || at > 39 || (kind = o->bytes[at]) == 0)
		return 1;
	if (kind == 1) {
		o->at = at + 1;
		return 0;
	}
	if (at > 38 || (len = o->bytes[at + 1]) < 2 || at + len > o->end) {
		o->bad = 1;
		return 1;
	}
	o->at = at + len;
	if (kind == 2 && len == 4 && !o->has_mss && at <= 36) {
		o->has_mss = 1;
		o->mss = o->bytes[at + 2] << 8 | o->bytes[at + 3];
	} else if (kind == 3 && len == 3 && !o->has_shift && at <= 37) {
		o->has_shift = 1;
		o->shift = o->bytes[at + 2] > 14 ? 14 : o->bytes[at + 2];
	} else if (kind == 4 && len == 2) {
		o->sack = 1;
	} else if (kind == 8 && len == 10 && !o->timestamps && at <= 30) {
		o->timestamps = 1;
		o->stamps_at = at + 2;
		o->tsval = word_at(o, at + 2);
		o->tsecr = word_at(o, at + 6);
	}
	return 0;
}

/* data_of makes of an offer what of it we agree to, and says that as a cookie does. */
INLINE u32 data_of(const struct settings *s, const struct head *h, struct offer *o, u8 *options)
{
	const u16 *classes = mss_classes[version(h)];
	u32 c = 0;

	if (!o->has_mss)
		o->mss = h->v6 ? 1220 : 536;
	for (u32 i = 1; i < 8; i++)
		if (o->mss >= classes[i])
			c = i;
	o->timestamps = o->timestamps && s->timestamps;
	*options = o->has_shift && s->shift != NO_SCALING ? o->shift : NO_SCALING;
	if (o->sack && s->sack)
		*options |= s->ecn && (h->tcp.flags & (ECE | CWR)) == (ECE | CWR) && !h->ect ? WITH_ECN : WITH_SACK;
	return o->timestamps ? c | *options << CLASS_BITS : c >> 1 | *options << (CLASS_BITS - 1);
}

/* attacked says whether cookies are to be sent, of how many handshakes the listener waits for: from
 * half of its backlog on, and then for a time that doubles when it was too short, up to HOLD_MAX times. */
INLINE int attacked(const struct settings *s, struct state *st, struct tcp_sock *tp, u64 now)
{
	u32 half = tp->inet_conn.icsk_inet.sk.sk_max_ack_backlog / 2;

	if (now < st->until)
		return 1;
	if ((u32)tp->inet_conn.icsk_accept_queue.qlen.counter < (half ? half : 1))
		return 0;
	if (st->hold && now < st->until + st->hold)
		st->hold = st->hold * 2 < s->hold * HOLD_MAX ? st->hold * 2 : s->hold * HOLD_MAX;
	else
		st->hold = s->hold;
	st->until = now + st->hold;
	__sync_fetch_and_add(&st->attacks, 1);
	return 1;
}

/* A SYN-ACK, laid out as struct head is. */
struct answer {
	union {
		struct ip6hdr ip6;
		struct { u8 none[sizeof(struct ip6hdr) - sizeof(struct iphdr)]; struct iphdr ip4; };
	};
	struct tcphdr tcp;
	u32 options[5];
};

/* write_options arranges them as engine/wire does, and returns how many bytes they are. */
INLINE u32 write_options(u32 *w, const struct settings *s, const struct head *h, const struct offer *o, u8 options, u32 stamp)
{
	u32 scale = htonl(0x01030300 | s->shift), scaling = (options & SHIFT_BITS) != NO_SCALING;

	w[0] = htonl(0x02040000 | s->mss[version(h)]);
	if (o->timestamps) {
		w[1] = htonl(options & KIND_BITS ? 0x0402080a : 0x0101080a);
		w[2] = htonl(stamp);
		w[3] = htonl(o->tsval);
		w[4] = scaling ? scale : 0;
		return scaling ? 20 : 16;
	}
	w[3] = w[4] = 0;
	if (options & KIND_BITS) {
		w[1] = htonl(0x01010402);
		w[2] = scaling ? scale : 0;
		return scaling ? 12 : 8;
	}
	w[1] = scaling ? scale : 0;
	w[2] = 0;
	return scaling ? 8 : 4;
}

/* turn_link sends a frame back. */
INLINE int turn_link(struct __sk_buff *skb)
{
	u8 mac[12], back[12];

	if (bpf_skb_load_bytes(skb, 0, mac, 12))
		return 0;
	__builtin_memcpy(back, mac + 6, 6);
	__builtin_memcpy(back + 6, mac, 6);
	return !bpf_skb_store_bytes(skb, 0, back, 12, 0);
}

/* ip_sum is the checksum of an IPv4 header. */
INLINE u16 ip_sum(const struct iphdr *ip)
{
	const u32 *w = (const u32 *)ip;
	u64 sum = (u64)w[0] + w[1] + w[2] + w[3] + w[4];

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

/* write makes a packet the answer, of which size bytes are TCP's. */
INLINE int write(struct __sk_buff *skb, const struct head *h, struct answer *a, u32 size)
{
	if (h->v6) {
		a->ip6 = (struct ip6hdr){.flow = htonl(6u << 28), .len = htons(size), .next = 6, .hops = 64};
		__builtin_memcpy(a->ip6.saddr, h->tuple.ipv6.daddr, 16);
		__builtin_memcpy(a->ip6.daddr, h->tuple.ipv6.saddr, 16);
		return !bpf_skb_store_bytes(skb, h->at - sizeof(a->ip6), &a->ip6, sizeof(a->ip6) + size, 0);
	}
	a->ip4 = (struct iphdr){.vihl = 0x45, .len = htons(sizeof(a->ip4) + size), .frag = htons(0x4000), .ttl = 64, .protocol = 6,
		.saddr = h->tuple.ipv4.daddr, .daddr = h->tuple.ipv4.saddr};
	a->ip4.check = ip_sum(&a->ip4);
	return !bpf_skb_store_bytes(skb, h->at - sizeof(a->ip4), &a->ip4, sizeof(a->ip4) + size, 0);
}

/* send makes the SYN its answer. The checksum is changed by what differs: so it is right also where
 * the device is to fill it in, and what it was not right for goes on being wrong. */
INLINE int send(struct __sk_buff *skb, const struct settings *s, struct head *h, struct answer *a, u32 size)
{
	u32 was = htonl(h->length), is = htonl(size), old = h->length;
	int grows;
	s64 diff;

	if (old > sizeof(h->tcp) + sizeof(h->offer.bytes) || size < sizeof(a->tcp) || size > sizeof(a->tcp) + sizeof(a->options))
		return TC_ACT_SHOT;
	/* As long as the SYN, as those of most are: nothing but what it says changes. */
	grows = size != old;
	a->tcp.check = h->tcp.check;
	diff = bpf_csum_diff((void *)&h->tcp, old & ~3, (void *)&a->tcp, sizeof(a->tcp) + sizeof(a->options), 0);
	if ((grows && bpf_skb_change_tail(skb, h->at + size, 0)) || (s->link_header && !turn_link(skb)) || !write(skb, h, a, size) ||
	    bpf_l4_csum_replace(skb, h->at + 16, 0, diff, 0) ||
	    (grows && bpf_l4_csum_replace(skb, h->at + 16, 0, bpf_csum_diff(&was, 4, &is, 4, 0), BPF_F_PSEUDO_HDR)))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

/* answer_by_cookie answers a SYN, and leaves nothing. */
INLINE int answer_by_cookie(struct __sk_buff *skb, const struct settings *s, struct head *h, struct offer *o, u64 now)
{
	struct answer a = {};
	u64 flow = flow_of(s, h);
	u8 options;
	u32 data = data_of(s, h, o, &options), offset = flow >> 32, irs = ntohl(h->tcp.seq);
	u32 iss = (u32)flow + (s->epoch << EPOCH_SHIFT | payload(&s->keys[CURRENT], flow, irs, o->timestamps, data));
	u32 stamp = milliseconds(now) + offset, mss = s->mss[version(h)], size;

	stamp -= (stamp - data) & LONG_MASK;
	size = sizeof(a.tcp) + write_options(a.options, s, h, o, options, stamp);
	a.tcp.sport = h->tcp.dport;
	a.tcp.dport = h->tcp.sport;
	a.tcp.seq = htonl(iss);
	a.tcp.ack = htonl(irs + 1);
	a.tcp.doff = size << 2;
	a.tcp.flags = SYN | ACK | ((options & KIND_BITS) == WITH_ECN ? ECE : 0);
	/* As the kernel has it: whole segments. */
	a.tcp.window = htons(mss ? 65535 / mss * mss : 65535);
	return send(skb, s, h, &a, size);
}

/* listens says whether h is for a listener whose connections we can open, and whether it is to be
 * answered by us now. */
enum { NOT_OURS, LEAVE, MPTCP, ANSWER };
INLINE int listens(struct __sk_buff *skb, const struct settings *s, struct head *h, struct state *st, u64 now)
{
	struct bpf_sock *skc = socket_of(skb, h);
	struct tcp_sock *tp;
	int way = NOT_OURS;

	if (!skc)
		return way;
	if (skc->state == LISTEN && (tp = bpf_skc_to_tcp_sock(skc))) {
		if (FIELD_EXISTS(tp->is_mptcp) && tp->is_mptcp)
			way = MPTCP;
		else
			way = s->always || attacked(s, st, tp, now) ? ANSWER : LEAVE;
	}
	bpf_sk_release(skc);
	return way;
}

/* read_usual reads options as Linux and Android arrange them, which most do, and returns 0 for others. */
INLINE int read_usual(struct offer *o)
{
	u32 *w = (u32 *)o->bytes;

	if (o->end != 20 || (w[0] & htonl(0xffff0000)) != htonl(0x02040000) || w[1] != htonl(0x0402080a) || (w[4] & htonl(0xffffff00)) != htonl(0x01030300))
		return 0;
	o->has_mss = o->sack = o->timestamps = o->has_shift = 1;
	o->mss = ntohl(w[0]);
	o->stamps_at = 8;
	o->tsval = ntohl(w[2]);
	o->tsecr = ntohl(w[3]);
	o->shift = o->bytes[19] > 14 ? 14 : o->bytes[19];
	return 1;
}

SEC("tcx/ingress") int syn(struct __sk_buff *skb)
{
	u32 zero = 0, size;
	struct settings *s = current();
	struct state *st = bpf_map_lookup_elem(&states, &zero);
	struct counters *n = bpf_map_lookup_elem(&counted, &zero);
	struct head h = {};
	struct offer *o = &h.offer;
	u64 now;

	/* One with text asks for more than we can give. */
	if (!s || !st || !n || !read_head(skb, s, &h) || (h.tcp.flags & (SYN | ACK | RST | FIN)) != SYN)
		return TCX_NEXT;
	size = (h.tcp.doff >> 4) * 4;
	if (size != h.length || size < sizeof(h.tcp) || skb->len < h.at + size || !guarded(s, &h))
		return TCX_NEXT;
	n->syns++;
	now = bpf_ktime_get_ns();
	switch (listens(skb, s, &h, st, now)) {
	case LEAVE: n->left++; return TCX_NEXT;
	case MPTCP: n->mptcp++; return TCX_NEXT;
	case NOT_OURS: return TCX_NEXT;
	}
	o->end = size - sizeof(h.tcp);
	if (!read_usual(o))
		bpf_loop(40, next_option, o, 0);
	if (o->bad)
		return TC_ACT_SHOT;
	if (st->sent + SECOND < now)
		st->sent = now;
	n->sent++;
	return answer_by_cookie(skb, s, &h, o, now);
}

/* check reads a cookie back: what it says, and in said how; 0 when it is none. */
INLINE int check(const struct settings *s, const struct head *h, u64 flow, u32 timestamps, u32 echo, u32 *said)
{
	u32 v = ntohl(h->tcp.ack) - 1 - (u32)flow, irs = ntohl(h->tcp.seq) - 1, which, kind;

	switch ((s->epoch - (v >> EPOCH_SHIFT)) & 3) {
	case 0: which = CURRENT; break;
	case 1: which = PREVIOUS; break;
	case 3: which = NEXT; break;
	default: return 0;
	}
	v &= PAYLOAD_MASK;
	if (!timestamps) {
		*said = v & SHORT_MASK;
		kind = *said >> (CLASS_BITS - 1) & KIND_BITS;
		return kind <= WITH_ECN && payload(&s->keys[which], flow, irs, 0, *said) == v;
	}
	v ^= payload(&s->keys[which], flow, irs, 1, 0);
	*said = v >> SAID_SHIFT;
	kind = *said >> CLASS_BITS & KIND_BITS;
	return !(v & ((1 << SAID_SHIFT) - 1)) && (echo & LONG_MASK) == *said && kind <= WITH_ECN;
}

/* attributes are what a cookie says, as the kernel wants to hear it. */
INLINE void attributes(struct bpf_tcp_req_attrs *a, const struct settings *s, const struct head *h, u32 said, u32 timestamps)
{
	u32 class = timestamps ? said & 7 : said << 1 & 7, options = said >> (timestamps ? CLASS_BITS : CLASS_BITS - 1);
	u16 least = h->v6 ? 1220 : 536; /* the kernel takes no less */

	a->mss = mss_classes[version(h)][class];
	if (a->mss < least)
		a->mss = least;
	if ((options & SHIFT_BITS) != NO_SCALING) {
		a->wscale_ok = 1;
		a->snd_wscale = options & SHIFT_BITS;
		a->rcv_wscale = s->shift;
	}
	a->sack_ok = (options & KIND_BITS) >= WITH_SACK;
	a->ecn_ok = (options & KIND_BITS) == WITH_ECN;
}

/* What a segment's timestamps say, and where TSecr is. */
struct stamps { u32 val, echo, at; };

/* read_stamps reads timestamps: alone, as nearly all send them, or among others. It returns 0 where
 * there are none, and -1 where the options are broken. */
INLINE int read_stamps(struct head *h, u32 size, struct stamps *t)
{
	u32 options = h->at + sizeof(h->tcp);
	struct offer *o = &h->offer;
	u32 *alone = (u32 *)o->bytes;

	if (size == 12 && alone[0] == htonl(0x0101080a)) {
		t->val = ntohl(alone[1]);
		t->echo = ntohl(alone[2]);
		t->at = options + 8;
		return 1;
	}
	o->end = size;
	bpf_loop(40, next_option, o, 0);
	t->val = o->tsval;
	t->echo = o->tsecr;
	t->at = options + o->stamps_at + 4;
	return o->bad ? -1 : o->timestamps;
}

SEC("tcx/ingress") int ack(struct __sk_buff *skb)
{
	u32 zero = 0, size, timestamps, said = 0, good, none = 0;
	struct settings *s = current();
	struct state *st = bpf_map_lookup_elem(&states, &zero);
	struct counters *n = bpf_map_lookup_elem(&counted, &zero);
	struct bpf_tcp_req_attrs attrs = {};
	struct stamps t = {};
	struct head h = {};
	struct bpf_sock *skc;
	struct tcp_sock *tp;
	u64 now, flow;
	int way = TCX_NEXT, found;

	if (!s || !st || !n)
		return TCX_NEXT;
	/* Where no cookie can be under way nothing is looked for, and nothing costs anything. */
	now = bpf_ktime_get_ns();
	if (!s->shared && (!st->sent || now > st->sent + (u64)BELIEVED * SECOND))
		return TCX_NEXT;
	if (!read_head(skb, s, &h) || (h.tcp.flags & (SYN | ACK | RST)) != ACK)
		return TCX_NEXT;
	size = (h.tcp.doff >> 4) * 4;
	if (size < sizeof(h.tcp) || size > h.length || skb->len < h.at + size)
		return TCX_NEXT;
	found = read_stamps(&h, size - sizeof(h.tcp), &t);
	if (found < 0)
		return TCX_NEXT;
	timestamps = found && s->timestamps;
	flow = flow_of(s, &h);
	/* The hash costs less than the look-up, and tells a connection that is open from a cookie. */
	good = check(s, &h, flow, timestamps, t.echo, &said);
	if ((!good && !s->always && now >= st->until) || !guarded(s, &h))
		return TCX_NEXT;
	skc = socket_of(skb, &h);
	if (!skc)
		return TCX_NEXT;
	if (skc->state != LISTEN || !(tp = bpf_skc_to_tcp_sock(skc)))
		goto out;
	if (FIELD_EXISTS(tp->is_mptcp) && tp->is_mptcp)
		goto out;
	if (!good) {
		n->failed++;
		way = TC_ACT_SHOT;
		goto out;
	}
	attributes(&attrs, s, &h, said, timestamps);
	if (timestamps) {
		attrs.tstamp_ok = 1;
		attrs.rcv_tsval = t.val;
		/* What our clock says now, of which the kernel makes its own. */
		attrs.rcv_tsecr = milliseconds(now) + (u32)(flow >> 32);
	}
	if (bpf_sk_assign_tcp_reqsk(skb, (struct sock *)tp, &attrs, sizeof(attrs))) {
		n->refused++;
		goto out;
	}
	n->received++;
	/* What comes back says what the SYN said, and not when that was: no round-trip time can be
	 * measured by it. Zero is no echo. */
	if (timestamps && !bpf_skb_store_bytes(skb, t.at, &none, 4, 0))
		bpf_l4_csum_replace(skb, h.at + 16, htonl(t.echo), none, 4);
out:
	bpf_sk_release(skc);
	return way;
}

char licence[] SEC("license") = "Dual MIT/GPL";
