/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Cookies as engine/tcp makes them: see syn_cookie.go there. */
#pragma once
#include "kernel.h"

struct key { u64 k0, k1; };

#define ROL(x, n) ((x) << (n) | (x) >> (64 - (n)))
#define ROUND                                                                              \
	do {                                                                               \
		v0 += v1; v2 += v3; v1 = ROL(v1, 13) ^ v0; v3 = ROL(v3, 16) ^ v2;          \
		v0 = ROL(v0, 32) + v3; v2 += v1; v3 = ROL(v3, 21) ^ v0;                    \
		v1 = ROL(v1, 17) ^ v2; v2 = ROL(v2, 32);                                   \
	} while (0)

/* SipHash-2-4 of up to five words, without a block for their number. */
NOINLINE u64 siphash(const struct key *k, const u64 *words, u32 n)
{
	u64 v0 = k->k0 ^ 0x736f6d6570736575ULL, v1 = k->k1 ^ 0x646f72616e646f6dULL;
	u64 v2 = k->k0 ^ 0x6c7967656e657261ULL, v3 = k->k1 ^ 0x7465646279746573ULL;

	for (u32 i = 0; i < 5 && i < n; i++) {
		v3 ^= words[i];
		ROUND; ROUND;
		v0 ^= words[i];
	}
	v2 ^= 0xff;
	ROUND; ROUND; ROUND; ROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

enum {
	EPOCH_SHIFT = 30, PAYLOAD_MASK = (1 << EPOCH_SHIFT) - 1,
	CLASS_BITS = 3, OFFER_BITS = 6, SAID_SHIFT = EPOCH_SHIFT - CLASS_BITS - OFFER_BITS,
	LONG_MASK = (1 << (CLASS_BITS + OFFER_BITS)) - 1, SHORT_MASK = (1 << (CLASS_BITS - 1 + OFFER_BITS)) - 1,
	NO_SCALING = 15, SHIFT_BITS = 15, KIND_BITS = 3 << 4, WITH_SACK = 1 << 4, WITH_ECN = 2 << 4,
};

static const u16 mss_classes[2][8] = {
	{64, 256, 536, 1300, 1380, 1440, 1460, 8940},
	{64, 512, 1220, 1300, 1360, 1420, 1440, 8940},
};

INLINE u32 payload(const struct key *k, u64 flow, u32 irs, u32 timestamps, u32 data)
{
	u64 m = flow ^ (u64)irs << 32;

	if (timestamps)
		return ((u32)siphash(k, &m, 1) & PAYLOAD_MASK) ^ data << SAID_SHIFT;
	m ^= data << 1 | 1;
	return ((u32)siphash(k, &m, 1) << (CLASS_BITS - 1 + OFFER_BITS) & PAYLOAD_MASK) | data;
}
