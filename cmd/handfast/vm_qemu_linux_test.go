package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// With -vm DIR tests boot real machines by what DIR has: Debian's qemu-system-x86,
// linux-image-cloud-amd64 and busybox-static with what they need, unpacked.
var vmRoot = flag.String("vm", "", "a `directory` with the unpacked packages of QEMU, a kernel and busybox; see CONTRIBUTING.md")

// qemu is what a real machine needs.
type qemu struct {
	*testing.T
	kernel, initramfs string
	libraries         string
}

// vmModules are the kernel's, in the order in which they are loaded.
var vmModules = []string{"virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "failover", "net_failover", "virtio_net"}

func newQEMU(t *testing.T) *qemu {
	t.Helper()
	if *vmRoot == "" {
		t.Skip("no -vm: it needs more than 100 MB of packages, and minutes; see CONTRIBUTING.md")
	}
	q := &qemu{T: t, initramfs: filepath.Join(t.TempDir(), "initramfs")}
	q.kernel = q.one("boot/vmlinuz-*")
	var dirs []string
	filepath.WalkDir(*vmRoot, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".so") && !strings.Contains(strings.Join(dirs, ":"), filepath.Dir(path)) {
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	q.libraries = strings.Join(dirs, ":")

	var a archive
	for _, dir := range []string{"bin", "dev", "proc", "sys", "m", "etc", "tmp"} {
		a.add(dir, 0o40755, nil)
	}
	a.add("bin/busybox", 0o100755, q.read("bin/busybox"))
	for _, m := range vmModules {
		a.add("m/"+m+".ko", 0o100644, q.find(m+".ko"))
	}
	a.add("m/order", 0o100644, []byte(strings.Join(vmModules, " ")))
	a.add("lease", 0o100755, []byte(leaseScript))
	a.add("init", 0o100755, []byte(initScript))
	a.add("TRAILER!!!", 0, nil)
	if err := os.WriteFile(q.initramfs, a.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return q
}

// one returns the only file of a pattern.
func (q *qemu) one(pattern string) string {
	q.Helper()
	found, err := filepath.Glob(filepath.Join(*vmRoot, pattern))
	if err != nil || len(found) == 0 {
		q.Fatalf("-vm %s: there is no %s; CONTRIBUTING.md says which packages it takes", *vmRoot, pattern)
	}
	return found[0]
}

func (q *qemu) read(pattern string) []byte {
	q.Helper()
	b, err := os.ReadFile(q.one(pattern))
	if err != nil {
		q.Fatal(err)
	}
	return b
}

// find reads a module, which lies somewhere below.
func (q *qemu) find(name string) (b []byte) {
	filepath.WalkDir(filepath.Join(*vmRoot, "lib/modules"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == name {
			b, _ = os.ReadFile(path)
		}
		return nil
	})
	if b == nil {
		q.Fatalf("-vm %s: there is no module %s", *vmRoot, name)
	}
	return b
}

// archive is a cpio archive in the form that the kernel unpacks ("newc").
// https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
type archive struct {
	bytes.Buffer
	count int
}

func (a *archive) add(name string, mode int, data []byte) {
	a.count++
	fmt.Fprintf(a, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", a.count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.WriteString(name + "\x00")
	a.pad()
	a.Write(data)
	a.pad()
}

func (a *archive) pad() {
	for a.Len()%4 != 0 {
		a.WriteByte(0)
	}
}

const leaseScript = `#!/bin/busybox sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo "nameserver $dns" > /etc/resolv.conf
`

// initScript runs what the kernel's command line has as run=, which is a command of it.
const initScript = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
for m in $(cat /m/order); do insmod /m/$m.ko; done
for word in $(cat /proc/cmdline); do case $word in run=*|port=*|upload=*|size=*) export "$word";; esac; done
ip link set lo up; ip link set eth0 up
udhcpc -i eth0 -s /lease -n -q -t 20 >/dev/null 2>&1
echo "RESULT lease $(ip -4 addr show dev eth0 | sed -n 's/.*inet \([0-9.]*\).*/\1/p')"
here=192.168.127.1
case $run in
first)
	ping -c 3 -q $here >/dev/null && echo "RESULT ping ok"
	for i in 1 2 3 4 5 6 7 8 9; do ping6 -c 1 -q fd00:127::1 >/dev/null 2>&1 && break; sleep 1; done
	ping6 -c 1 -q fd00:127::1 >/dev/null && echo "RESULT ping6 ok"
	ip -6 addr show dev eth0 | grep -q 'inet6 fd00:127:' && echo "RESULT ipv6 ok"
	nslookup example.com >/dev/null 2>&1
	echo "RESULT download $(wget -q -O - http://$here:$port/file | sha256sum | cut -d' ' -f1)"
	head -c $size /dev/urandom > /tmp/up
	echo "RESULT sent $(sha256sum < /tmp/up | cut -d' ' -f1)"
	echo "RESULT upload $(nc $here $upload < /tmp/up)"
	echo "RESULT serving"
	while :; do nc -l -p 7 -e /bin/cat; done
	;;
second)
	echo "RESULT reached $(echo hello | nc 192.168.127.2 7)"
	;;
esac
poweroff -f
`

// boot starts a machine, of which the results come line by line; the channel is closed
// when it has ended.
func (q *qemu) boot(n int, netdev string, words string) <-chan string {
	q.Helper()
	cmd := exec.Command(filepath.Join(*vmRoot, "usr/bin/qemu-system-x86_64"),
		"-L", filepath.Join(*vmRoot, "usr/share/qemu"), "-L", filepath.Join(*vmRoot, "usr/share/seabios"),
		"-accel", "tcg", "-m", "384", "-nographic", "-no-reboot", "-nic", "none",
		"-kernel", q.kernel, "-initrd", q.initramfs, "-append", "console=ttyS0 quiet panic=-1 "+words,
		"-netdev", netdev, "-device", fmt.Sprintf("virtio-net-pci,netdev=n,romfile=,mac=52:54:00:00:00:%02x", n))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+q.libraries)
	out, err := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		q.Fatal(err)
	}
	q.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	results := make(chan string, 100)
	go func() {
		defer close(results)
		var whole bytes.Buffer
		memory := make([]byte, 4096)
		for {
			n, err := out.Read(memory)
			whole.Write(memory[:n])
			for {
				line, rest, ok := bytes.Cut(whole.Bytes(), []byte("\n"))
				if !ok {
					break
				}
				if _, result, ok := strings.Cut(string(line), "RESULT "); ok {
					results <- strings.TrimSpace(result)
				} else {
					q.Logf("machine: %s", bytes.TrimSpace(line))
				}
				whole = *bytes.NewBuffer(bytes.Clone(rest))
			}
			if err != nil {
				return
			}
		}
	}()
	return results
}

// sumServer tells each connection the hash of what came, after its FIN.
func sumServer(t *testing.T) (port string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				sum := sha256.New()
				n, err := io.Copy(sum, c)
				if err != nil {
					t.Errorf("after %d bytes of the upload: %v", n, err)
				}
				fmt.Fprintf(c, "%x\n", sum.Sum(nil))
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

const vmFile = 100 << 20

// A real machine boots on our network by each way that QEMU has: DHCP, pings, names, 100 MB
// each way with the right hashes, half-close; a second one reaches it.
func TestVMBootsLinux(t *testing.T) {
	q := newQEMU(t)
	file := bytes.Repeat([]byte("0123456789abcdef"), vmFile/16)
	for i := 0; i < len(file); i += 4096 {
		copy(file[i:], fmt.Sprint(i))
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(file))
	words := fmt.Sprintf(" port=%s upload=%s size=%d", oneFile(t, file), sumServer(t), vmFile)
	for kind, netdev := range map[string]string{
		"unix":     "stream,id=n,server=off,addr.type=unix,addr.path=%s",
		"unixgram": "dgram,id=n,local.type=unix,local.path=%[1]s-machine,remote.type=unix,remote.path=%[1]s",
		"tcp":      "socket,id=n,connect=%s",
	} {
		t.Run(kind, func(t *testing.T) {
			q := &qemu{T: t, kernel: q.kernel, initramfs: q.initramfs, libraries: q.libraries}
			dir := t.TempDir()
			one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
			at := one
			if kind == "tcp" {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				at = l.Addr().String()
				l.Close()
			}
			v := startVM(t, "--listen", kind+":"+at, "--listen", "unix:"+two)
			got := map[string]string{}
			var sent string
			for result := range q.boot(1, fmt.Sprintf(netdev, at), "run=first"+words) {
				name, value, _ := strings.Cut(result, " ")
				if got[name] = value; name == "sent" {
					sent, got[name] = value, "ok"
				}
				if name == "serving" {
					break
				}
			}
			for result := range q.boot(2, fmt.Sprintf("stream,id=n,server=off,addr.type=unix,addr.path=%s", two), "run=second"+words) {
				name, value, _ := strings.Cut(result, " ")
				got[name+"2"] = value
			}
			want := map[string]string{"lease": "192.168.127.2", "ping": "ok", "ping6": "ok", "ipv6": "ok", "download": sum,
				"sent": "ok", "upload": sent, "serving": "", "lease2": "192.168.127.3", "reached2": "hello"}
			for name, value := range want {
				if was, ok := got[name]; !ok || was != value {
					t.Errorf("%s is %q, want %q", name, was, value)
				}
			}
			v.interrupt(one, two)
			if !strings.Contains(v.told.String(), "192.168.127.1:53") { // an answer is the system's to give
				t.Error("the machine asked for a name, and nobody was asked")
			}
			if t.Failed() {
				t.Logf("%s", v.told)
			}
		})
	}
}
