/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Frames for our addresses go to our sockets, all others to the kernel. See doc.go of this package. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define htons(x) __builtin_bswap16(x)
#define htonl(x) __builtin_bswap32(x)

/* include/uapi/linux/bpf.h */
struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
enum { XDP_PASS = 2 };
enum { MAP_HASH = 1, MAP_XSK = 17 };
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_redirect_map)(void *map, u64 key, u64 flags) = (void *)51;

/* An IPv4 address lies in the last word, behind ::ffff:0:0/96. In the order of the network. */
struct addr { u32 word[4]; };

struct { int (*type)[MAP_XSK]; int (*key_size)[4]; int (*value_size)[4]; int (*max_entries)[256]; } sockets SEC(".maps"); /* by receive queue */
struct { int (*type)[MAP_HASH]; struct addr *key; u8 *value; int (*max_entries)[1024]; } ours SEC(".maps");

enum { ETHERNET = 14, IPV4 = 20, IPV6 = 40, ARP = 28 };
enum { ICMPV6 = 58, NEIGHBOR_SOLICITATION = 135, NEIGHBOR_ADVERTISEMENT = 136 };

INLINE int is4(const u8 *at)
{
	struct addr a = { { 0, 0, htonl(0xffff), 0 } };

	__builtin_memcpy(&a.word[3], at, 4);
	return bpf_map_lookup_elem(&ours, &a) != 0;
}

INLINE int is6(const u8 *at)
{
	struct addr a;

	__builtin_memcpy(&a, at, 16);
	return bpf_map_lookup_elem(&ours, &a) != 0;
}

/* is_neighbor: a question or an answer about an address of ours, to a group. */
INLINE int is_neighbor(const u8 *ip, const u8 *end)
{
	if (ip[6] != ICMPV6 || ip[24] != 0xff || ip + IPV6 + 24 > end)
		return 0;
	if (ip[IPV6] != NEIGHBOR_SOLICITATION && ip[IPV6] != NEIGHBOR_ADVERTISEMENT)
		return 0;
	return is6(ip + IPV6 + 8);
}

INLINE int is_ours(const u8 *frame, const u8 *end)
{
	const u8 *ip = frame + ETHERNET;
	u16 type;

	if (ip > end)
		return 0;
	__builtin_memcpy(&type, frame + 12, 2);
	if (type == htons(0x0800))
		return ip + IPV4 <= end && is4(ip + 16);
	if (type == htons(0x0806)) /* who is asked for, and who speaks: somebody may have our address */
		return ip + ARP <= end && (is4(ip + 24) || is4(ip + 14));
	if (type == htons(0x86dd))
		return ip + IPV6 <= end && (is6(ip + 24) || is_neighbor(ip, end));
	return 0;
}

SEC("xdp") int steer(struct xdp_md *ctx)
{
	if (!is_ours((const u8 *)(long)ctx->data, (const u8 *)(long)ctx->data_end))
		return XDP_PASS;
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

char licence[] SEC("license") = "Dual MIT/GPL";
