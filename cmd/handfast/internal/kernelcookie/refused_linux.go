package kernelcookie

import (
	"errors"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// handOver is the function of the kernel that makes a connection of a cookie.
const handOver = "bpf_sk_assign_tcp_reqsk"

var (
	needsRights = say.Text{"%w: loading and attaching eBPF programs needs root, outside of any user namespace, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
		"%w：加载并挂接 eBPF 程序需要 root（不在用户命名空间内），或 CAP_BPF、CAP_NET_ADMIN 与 CAP_PERFMON"}
	needsEBPF = say.Text{"%w: this kernel runs no eBPF programs at a device", "%w：此内核不能在设备上运行 eBPF 程序"}
	needsBTF  = say.Text{"%w: this kernel does not describe itself, which CONFIG_DEBUG_INFO_BTF has it do",
		"%w：此内核没有自身的类型信息（CONFIG_DEBUG_INFO_BTF）"}
	needsByteOrder = say.Text{"the eBPF programs are compiled for little-endian machines (amd64, arm64, riscv64), and this one is big-endian",
		"eBPF 程序是为小端机器（amd64、arm64、riscv64）编译的，而本机是大端"}
	needsHandOver = say.Text{"%w: this kernel has no %s, which Linux has from 6.9 on, with CONFIG_SYN_COOKIES",
		"%w：此内核没有 %s；Linux 从 6.9 起在 CONFIG_SYN_COOKIES 打开时提供它"}
	needsTCX = say.Text{"%w: this kernel attaches no program to a device by TCX, which Linux has from 6.6 on",
		"%w：此内核不能以 TCX 把程序挂到设备上；Linux 从 6.6 起支持"}
)

// explain asks the kernel what it was that a refusal is about.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var v *ebpf.VerifierError
	if isRefusal(err) && !errors.As(err, &v) {
		return say.Errorf(needsRights, syscall.EPERM) // what the library guesses besides is of older kernels
	}
	switch can := features.HaveProgramType(ebpf.SchedCLS); {
	case isRefusal(can):
		return say.Errorf(needsRights, syscall.EPERM)
	case errors.Is(can, ebpf.ErrNotSupported):
		return say.Errorf(needsEBPF, err)
	}
	kernel, missing := btf.LoadKernelSpec()
	if missing != nil {
		return say.Errorf(needsBTF, err)
	}
	var f *btf.Func
	if kernel.TypeByName(handOver, &f) != nil {
		return say.Errorf(needsHandOver, err, handOver)
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		return say.Errorf(needsTCX, err)
	}
	return err
}

func isRefusal(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}
