/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the programs use of the kernel. Kernel structures name only the fields that are read:
 * their offsets come from the BTF of the kernel that runs. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#define ntohs(x) __builtin_bswap16(x)
#define htons(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
#define htonl(x) __builtin_bswap32(x)
#define ntohll(x) __builtin_bswap64(x)

/* include/uapi/linux/bpf.h: the beginning of it. */
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

struct bpf_sock_tuple {
	union {
		struct { u32 saddr, daddr; u16 sport, dport; } ipv4;
		struct { u32 saddr[4], daddr[4]; u16 sport, dport; } ipv6;
	};
};

/* What a look-up finds; no more of it is read. */
struct bpf_sock { u32 before[18], state; };

struct bpf_tcp_req_attrs {
	u32 rcv_tsval, rcv_tsecr;
	u16 mss;
	u8 rcv_wscale, snd_wscale, ecn_ok, wscale_ok, sack_ok, tstamp_ok, usec_ts_ok;
	u8 reserved[3];
};

#define READ_FROM_BTF __attribute__((preserve_access_index))
struct sock { u32 sk_max_ack_backlog; } READ_FROM_BTF;
struct inet_sock { struct sock sk; } READ_FROM_BTF;
typedef struct { int counter; } READ_FROM_BTF atomic_t;
struct request_sock_queue { atomic_t qlen; } READ_FROM_BTF;
struct inet_connection_sock { struct inet_sock icsk_inet; struct request_sock_queue icsk_accept_queue; } READ_FROM_BTF;
struct tcp_sock { struct inet_connection_sock inet_conn; _Bool is_mptcp; } READ_FROM_BTF;
#define FIELD_EXISTS(field) __builtin_preserve_field_info(field, 2)

enum { TCX_NEXT = -1, TC_ACT_SHOT = 2 };
enum { BPF_F_PSEUDO_HDR = 1 << 4, BPF_F_CURRENT_NETNS = -1 };
enum { MAP_HASH = 1, MAP_ARRAY = 2, MAP_PERCPU_ARRAY = 6 };

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static long (*const bpf_skb_store_bytes)(struct __sk_buff *, u32 off, const void *from, u32 len, u64 flags) = (void *)9;
static long (*const bpf_l4_csum_replace)(struct __sk_buff *, u32 off, u64 from, u64 to, u64 flags) = (void *)11;
static long (*const bpf_redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*const bpf_skb_load_bytes)(const struct __sk_buff *, u32 off, void *to, u32 len) = (void *)26;
static s64 (*const bpf_csum_diff)(const void *from, u32 from_size, const void *to, u32 to_size, u32 seed) = (void *)28;
static long (*const bpf_skb_change_tail)(struct __sk_buff *, u32 len, u64 flags) = (void *)38;
static long (*const bpf_sk_release)(void *sk) = (void *)86;
static struct bpf_sock *(*const bpf_skc_lookup_tcp)(void *ctx, struct bpf_sock_tuple *, u32 size, u64 netns, u64 flags) = (void *)99;
static struct tcp_sock *(*const bpf_skc_to_tcp_sock)(void *sk) = (void *)137;
static long (*const bpf_loop)(u32 n, void *callback, void *ctx, u64 flags) = (void *)181;

extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *s, struct sock *sk, struct bpf_tcp_req_attrs *attrs, int attrs__sz)
	__attribute__((section(".ksyms")));

#define MAP_INT(name, value) int(*name)[value]
