#include "textflag.h"

// func sumVector(b []byte) uint64
//
// Four accumulators of four 64-bit lanes: the low and the high halves of the
// 64-bit words, which cannot overflow.
TEXT ·sumVector(SB), NOSPLIT, $0-32
	MOVQ     b_base+0(FP), SI
	MOVQ     b_len+8(FP), CX
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VPXOR    Y3, Y3, Y3
	VPCMPEQD Y7, Y7, Y7
	VPSRLQ   $32, Y7, Y7 // a mask of the low halves

loop:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VPAND   Y7, Y4, Y6
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y6, Y0, Y0
	VPADDQ  Y4, Y1, Y1
	VPAND   Y7, Y5, Y6
	VPSRLQ  $32, Y5, Y5
	VPADDQ  Y6, Y2, Y2
	VPADDQ  Y5, Y3, Y3
	ADDQ    $64, SI
	SUBQ    $64, CX
	JNE     loop

	VPADDQ       Y1, Y0, Y0
	VPADDQ       Y3, Y2, Y2
	VPADDQ       Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ       X1, X0, X0
	VPSRLDQ      $8, X0, X1
	VPADDQ       X1, X0, X0
	VMOVQ        X0, AX
	VZEROUPPER
	MOVQ         AX, ret+24(FP)
	RET

// func hasAVX2() bool
//
// The processor has AVX2, and the system keeps its registers: Intel 64 and IA-32
// Architectures Software Developer's Manual, volume 1, section 14.3.
TEXT ·hasAVX2(SB), NOSPLIT, $0-1
	MOVB  $0, ret+0(FP)
	XORL  AX, AX
	CPUID
	CMPL  AX, $7
	JLT   no
	MOVL  $1, AX
	XORL  CX, CX
	CPUID
	ANDL  $0x18000000, CX // OSXSAVE and AVX
	CMPL  CX, $0x18000000
	JNE   no
	XORL  CX, CX
	XGETBV
	ANDL  $6, AX          // the registers of SSE and AVX
	CMPL  AX, $6
	JNE   no
	MOVL  $7, AX
	XORL  CX, CX
	CPUID
	TESTL $0x20, BX       // AVX2
	JEQ   no
	MOVB  $1, ret+0(FP)

no:
	RET
